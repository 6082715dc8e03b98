"""What is recorded is what a trace has, whatever stops the recording."""

import hashlib
import itertools
import json
import time

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from scope_widgets import Microscope, features
from scope_widgets.features.recording import record as recording_module
from scope_widgets.features.recording import shard_tensors
from scope_widgets.features.recording.joined_recordings import digest_of_recording
from scope_widgets.features.recording.manifest import MANIFEST
from scope_widgets.features.recording.shards import write_shard
from tests.support.forked import Forked
from tests.support.mlp_rows import mlp_rows

NAMES = ("Mary", "John", "Anna", "Tom", "Lucy")
TEXTS = [
    f"When {a} and {b} went to the store, {b} gave a book to {a}" + " and the dog runs" * (at % 3)
    for at, (a, b) in enumerate((a, b) for a in NAMES for b in NAMES if a != b)
]


@pytest.fixture(scope="module")
def scope():
    return Microscope.load("demo")


@pytest.fixture(autouse=True)
def small_shards(monkeypatch):
    monkeypatch.setattr(recording_module, "_SHARD", 100)


def record(scope, folder, texts=TEXTS, **options):
    return features.record(scope, texts, folder=folder, progress=False, **{"layers": [1, 3], **options})


def bytes_of(folder):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


@pytest.mark.parametrize("site", ["residual", "attention_out", "mlp_out", "z"])
def test_rows_are_those_of_a_trace(scope, site, tmp_path):
    rec = record(scope, tmp_path, TEXTS[:4], site=site, dtype="float32", special_tokens=True)
    for at, text in enumerate(TEXTS[:4]):
        trace = scope.trace(text)
        rows = np.flatnonzero(rec.table.sample_id == at)
        assert rec.table.token_id.to_numpy()[rows].tolist() == trace.token_ids.tolist()
        assert rec.table.token_pos.to_numpy()[rows].tolist() == list(range(len(rows)))
        for layer in (1, 3):
            value = trace.z(layer).flatten(1) if site == "z" else getattr(trace, site)(layer)
            torch.testing.assert_close(rec.rows(layer)[rows], value, rtol=1e-4, atol=1e-5)
    assert rec.samples.text[0].endswith(TEXTS[0])


def test_two_sites_are_recorded_in_one_forward(scope, tmp_path, monkeypatch):
    forwards = []
    inner = shard_tensors.read_activations
    monkeypatch.setattr(shard_tensors, "read_activations", lambda *given: forwards.append(1) or inner(*given))
    options = {"dtype": "float32", "special_tokens": True}
    rec = record(scope, tmp_path / "both", TEXTS[:4], site="mlp_in", target="mlp_out", **options)
    n_forwards = len(forwards)
    assert "mlp_in and mlp_out of layer 1, 3" in repr(rec)
    for at, text in enumerate(TEXTS[:4]):
        rows = np.flatnonzero(rec.table.sample_id == at)
        for layer in (1, 3):
            pair = mlp_rows(scope, layer, scope.trace(text).token_ids.tolist())
            for site, value in zip(("mlp_in", "mlp_out"), pair, strict=True):
                torch.testing.assert_close(rec.rows(layer, site)[rows], value, rtol=1e-4, atol=1e-5)
    alone = record(scope, tmp_path / "alone", TEXTS[:4], site="mlp_in", **options)
    assert len(forwards) == 2 * n_forwards
    assert torch.equal(rec.rows(1)[:], alone.rows(1)[:])
    wide = record(scope, tmp_path / "wide", TEXTS[:4], site="residual", target="neurons", layers=1)
    again = features.Recording.load(wide.folder)
    assert (again.rows(1).shape[1], again.rows(1, "neurons").shape[1]) == (128, 256)
    assert again.manifest.complete
    with pytest.raises(ValueError, match="'z' was not recorded; there is residual and neurons"):
        again.rows(1, "z")
    with pytest.raises(ValueError, match=r"another recording \(target=None, not 'mlp_out'"):
        record(scope, alone.folder, TEXTS[:4], site="mlp_in", target="mlp_out", **options)
    with pytest.raises(ValueError, match="target= is another site than site='mlp_in'"):
        record(scope, tmp_path / "none", site="mlp_in", target="mlp_in")
    with pytest.raises(ValueError, match="0 to 3 for 'mlp_out'"):
        record(scope, tmp_path / "none", target="mlp_out", layers=4)


