"""Traces as files."""

import json
from contextlib import suppress

import pytest
import torch

from scope_widgets import Microscope, Trace
from scope_widgets.traces.trace import TRACE_SITES
from tests.support.tiny_models import tiny_model, tiny_tokenizer

IDS = [3, 17, 5, 44, 9, 17, 5, 80, 12, 3]


@pytest.mark.parametrize("batch", [False, True])
def test_files_round_trip(tmp_path, batch):
    scope = Microscope.for_model(tiny_model("gemma2"), tiny_tokenizer())
    trace = scope.trace([IDS, IDS[:3]] if batch else IDS)
    trace.save(tmp_path / "folder")
    trace.to_npz(tmp_path / "trace.npz")
    for again in (
        Trace.load(tmp_path / "folder"),
        Trace.from_npz(tmp_path / "trace.npz"),
        Trace.from_json(trace.to_json()),
    ):
        assert again.tokens == trace.tokens
        assert again.provenance == trace.provenance
        assert again.scoring == trace.scoring
        assert torch.equal(again.token_ids, trace.token_ids)
        torch.testing.assert_close(again.logits, trace.logits, rtol=0, atol=0, equal_nan=True)
        for site in TRACE_SITES:
            for layer in range(trace.n_layers):
                a, b = getattr(again, site)(layer), getattr(trace, site)(layer)
                torch.testing.assert_close(a, b, rtol=0, atol=0, equal_nan=True)


def test_damaged_files_get_a_sentence(tmp_path):
    trace = Microscope.for_model(tiny_model("gpt2"), tiny_tokenizer()).trace(IDS)
    trace.save(tmp_path)
    (tensors,) = tmp_path.glob("tensors-*.safetensors")
    tensors.write_bytes(b"nonsense")
    with pytest.raises(ValueError, match="is not a whole trace folder"):
        Trace.load(tmp_path)
    with pytest.raises(ValueError, match="is not a whole trace folder"):
        Trace.load(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="is not a trace written by"):
        Trace.from_json("{}")
    (tmp_path / "x.npz").write_bytes(b"nonsense")
    with pytest.raises(ValueError, match="is not a trace written by"):
        Trace.from_npz(tmp_path / "x.npz")
    trace.to_npz(tmp_path / "y.npz")
    (tmp_path / "y.npz").write_bytes((tmp_path / "y.npz").read_bytes()[:-200])
    with pytest.raises(ValueError, match="is not a trace written by"):
        Trace.from_npz(tmp_path / "y.npz")


def test_a_second_save_that_is_stopped_leaves_the_first(tmp_path, monkeypatch):
    scope = Microscope.for_model(tiny_model("gpt2"), tiny_tokenizer())
    first, second = scope.trace(IDS), scope.trace(IDS[::-1])
    first.save(tmp_path / "folder")
    first.to_npz(tmp_path / "trace.npz")
    for step in ("hashlib.sha256", "os.fsync", "os.replace", "pathlib.Path.write_text", "numpy.savez"):

        def stop(*_args, **_options):
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(step, stop)
            for save in (lambda: second.save(tmp_path / "folder"), lambda: second.to_npz(tmp_path / "trace.npz")):
                with suppress(KeyboardInterrupt):  # not every step is one of both
                    save()
        for again in (Trace.load(tmp_path / "folder"), Trace.from_npz(tmp_path / "trace.npz")):
            expected = first if torch.equal(again.token_ids, first.token_ids) else second
            assert torch.equal(again.token_ids, expected.token_ids)
            assert torch.equal(again.logits, expected.logits)
    second.save(tmp_path / "folder")
    assert torch.equal(Trace.load(tmp_path / "folder").logits, second.logits)
    assert len(list((tmp_path / "folder").iterdir())) == 2


def test_tensors_of_another_trace_are_refused(tmp_path):
    scope = Microscope.for_model(tiny_model("gpt2"), tiny_tokenizer())
    for name, ids in (("a", IDS), ("b", IDS[::-1])):
        scope.trace(ids).save(tmp_path / name)
    (mine,), (other,) = ((tmp_path / name).glob("tensors-*") for name in "ab")
    mine.write_bytes(other.read_bytes())
    with pytest.raises(ValueError, match="not those that the header was written with"):
        Trace.load(tmp_path / "a")


def test_a_folder_of_an_earlier_version_loads(tmp_path):
    trace = Microscope.for_model(tiny_model("gpt2"), tiny_tokenizer()).trace(IDS)
    trace.save(tmp_path)
    (tensors,) = tmp_path.glob("tensors-*.safetensors")
    tensors.rename(tmp_path / "tensors.safetensors")
    header = json.loads((tmp_path / "trace.json").read_text())
    del header["digest"]
    (tmp_path / "trace.json").write_text(json.dumps(header))
    assert torch.equal(Trace.load(tmp_path).logits, trace.logits)


def test_infinite_logits_survive_json():
    trace = Microscope.for_model(tiny_model("gpt2"), tiny_tokenizer()).trace(IDS)
    trace.logits[0, :2] = torch.tensor([-torch.inf, torch.inf])
    assert torch.equal(Trace.from_json(trace.to_json()).logits, trace.logits)
