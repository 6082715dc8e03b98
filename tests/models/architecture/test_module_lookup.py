"""Modules by name."""

import pytest
import torch

from scope_widgets import Microscope, Trace
from tests.support.tiny_models import tiny_model, tiny_tokenizer

IDS = [3, 17, 5, 44, 9, 17, 5, 80, 12, 3]


def test_modules_by_name(tmp_path):
    scope = Microscope.for_model(tiny_model("llama"), tiny_tokenizer())
    trace = scope.trace(IDS, capture=(), modules=["model.layers.1.mlp"])
    assert list(trace.modules) == ["model.layers.1.mlp"]
    assert torch.equal(trace.modules["model.layers.1.mlp"], scope.trace(IDS).mlp_out(1))
    trace.save(tmp_path)
    assert torch.equal(Trace.load(tmp_path).modules["model.layers.1.mlp"], trace.modules["model.layers.1.mlp"])
    with scope.watch(modules=["model.layers.*.mlp", "lm_head"]) as watched, torch.no_grad():
        scope.model(torch.tensor([IDS]))
    assert list(watched.modules) == [*(f"model.layers.{layer}.mlp" for layer in range(3)), "lm_head"]
    assert torch.equal(watched.modules["lm_head"], watched.logits)
    assert not any(module._forward_hooks for module in scope.model.modules())
    batch = scope.trace([IDS, IDS[:3]], modules=["lm_head"])
    assert batch[1].modules["lm_head"].shape == (3, 96)
    opt = Microscope.for_model(tiny_model("opt"), tiny_tokenizer())
    assert opt.trace(IDS, modules=["*.layers.0.fc2"]).modules["model.decoder.layers.0.fc2"].shape == (10, 32)
    gpt2 = Microscope.for_model(tiny_model("gpt2"), tiny_tokenizer())
    assert gpt2.trace([IDS, IDS[:3]], modules=["transformer.wpe"])[1].modules["transformer.wpe"].ndim >= 2
    with pytest.raises(ValueError, match="not a tensor"):
        scope.trace(IDS, modules=["model"])
    with pytest.raises(ValueError, match="did not run: model.layers"):
        scope.trace(IDS, modules=["model.layers"])
    with pytest.raises(ValueError, match="No module of the model is named 'model.layer.1.mlp'. Names are"):
        scope.trace(IDS, modules=["model.layer.1.mlp"])
