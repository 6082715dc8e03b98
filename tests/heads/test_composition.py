"""Composition scores against NumPy, in every family."""

import numpy as np
import pytest
import torch

from scope_widgets import Microscope, heads
from scope_widgets.models.architecture.anatomy import UnsupportedModelError
from tests.support.reference_head_matrices import (
    SWITCHING,
    after,
    gain_of,
    input_norm,
    output_matrix,
    projections,
    shaken_model,
)
from tests.support.tiny_models import CONFIGS, VOCAB, tiny_model, tiny_tokenizer


@pytest.fixture(scope="module", params=SWITCHING)
def scope(request):
    return Microscope.for_model(shaken_model(request.param), tiny_tokenizer())


def numpy_composition(scope, kind):
    """Written out with whole [d_model, d_model] matrices."""
    qk, ov = [], []
    for layer, block in enumerate(scope.anatomy.blocks):
        (q, _), (k, _), (v, _) = projections(scope, layer)
        before = input_norm(block.block)
        if before is not None:
            centred = np.eye(scope.d_model) - isinstance(before, torch.nn.LayerNorm) / scope.d_model
            q, k, v = (np.einsum("cd,d,dhk->chk", centred, gain_of(before), w) for w in (q, k, v))
        if hasattr(block.attention, "q_norm"):
            q, k = (
                w * gain_of(norm).reshape(-1, w.shape[2]).repeat(w.shape[1] // (norm.weight.numel() // w.shape[2]), 0)
                for w, norm in ((q, block.attention.q_norm), (k, block.attention.k_norm))
            )
        o = output_matrix(scope, layer)
        o = o if after(scope, layer) is None else o * gain_of(after(scope, layer))
        qk.append(np.einsum("dhk,ehk->hde", q, k))
        ov.append(np.einsum("dhk,hke->hde", v, o))
    scores = np.full((scope.n_layers, scope.n_heads) * 2, np.nan)
    for later in range(scope.n_layers):
        for earlier in range(later):
            for head in range(scope.n_heads):
                for other in range(scope.n_heads):
                    # residuals are rows: x W_OV is what a head writes, x W_QK y its score for query x and key y
                    reads = {"k": qk[later][head].T, "q": qk[later][head], "v": ov[later][head]}[kind]
                    writes = ov[earlier][other]
                    scores[later, head, earlier, other] = np.linalg.norm(writes @ reads) / (
                        np.linalg.norm(writes) * np.linalg.norm(reads)
                    )
    return scores


def planted():
    """A GPT-2 whose head 1.2 copies and whose head 2.0 does the opposite; every other head writes nothing."""
    model = tiny_model("gpt2")
    generator = torch.Generator().manual_seed(0)
    words = torch.randn(VOCAB, 8, generator=generator)
    basis = torch.linalg.qr(torch.cat([torch.ones(32, 1), torch.randn(32, 8, generator=generator)], 1))[0][:, 1:]
    with torch.no_grad():
        model.transformer.wpe.weight.zero_()
        # of one length and mean 0, so that a LayerNorm only scales them and each is most like itself
        model.transformer.wte.weight.copy_(words / words.norm(dim=-1, keepdim=True) @ basis.T)
        for block in model.transformer.h:
            block.mlp.c_proj.weight.zero_()
            block.attn.c_proj.weight.zero_()
        for layer, head, sign in ((1, 2, 1), (2, 0, -1)):
            attention, at = model.transformer.h[layer].attn, slice(8 * head, 8 * head + 8)
            attention.c_attn.weight[:, 64:][:, at] = basis
            attention.c_proj.weight[at] = sign * basis.T
    return Microscope.for_model(model, tiny_tokenizer())


@pytest.mark.parametrize("kind", ["k", "q", "v"])
def test_composition_is_that_of_numpy(scope, kind):
    np.testing.assert_allclose(heads.composition(scope, kind=kind), numpy_composition(scope, kind), rtol=1e-3)


def test_planted_composition():
    """Head 2.3 matches keys by what head 0.1 writes, and by nothing else."""
    model = tiny_model("gpt2")
    with torch.no_grad():
        written = model.transformer.h[0].attn.c_proj.weight[8:16]
        model.transformer.h[2].attn.c_attn.weight[:, 32:64][:, 24:32] = written.T
    scores = heads.composition(Microscope.for_model(model, tiny_tokenizer()), kind="k")
    assert np.unravel_index(np.nanargmax(scores), scores.shape) == (2, 3, 0, 1)
    assert np.isnan(scores[1, :, 1:]).all()
    assert np.isfinite(scores[2, :, :2]).all()


def test_composition_errors_are_sentences():
    with pytest.raises(ValueError, match="kind= is one of k, q, v; got 'z'"):
        heads.composition(planted(), kind="z")
    config_class, model_class, options = CONFIGS["qwen3"]
    model = model_class(config_class(**options, attention_bias=True)).eval()
    torch.nn.init.normal_(model.model.layers[1].self_attn.q_proj.bias)
    scope = Microscope.for_model(model, tiny_tokenizer())
    with pytest.raises(UnsupportedModelError, match="is no linear map of what enters the block"):
        heads.composition(scope)
    assert heads.composition(scope, kind="v").shape == (3, 4, 3, 4)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("family", ["gpt2", "llama", "gemma2", "olmo2"])
def test_half_precision_has_the_same_scores(family, dtype):
    """In float16 what is tiny elsewhere is 0."""
    exact = Microscope.for_model(tiny_model(family), tiny_tokenizer())
    coarse = Microscope.for_model(tiny_model(family).to(dtype), tiny_tokenizer())
    for kind in ("q", "k", "v"):
        expected, found = (heads.composition(one, kind=kind).values for one in (exact, coarse))
        np.testing.assert_allclose(found, expected, atol=torch.finfo(dtype).eps / 8)


def test_float16_cannot_see_through_norms_on_queries():
    scope = Microscope.for_model(tiny_model("qwen3").half(), tiny_tokenizer())
    with pytest.raises(UnsupportedModelError, match="float16 has no numbers small enough"):
        heads.composition(scope)
