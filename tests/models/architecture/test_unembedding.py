"""What norms, output matrices and the unembedding do to a vector, in every family."""

import numpy as np
import pytest
import torch

from scope_widgets import Microscope, lens
from scope_widgets.models.architecture.anatomy import UnsupportedModelError
from scope_widgets.models.architecture.unembedding import agree, freeze_norm, head_writes
from tests.support.reference_lens import IDS, array, normed, shaken_model
from tests.support.tiny_models import CONFIGS, tiny_model, tiny_tokenizer


@pytest.fixture(scope="module", params=sorted(CONFIGS))
def family(request):
    model = shaken_model(request.param)
    with torch.no_grad():
        plain = model(torch.tensor([IDS])).logits[0]
    scope = Microscope.for_model(model, tiny_tokenizer())
    return scope, plain, scope.trace(IDS)


@pytest.fixture(scope="module")
def llama():
    return Microscope.for_model(shaken_model("llama"), tiny_tokenizer())


def test_heads_and_bias_are_what_attention_adds(family):
    scope, _, trace = family
    for layer in range(scope.n_layers):
        heads, bias = head_writes(scope, trace.z(layer), layer)
        assert heads.shape == (len(IDS), scope.n_heads, scope.d_model)
        np.testing.assert_allclose(heads.sum(1) + bias, trace.attention_out(layer), rtol=1e-4, atol=1e-5)


def test_a_frozen_norm_is_linear_and_true(family):
    scope, _, trace = family
    at = trace.residual(2)
    frozen = freeze_norm(scope.anatomy.final_norm, at)
    with torch.no_grad():
        np.testing.assert_allclose(frozen(at.double()) + frozen.bias, scope.anatomy.final_norm(at), atol=1e-5)
    part = torch.randn(at.shape, dtype=torch.float64)
    expected = normed(scope.anatomy.final_norm, part.numpy(), array(at))
    np.testing.assert_allclose(frozen(part), expected, rtol=1e-4, atol=1e-5)


def test_no_norm_and_an_odd_width():
    at = torch.randn(4, 7)
    frozen = freeze_norm(None, at)
    assert torch.equal(frozen(at.double()) + frozen.bias, at.double())
    norm = torch.nn.LayerNorm(7)
    torch.nn.init.normal_(norm.weight)
    torch.nn.init.normal_(norm.bias)
    frozen = freeze_norm(norm, at)
    np.testing.assert_allclose(frozen(at.double()) + frozen.bias, norm(at).detach(), atol=1e-5)


def test_a_readout_that_is_not_the_models():
    class Scaled(type(tiny_model("llama"))):
        def forward(self, *args, **kwargs):
            output = super().forward(*args, **kwargs)
            output.logits = output.logits - output.logits.roll(1, -1)
            return output

    model = tiny_model("llama")
    model.__class__ = Scaled
    trace = Microscope.for_model(model, tiny_tokenizer()).trace(IDS)
    with pytest.raises(UnsupportedModelError, match="this family does something between them"):
        lens.logit_lens(trace)
    with pytest.raises(UnsupportedModelError, match="do not make the trace's logits"):
        lens.direct_logit_attribution(trace, answer=5)


def test_an_unembedding_of_another_width():
    options = {**CONFIGS["opt"][2], "word_embed_proj_dim": 16}
    scope = Microscope.for_model(CONFIGS["opt"][1](CONFIGS["opt"][0](**options)).eval(), tiny_tokenizer())
    with pytest.raises(UnsupportedModelError, match="residual stream of 32 numbers and an unembedding of 16"):
        lens.logit_lens(scope.trace(IDS))


def test_nan_agrees_with_nothing_else():
    values = torch.tensor([1.0, -2.0, torch.nan, torch.inf, -torch.inf])
    assert agree(values, values.clone(), torch.float32)
    for at, other in ((0, torch.nan), (2, 0.0), (3, 0.0), (0, 1.1)):
        changed = values.clone()
        changed[at] = other
        assert not agree(values, changed, torch.float32)
    ruled_out = values.clone()
    ruled_out[4] = 3.0  # a model may rule a token out after its logit was computed
    assert agree(values, ruled_out, torch.float32)