def test_a_manifest_of_before_targets_is_read(scope, tmp_path):
    rec = record(scope, tmp_path)
    digest = digest_of_recording(rec)
    given = json.loads((tmp_path / MANIFEST).read_text())
    for wrong in ({"target": "residual"}, {"target": 3}, {"target": "mlp_out", "d_target": -1}):
        (tmp_path / MANIFEST).write_text(json.dumps(given | wrong))
        with pytest.raises(ValueError, match="no manifest of a recording"):
            features.Recording.load(tmp_path)
    for name in ("target", "d_target"):
        del given[name]
    (tmp_path / MANIFEST).write_text(json.dumps(given))
    again = features.Recording.load(tmp_path)
    assert (again.manifest, digest_of_recording(again)) == (rec.manifest, digest)
    assert record(scope, tmp_path).manifest.complete


def test_special_tokens_are_left_out_and_counted(scope, tmp_path):
    rec = record(scope, tmp_path)
    assert not rec.table.token_id.isin(scope.tokenizer.all_special_ids).any()
    assert rec.manifest.skipped == len(TEXTS)
    assert (rec.manifest.complete, rec.damaged()) == (True, [])
    assert len(rec.manifest.shards) > 3
    assert rec.rows(3).shape == (len(rec.table), scope.d_model)
    assert features.Recording.load(tmp_path).table.equals(rec.table)


def test_a_long_text_is_cut_and_packed_samples_are_full(scope, tmp_path):
    long = " and ".join(TEXTS)
    ids = scope.trace([long[:400]]).token_ids[0].tolist()
    cut = record(scope, tmp_path / "cut", [long], context=32)
    assert (cut.table.groupby("sample_id").size() <= 31).all()  # each begins with a special token
    assert cut.table.token_id.tolist()[: len(ids) - 1 - 5] == ids[1 : len(ids) - 5]
    packed = record(scope, tmp_path / "packed", context=32, packed=True, special_tokens=True)
    sizes = packed.table.groupby("sample_id").size()
    assert (sizes[:-1] == 32).all()
    assert len(packed) == sum(len(scope.trace(text).token_ids) for text in TEXTS)


def test_split_is_by_text(scope, tmp_path):
    rec = record(scope, tmp_path, TEXTS * 4, context=16)
    splits = rec.table.assign(document=rec.samples.document.to_numpy()[rec.table.sample_id])
    assert (splits.groupby("document").split.nunique() == 1).all()
    assert 0 < (rec.table.split == "validation").mean() < 0.3


def test_a_killed_recording_goes_on_to_the_same_bytes(scope, tmp_path):
    whole = record(scope, tmp_path / "whole", TEXTS * 20)
    folder = tmp_path / "killed"
    child = Forked(lambda: record(scope, folder, TEXTS * 20) and None)
    while not (folder / "000003.safetensors").exists():
        assert not child.ended
        time.sleep(0.01)
    child.kill()
    assert not features.Recording.load(folder).manifest.complete
    assert record(scope, folder, TEXTS * 20).manifest.complete
    assert {name: one for name, one in bytes_of(folder).items() if not name.startswith(".")} == bytes_of(whole.folder)


def test_an_interrupt_keeps_whole_shards(scope, tmp_path, monkeypatch):
    inner, calls = recording_module.write_shard, []

    def write(*args):
        if len(calls) == 2:
            raise KeyboardInterrupt
        calls.append(args)
        return inner(*args)

    monkeypatch.setattr(recording_module, "write_shard", write)
    with pytest.raises(KeyboardInterrupt, match="the same call goes on") as caught:
        record(scope, tmp_path)
    assert len(caught.value.result.manifest.shards) == 2
    monkeypatch.setattr(recording_module, "write_shard", inner)
    assert record(scope, tmp_path).manifest.complete


def test_a_damaged_shard_is_found_and_made_again(scope, tmp_path):
    rec = record(scope, tmp_path)
    before, table, values = bytes_of(tmp_path), rec.table, rec.rows(1)[:]
    path = rec.paths()[2]
    damaged = bytearray(path.read_bytes())
    damaged[-5] ^= 1
    path.write_bytes(damaged)
    read = features.Recording.load(tmp_path)
    assert read.damaged() == [path]
    for use in (lambda: read.rows(1), lambda: read.table, lambda: read.samples, lambda: next(read.batches(1, batch=2))):
        with pytest.raises(ValueError, match=r"000002.safetensors' is damaged .*not what was written"):
            use()
    rest = features.Recording.load(tmp_path, skip_damaged=True)
    kept = table[table["sample_id"].isin(rest.table["sample_id"])]
    assert len(rest) == len(kept) == len(rec) - rec.manifest.shards[2].rows > 0
    assert torch.equal(rest.rows(1)[:], values[kept.index.to_numpy().copy()])
    record(scope, tmp_path)
    assert bytes_of(tmp_path) == before


