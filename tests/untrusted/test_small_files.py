"""Small files that ask for much, or say what is not so: refused with what they say, in little memory."""

import csv
import io
import json
import warnings
import zipfile
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
import zstandard
from safetensors.torch import save_file

from scope_widgets import Microscope, Trace, _untrusted, circuits, heads, ioi, lens, patching, steering
from scope_widgets._files import as_csv
from scope_widgets._json_fields import encode
from scope_widgets.models.checkpoint_sizes import check_gguf, weights_of
from scope_widgets.models.loading import ModelNotFoundError
from scope_widgets.remote.client import check_received as received
from scope_widgets.remote.client.check_received import load_answer
from scope_widgets.widgets import HeadTable, SteeringPanel
from tests.support.circuit_examples import circuit
from tests.support.fuzz import forget_peak, resident
from tests.support.patching_examples import patching as patching_result
from tests.support.tiny_gguf import write_tiny_gguf
from tests.support.tiny_models import tiny_model, tiny_tokenizer


@pytest.fixture(autouse=True)
def little_memory():
    """Hold each test to 200 MB more than there was."""
    forget_peak()
    before = resident()
    yield
    assert resident() - before < 200_000_000


@pytest.fixture
def trace():
    return Microscope.for_model(tiny_model("gpt2"), tiny_tokenizer()).trace([3, 17, 5, 44, 9, 17, 5, 80])


def changed(text, **changes):
    return json.dumps(json.loads(text) | changes)


@pytest.mark.parametrize(
    ("graph", "sentence"),
    [
        ({"n_heads": 5000, "n_kv_heads": 5000}, "layers of 5000 heads has .* edges"),
        ({"n_layers": 10_000_000}, "n_layers is 10000000; it is a whole number up to 100,000"),
        ({"n_layers": 50_000, "n_heads": 64, "n_kv_heads": 64}, "have more than .* edges"),
        ({"n_kv_heads": 0}, "no model has"),
        ({"n_layers": "4"}, "n_layers is '4' and no int"),
    ],
)
def test_a_circuit_of_another_size(graph, sentence):
    whole = circuit(2, 2)
    about = json.loads(whole.to_json())
    with pytest.raises(ValueError, match=f"This Circuit is damaged: .*{sentence}"):
        circuits.Circuit.from_json(changed(whole.to_json(), graph=about["graph"] | graph))


@pytest.mark.parametrize(("kv_heads", "parallel", "whole"), [(4, False, ()), (2, True, ()), (4, False, (1,))])
def test_edges_are_counted_as_they_are_listed(kv_heads, parallel, whole):
    from scope_widgets.models.edges.graph import Graph, count_edges

    graph = Graph(3, 4, kv_heads, parallel, whole)
    assert count_edges(graph) == len(np.nonzero(graph.upstream)[0])


@pytest.mark.parametrize(
    "values",
    [
        {"dtype": "U10000000", "shape": [1], "values": ["x"]},
        {"dtype": "float64", "shape": [2], "values": [1.0]},
        {"dtype": "float64", "shape": [0, 10**12], "values": []},
        {"dtype": "float64", "shape": [1], "values": ["1"]},
        {"dtype": "int8", "shape": [1], "values": [300]},
        {"dtype": "int64", "shape": [1], "values": [1.5]},
        [1.0],
        None,
    ],
)
def test_an_array_that_is_none(values):
    with pytest.raises(ValueError, match=r"This PatchingResult is damaged: .*\. Write it again"):
        patching.PatchingResult.from_json(changed(patching_result(2, 3, over="head").to_json(), values=values))


DEEP = '{"a":' * 500 + "1" + "}" * 500


