"""Traces as files."""

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
    (tmp_path / "tensors.safetensors").write_bytes(b"nonsense")
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


def test_infinite_logits_survive_json():
    trace = Microscope.for_model(tiny_model("gpt2"), tiny_tokenizer()).trace(IDS)
    trace.logits[0, :2] = torch.tensor([-torch.inf, torch.inf])
    assert torch.equal(Trace.from_json(trace.to_json()).logits, trace.logits)