def test_a_manifest_of_another_width_is_refused(scope, tmp_path):
    rec = record(scope, tmp_path)
    for change in (("d", rec.manifest.d + 1), ("dtype", "bfloat16")):
        read = features.Recording.load(tmp_path)
        setattr(read.manifest, *change)
        read.manifest.write(tmp_path)
        with pytest.raises(ValueError, match="it is damaged, features.record writes it anew"):
            features.Recording.load(tmp_path).rows(rec.manifest.layers[0])
        rec.manifest.write(tmp_path)


def test_parts_make_the_whole(scope, tmp_path):
    whole = record(scope, tmp_path / "whole", dtype="float32")
    parts = [record(scope, tmp_path / str(rank), shard=(rank, 3), dtype="float32") for rank in range(3)]
    assert sum(map(len, parts)) == len(whole)
    rows = {(d, p): row for one in parts for d, p, row in placed(one)}
    for document, position, row in placed(whole):
        torch.testing.assert_close(rows[document, position], row, rtol=1e-4, atol=1e-5)


def placed(rec):
    document = rec.samples.document.to_numpy()[rec.table.sample_id]
    return zip(document.tolist(), rec.table.token_pos.tolist(), rec.rows(3)[:], strict=True)


def test_max_tokens_is_exact_and_a_batch_comes_of_all_rows_once(scope, tmp_path):
    rec = record(scope, tmp_path, max_tokens=257, layers=3)
    assert len(rec) == 257 == len(rec.table)
    rows = rec.rows(3)[:].float()
    batches = list(rec.batches(3, batch=50, split=None, seed=4))
    assert [len(one) for one in batches] == [50] * 5
    seen = torch.cat(batches).float()
    assert len(torch.unique(seen, dim=0)) == len(torch.unique(rows, dim=0)) - 7
    assert torch.equal(seen, torch.cat(list(rec.batches(3, batch=50, split=None, seed=4))).float())
    assert not torch.equal(seen, torch.cat(list(rec.batches(3, batch=50, split=None, seed=5))).float())
    assert len(list(rec.batches(3, batch=1))) == int((rec.table.split == "train").sum())
    with pytest.raises(ValueError, match="fewer than a batch"):
        next(rec.batches(3, batch=1000))


def test_neighbours_are_apart_after_shuffling():
    from scope_widgets.features.recording.batches import BLOCK, shuffled_batches

    rows = torch.arange(64 * BLOCK, dtype=torch.float32)[:, None]
    batches = list(shuffled_batches(rows, None, 512, 0, 16 * BLOCK, 1))
    assert sorted(torch.cat(batches)[:, 0].tolist()) == rows[:, 0].tolist()
    together = [float((one // BLOCK).unique(return_counts=True)[1].float().mean()) / 512 for one in batches]
    assert np.mean(together) == pytest.approx(1 / 16, rel=0.3)  # as the docstring says: one of the blocks in the window


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"layers": [5]}, "0 to 4"),
        ({"layers": []}, "0 to 4"),
        ({"layers": [4], "site": "mlp_out"}, "0 to 3"),
        ({"site": "mlp"}, "site="),
        ({"dtype": "int8"}, "dtype="),
        ({"context": 1}, "context="),
        ({"max_tokens": 0}, "max_tokens="),
        ({"shard": (3, 3)}, "shard="),
        ({"shard": 3}, "shard="),
        ({"context": "long"}, "context="),
        ({"texts": []}, "no texts"),
        ({"texts": ["", " "]}, "No text has a token"),
        ({"texts": ["fine", 3]}, "Text 1 is no text"),
        ({"texts": None}, "Texts are a list"),
        ({"texts": {"a": "text"}}, "Texts are a list"),
        ({"texts": [[5, 99_999]]}, "Token ids must be 0 to 719 for demo; got 99999"),
    ],
)
def test_bad_arguments_are_said(scope, tmp_path, options, said):
    with pytest.raises((TypeError, ValueError), match=said):
        record(scope, tmp_path, **options)


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("mlp_out.2", lambda rec: rec.rows(2, "mlp_out")),
        ("token_id", lambda rec: rec.table),
        ("document", lambda rec: rec.samples),
        ("text_bytes", lambda rec: rec.to_parquet(rec.folder / "parquet")),
    ],
)
def test_a_shard_of_other_lengths_than_the_manifest_says_is_refused(scope, tmp_path, name, read):
    rec = record(scope, tmp_path, layers=2, site="mlp_in", target="mlp_out")
    path = rec.paths()[0]
    tensors = load_file(path)
    lying = {**tensors, name: tensors[name][:3].clone()}
    rec.manifest.shards[0].sha256 = write_shard(path, lying)
    rec.manifest.write(tmp_path)
    with pytest.raises(ValueError, match=f"is damaged .*{name} is torch.* were recorded"):
        read(features.Recording.load(tmp_path))