@pytest.mark.parametrize("text", ["[" * 100_000, DEEP, "1" * 5000, "NaN", "1e999", "\x00", ""])
def test_a_text_that_is_no_json(text):
    for read in (
        heads.HeadScores.from_json, circuits.Circuit.from_json, ioi.IOIPrompts.from_json, heads.FactSet.from_json,
        Trace.from_json, steering.Direction.from_json, steering.Direction.from_code,
    ):  # fmt: skip
        with pytest.raises(ValueError, match=r"^This text .*\.$"):
            read(text)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"n_heads": 10**9}, "n_heads is 1000000000"),
        ({"n_heads": 8}, "has 4 heads, and its header says 8"),
        ({"n_layers": 1, "scoring": []}, "its header is of 1 layers"),
        ({"n_layers": 10**7}, "n_layers is 10000000"),
        ({"tokens": ["a"]}, r"it has \[8\] tokens, and their texts are \[1\]"),
        ({"provenance": {"model": 5}}, "model is 5 and no str"),
    ],
)
def test_a_header_of_another_trace(trace, tmp_path, changes, sentence):
    trace.save(tmp_path)
    header = tmp_path / "trace.json"
    whole = header.read_text()
    if "provenance" in changes:
        changes = {"provenance": json.loads(whole)["provenance"] | changes["provenance"]}
    header.write_text(changed(whole, **changes))
    with pytest.raises(ValueError, match=sentence):
        Trace.load(tmp_path)
    with pytest.raises(ValueError, match=sentence):
        Trace.from_json(changed(trace.to_json(), **changes))


def test_archives_that_grow(trace, tmp_path):
    trace.to_npz(tmp_path / "whole.npz")
    with np.load(tmp_path / "whole.npz") as whole:
        arrays = dict(whole)
    np.savez_compressed(tmp_path / "packed.npz", **arrays | {"bomb": np.zeros(50_000_000)})
    assert (tmp_path / "packed.npz").stat().st_size < 1_000_000
    with pytest.raises(ValueError, match="it is compressed"):
        Trace.from_npz(tmp_path / "packed.npz")
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(head, {"descr": "<f8", "fortran_order": False, "shape": (10**12,)})
    with zipfile.ZipFile(tmp_path / "lies.npz", "w") as lies:
        lies.writestr("header.npy", head.getvalue())
    with pytest.raises(ValueError, match="not as long as its shape says"):
        Trace.from_npz(tmp_path / "lies.npz")


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"num_hidden_layers": 1_000_000}, "says 1,000,000 layers, and its weights hold 30 tensors"),
        ({"hidden_size": 1_000_000}, "is of a model of .* parameters, and its weights hold"),
        ({"num_attention_heads": 0}, "num_attention_heads 0|Zero"),
        ({"num_hidden_layers": 0}, "num_hidden_layers 0"),
        ({"vocab_size": "x"}, "vocab_size"),
    ],
)
def test_a_config_of_another_model(tmp_path, changes, sentence):
    tiny_model("llama").save_pretrained(tmp_path)
    tiny_tokenizer().save_pretrained(tmp_path)
    path = tmp_path / "config.json"
    path.write_text(changed(path.read_text(), **changes))
    with pytest.raises(ModelNotFoundError, match=f"could not be loaded: .*({sentence})"):
        Microscope.load(tmp_path)


@pytest.mark.parametrize("kept", ["pytorch_model.bin", "shards", "named"])
def test_only_the_weights_that_are_loaded_count(tmp_path, kept):
    model, config = tiny_model("llama"), tmp_path / "config.json"
    model.save_pretrained(tmp_path, max_shard_size="20KB" if kept == "shards" else "1GB")
    tiny_tokenizer().save_pretrained(tmp_path)
    if kept == "pytorch_model.bin":
        (tmp_path / "model.safetensors").unlink()
        torch.save(model.state_dict(), tmp_path / kept)
    elif kept == "named":
        (tmp_path / "model.safetensors").rename(tmp_path / "own.safetensors")
        config.write_text(changed(config.read_text(), transformers_weights="own.safetensors"))
        save_file({"scales": torch.zeros(3)}, tmp_path / "model.safetensors")
    else:
        assert len(list(tmp_path.glob("*.safetensors"))) > 1
    save_file({"scales": torch.zeros(3)}, tmp_path / "beside.safetensors")
    here = weights_of(tmp_path, "own.safetensors" if kept == "named" else None)
    loaded = Microscope.load(tmp_path).model.state_dict()
    assert all(torch.equal(loaded[name], value) for name, value in model.state_dict().items())
    if kept == "pytorch_model.bin":
        assert here is None
    else:
        assert here == (len(loaded), sum(value.numel() for value in loaded.values()))
        config.write_text(changed(config.read_text(), num_hidden_layers=1_000_000))
        with pytest.raises(ModelNotFoundError, match="says 1,000,000 layers"):
            Microscope.load(tmp_path)


