"""Matrices of single heads, beside what the model computes with them."""

import peft
import pytest
import torch

from scope_widgets import Microscope, heads
from scope_widgets.models.architecture.anatomy import UnsupportedModelError
from tests.support.tiny_models import tiny_model, tiny_tokenizer

IDS = [3, 17, 5, 44, 9, 17]
#: family -> the norm before attention of layer 1; one matrix in turn, one head by head, three, shared keys and values
NORMS = {
    "gpt2": "transformer.h.1.ln_1",
    "gpt_neox": "gpt_neox.layers.1.input_layernorm",
    "llama": "model.layers.1.input_layernorm",
    "phi3": "model.layers.1.input_layernorm",
    "opt": "model.decoder.layers.1.self_attn_layer_norm",
}


def differences(values):
    """Return rows less the first, which no bias is in."""
    return values[1:] - values[:1]


@pytest.mark.parametrize("family", NORMS)
def test_they_make_what_the_model_computes(family):
    scope = Microscope.for_model(tiny_model(family), tiny_tokenizer())
    trace = scope.trace(IDS, modules=[NORMS[family]])
    read = trace.modules[NORMS[family]]
    found = heads.weight_matrices(scope, 1)
    shared = scope.n_heads // scope.anatomy.n_kv_heads
    values = torch.einsum("pi,hid->phd", read, found.v)
    torch.testing.assert_close(differences(values), differences(trace.v(1).repeat_interleave(shared, dim=1)))
    written = torch.einsum("phd,hdo->po", trace.z(1), found.o)
    torch.testing.assert_close(differences(written), differences(trace.attention_out(1)), atol=1e-5, rtol=1e-4)
    if family == "gpt2":  # no rotary embedding, no factor
        for site, weights in (("q", found.q), ("k", found.k)):
            made = torch.einsum("pi,hid->phd", read, weights)
            torch.testing.assert_close(differences(made), differences(getattr(trace, site)(1)))


def test_they_are_copies_and_what_is_no_matrix_is_refused(demo):
    before = heads.weight_matrices(demo, 0)
    before.q.zero_()
    assert heads.weight_matrices(demo, 0).q.any()
    with pytest.raises(IndexError, match="layer= is 0 to 3 in demo; got 4"):
        heads.weight_matrices(demo, 4)
    adapted = peft.get_peft_model(tiny_model("llama"), peft.LoraConfig(target_modules=["v_proj"], r=2)).eval()
    with pytest.raises(UnsupportedModelError, match="with an adapter on it.*merge adapters"):
        heads.weight_matrices(Microscope.for_model(adapted, tiny_tokenizer()), 0)