@pytest.mark.parametrize("target", ["mlp_out\n" * 1000, "../../x", "mlp_in", 3])
def test_a_manifest_names_places_of_a_model(scope, tmp_path, target):
    record(scope, tmp_path, layers=2, site="mlp_in", target="mlp_out")
    given = json.loads((tmp_path / MANIFEST).read_text())
    (tmp_path / MANIFEST).write_text(json.dumps(given | {"target": target}))
    with pytest.raises(ValueError, match="is no manifest of a recording: its target is") as caught:
        features.Recording.load(tmp_path)
    assert len(str(caught.value)) < 500


def test_another_recording_is_not_gone_on_with(scope, tmp_path):
    record(scope, tmp_path, max_tokens=300)
    with pytest.raises(ValueError, match=r"another recording \(layers=\[1, 3\], not \[2\]; max_tokens=300, not None\)"):
        record(scope, tmp_path, layers=[2])
    (tmp_path / MANIFEST).write_text((tmp_path / MANIFEST).read_text().replace('"complete": true', '"complete": false'))
    with pytest.raises(ValueError, match="other texts"):
        record(scope, tmp_path, TEXTS[::-1], max_tokens=300)


@pytest.mark.parametrize("most", [None, 150])
def test_a_complete_recording_is_that_of_its_texts(scope, tmp_path, most, monkeypatch):
    """Other texts are refused wherever they differ; the same ones are compared, not run."""
    rec = record(scope, tmp_path, max_tokens=most)
    before = bytes_of(tmp_path)
    monkeypatch.setattr(shard_tensors, "_values", lambda *_: pytest.fail("the model was run"))
    assert len(record(scope, tmp_path, iter(TEXTS), max_tokens=most)) == len(rec)
    used = int(rec.samples.document.max())
    for others in (TEXTS[::-1], ["another", *TEXTS[1:]], [*TEXTS[:used], "another"], TEXTS[:used], TEXTS[1:]):
        with pytest.raises(ValueError, match="holds a recording of other texts"):
            record(scope, tmp_path, others, max_tokens=most)
    assert bytes_of(tmp_path) == before


def test_what_a_complete_recording_does_not_hold_of_its_texts(scope, tmp_path):
    """More texts are others where all are recorded; behind the last row that was asked for none is looked at."""
    record(scope, tmp_path / "all")
    with pytest.raises(ValueError, match="there are more than it holds"):
        record(scope, tmp_path / "all", itertools.cycle(TEXTS))
    some = record(scope, tmp_path / "some", itertools.cycle(TEXTS), max_tokens=150)
    assert len(record(scope, tmp_path / "some", itertools.cycle(TEXTS), max_tokens=150)) == len(some) == 150


def test_numbers_that_float16_cannot_hold_are_refused(tmp_path):
    scope = Microscope.load("demo")
    scope.model.get_input_embeddings().weight.data.mul_(1e8)
    with pytest.raises(ValueError, match=r"not finite.*bfloat16"):
        record(scope, tmp_path, layers=0)
    assert len(record(scope, tmp_path / "wide", layers=0, dtype="bfloat16"))


def test_where_memory_does_not_suffice_a_batch_is_run_in_halves(scope, tmp_path, monkeypatch):
    whole = record(scope, tmp_path / "whole")
    values, sizes = shard_tensors._values, []

    def short_of_memory(model, rows, *rest):
        sizes.append(len(rows))
        if len(rows) > 3:
            raise RuntimeError(
                "[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"
            )
        return values(model, rows, *rest)

    monkeypatch.setattr(shard_tensors, "_values", short_of_memory)
    halved = record(scope, tmp_path / "halved")
    assert max(sizes) > 3
    assert halved.table.equals(whole.table)
    for layer in (1, 3):
        torch.testing.assert_close(halved.rows(layer)[:], whole.rows(layer)[:], atol=2e-2, rtol=2e-3)


def test_a_forward_has_so_many_tokens_at_most(scope, tmp_path, monkeypatch):
    values, sizes = shard_tensors._values, []
    monkeypatch.setattr(
        shard_tensors, "_values", lambda model, rows, *rest: sizes.append(rows) or values(model, rows, *rest)
    )
    record(scope, tmp_path, at_once=40)
    assert max(len(rows) * max(map(len, rows)) for rows in sizes) <= 40
    with pytest.raises(ValueError, match="at_once"):
        record(scope, tmp_path / "none", at_once=0)