@pytest.mark.parametrize("compressed", [True, False])
def test_an_answer_that_grows(compressed):
    large = torch.zeros(1).expand(10**9)  # a storage of one number
    file = io.BytesIO()
    torch.save({"answer": large}, file)
    data = zstandard.compress(file.getvalue()) if compressed else file.getvalue()
    with pytest.raises(ValueError, match="more than the 1,000,000,000 bytes"):
        load_answer(data, 10**9, compressed=compressed)
    if compressed:
        with pytest.raises(ValueError, match="bytes"):
            load_answer(zstandard.compress(b"\0" * 150_000_000), 10_000_000, compressed=True)


def saved(value, **options):
    file = io.BytesIO()
    torch.save(value, file, **options)
    return file.getvalue()


def zipped(*entries):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of names that are there twice
        for name, content in entries:
            archive.writestr(name, content)
    return file.getvalue()


def test_an_answer_is_read_as_it_was_checked(monkeypatch):
    good = saved({"answer": [1, torch.ones(2)]})
    with zipfile.ZipFile(io.BytesIO(good)) as archive:
        parts = [(name, archive.read(name)) for name in archive.namelist()]
    pickled = next(part for part in parts if part[0].endswith("data.pkl"))
    older = saved({"answer": torch.ones(2)}, _use_new_zipfile_serialization=False)
    again = load_answer(zipped(*parts), 10**6, compressed=False)
    assert again["answer"][0] == load_answer(good, 10**6, compressed=False)["answer"][0] == 1
    monkeypatch.setattr(torch, "load", lambda *_, **__: pytest.fail("it was loaded"))
    for data, sentence in [
        (older, "does not begin"),
        (older + zipped(("a", b"")), "does not begin"),
        (older + good, "does not begin"),
        (zipped(("a", b"")), "one data.pkl"),
        (zipped(*parts, pickled), "no name twice"),
        (zipped(*parts, ("other/data.pkl", pickled[1])), "one data.pkl"),
        (zipped(*parts, (pickled[0].upper(), pickled[1])), "one data.pkl"),
        (zipped(*parts, ("archive/x", b""), ("archive/x", b"")), "no name twice"),
        (good + zipped(*parts), "stands before its archive"),
    ]:
        with pytest.raises(ValueError, match=sentence):
            load_answer(data, 10**6, compressed=False)


def test_an_answer_of_too_many_parts_says_so(monkeypatch):
    monkeypatch.setattr(received, "_MOST_PARTS", 10)
    with pytest.raises(ValueError, match="more than 10 values"):
        load_answer(saved({"answer": [0] * 11}), 10**6, compressed=False)


@pytest.mark.parametrize("name", ["x" * 300, "a\0b", "\ud800", " "])
def test_names_that_no_file_has(trace, tmp_path, name):
    for read in (Microscope.load, Trace.load, Trace.from_npz, steering.Direction.load, heads.FactSet.load):
        with pytest.raises((ValueError, FileNotFoundError), match=r"\.$"):
            read(name)
    for write in (trace.to_npz, trace.save) if name.strip() else ():
        with pytest.raises(ValueError, match="is no name of a file"):
            write(tmp_path / name)


@pytest.mark.parametrize("seed", [-1, 1.5, "x", True, 2**70])
def test_seeds_that_are_none(trace, demo, seed):
    for draw in (
        lambda: heads.score(trace, null_draws=2, seed=seed),
        lambda: ioi.prompts(demo, n=4, seed=seed),
        lambda: circuits.task(demo, "greater_than", n=2, seed=seed),
    ):
        with pytest.raises(ValueError, match="seed= is a whole number from 0"):
            draw()


def test_a_seed_that_is_drawn_is_recorded(trace):
    drawn = heads.score(trace, null_draws=20, seed=None)
    again = heads.score(trace, null_draws=20, seed=drawn.provenance.seed)
    assert all(np.array_equal(again.null_p[name], p, equal_nan=True) for name, p in drawn.null_p.items())


def test_the_browser_sets_what_it_may(trace, demo):
    table = HeadTable(heads.score(trace, null_draws=2))
    before = table.get_state()
    for state in ({"columns": []}, {"sort": [[]]}, {"sort": 5}, {"filter": None}, {"n_layers": 10**9}, {"height": 1e9}):
        table.set_state(state)
    assert table.get_state() == before
    table.set_state({"filter": "layer > 1"})
    assert table.filter == "layer > 1"
    panel = SteeringPanel(session=steering.Session(demo, "the", [steering.ScaleHead(1, 1, 1.0)]))
    for state in ({"strengths": [1e400]}, {"seed": True}, {"max_new_tokens": 10**9}, {"presets": {"a": 1}}):
        panel.set_state(state)
    assert (panel.strengths, panel.seed, panel.presets) == ([1.0], 0, {})


def test_paths_of_equal_prompts_are_nan_everywhere(demo):
    text = "When Mary and John went to the store, John gave a drink to"
    found = patching.paths(demo, text, text, answer=" Mary", versus=" John", receivers=[(2, 1, "q")])
    assert np.isnan(found.values).all()
    assert "every cell is NaN" in found.message


def test_tables_run_nothing_in_a_spreadsheet():
    texts = ["=1+1", "+a", "-b", "@c", "\tx", "\rx", "--", "- 1", "-1 ", "-1-1", "+0x10", "-1\n"]
    stay = ["d", "a,b", "a\r=1", "", "=", "+", "-", "@", "\t", "-1", "-.5", "+2.", "-1.5e-7", "+3", "-Infinity", "-inf"]
    numbers = [-1.5, *range(len(texts) + len(stay) - 1)]
    table = pd.DataFrame({"=text": texts + stay, "-": numbers})
    rows = list(csv.reader(io.StringIO(as_csv(table), newline="")))
    assert rows[0] == ["'=text", "-"]
    assert [row[0] for row in rows[1:]] == [f"'{text}" for text in texts] + stay
    assert [float(row[1]) for row in rows[1:]] == numbers


def test_half_characters(demo, tmp_path):
    direction = steering.direction(demo, answer=" Mary", versus=" John", layer=2, name="names")
    for use in (
        lambda: demo.trace("a \ud800"),
        lambda: heads.subject_positions(demo, "a \ud800", "a"),
        lambda: steering.direction(demo, answer=" \ud800", versus=" John", layer=2, name="names"),
        lambda: replace(direction, name="\ud800"),
        lambda: heads.Fact("\ud800", "a", "b"),
    ):
        with pytest.raises(ValueError, match="half a character"):
            use()


def test_nothing_is_written_that_is_not_read(trace, demo, monkeypatch):
    facts = heads.FactSet([heads.Fact("a", "r", "b")], {"r": "{subject} is"})
    written = [heads.score(trace, null_draws=2), trace, ioi.prompts(demo, n=4), facts]
    texts = [one.to_json() for one in written]
    for limit in ("MOST_TEXT", "MOST_PARTS"):
        with monkeypatch.context() as smaller:
            smaller.setattr(_untrusted, limit, 5)
            for one, text in zip(written, texts, strict=True):
                with pytest.raises(ValueError, match=r"cannot be written as JSON that can be read again: it has .*\.$"):
                    one.to_json()
                with pytest.raises(ValueError, match="are allowed"):
                    type(one).from_json(text)
    half = replace(written[0], provenance=replace(written[0].provenance, note="\ud800"))
    with pytest.raises(ValueError, match="half a character"):
        half.to_json()


def test_a_lens_whose_parts_do_not_fit(demo):
    whole = lens.logit_lens(demo.trace("When Mary and John went"), watch=[" Mary"])
    table = whole.to_dataframe()
    assert table["layer"].tolist() == [layer for layer in whole.layers for _ in whole.tokens]
    for changes in ({"layers": []}, {"tokens": whole.tokens[1:]}, {"watched": []}, {"kl": whole.kl.T}):
        with pytest.raises(ValueError, match="arrays of other lengths"):
            replace(whole, **changes)
        with pytest.raises(ValueError, match=r"This LogitLens is damaged: .* other lengths"):
            lens.LogitLens.from_json(changed(whole.to_json(), **{name: encode(one) for name, one in changes.items()}))


@pytest.mark.parametrize("size", ["block_count", "embedding_length"])
def test_a_gguf_header_that_does_not_say_its_sizes(tmp_path, size):
    path = tmp_path / "model.gguf"
    write_tiny_gguf(path)
    check_gguf(path)
    for of in (f"llama.{size}", "general.architecture"):
        other = tmp_path / "other.gguf"
        other.write_bytes(path.read_bytes().replace(of.encode(), of[:-1].encode() + b"_"))
        with pytest.raises(
            ModelNotFoundError, match=rf"its header does not say \w+\.{size if 'llama' in of else 'block_count'}"
        ):
            Microscope.load(other)
