"""Latents are the same whether they are ranked in bfloat16, by compiled code or by torch."""

import copy

import pytest
import torch

from scope_widgets._kernels import _compiled
from scope_widgets.features import SAE
from scope_widgets.features.sae import ranked_encoder as ranking

pytestmark = pytest.mark.numeric


def made(**options):
    generator = torch.Generator().manual_seed(0)
    shapes = (48, 700), (700, 48), (700,), (48,)
    weights = [torch.randn(*shape, generator=generator) for shape in shapes]
    return SAE(*weights, "topk", 12, **options), 5 + torch.randn(90, 48, generator=generator)


@pytest.mark.parametrize("normalisation", ["none", "layer_norm", "norm"])
def test_encoding_is_the_same_either_way(monkeypatch, normalisation):
    sae, x = made(normalisation=normalisation, subtracts_b_dec=normalisation != "norm")
    found = []
    for fast, module in ((True, _compiled.autoencoder), (False, _compiled.autoencoder), (False, None)):
        monkeypatch.setattr(ranking, "_WORTH", 0)
        monkeypatch.setattr(ranking, "bfloat16_is_fast", lambda fast=fast: fast)
        monkeypatch.setattr(_compiled, "autoencoder", module)
        found.append(sae.encode(x))
    for one in found[1:]:
        assert torch.equal(one.indptr, found[0].indptr)
        assert torch.equal(one.indices, found[0].indices)
        torch.testing.assert_close(one.values, found[0].values, rtol=1e-4, atol=1e-4)


def test_weights_that_are_written_into_are_rounded_again(monkeypatch):
    monkeypatch.setattr(ranking, "_WORTH", 0)
    monkeypatch.setattr(ranking, "bfloat16_is_fast", lambda: True)
    sae, x = made()
    before = sae.encode(x)
    sae.W_enc.mul_(-1)
    expected = sae.pre_activations(x).relu().topk(12, dim=1).values.sum()
    torch.testing.assert_close(sae.encode(x).values.sum(), expected)
    assert not torch.equal(before.indices, sae.encode(x).indices)
    assert sae.to(torch.float64).encode(x).values.dtype == torch.float64
    with torch.inference_mode():
        made()[0].encode(x)


def test_a_copy_does_not_keep_what_its_original_kept(monkeypatch):
    monkeypatch.setattr(ranking, "_WORTH", 0)
    monkeypatch.setattr(ranking, "bfloat16_is_fast", lambda: True)
    sae, x = made()
    sae.W_enc.mul_(1)
    sae.encode(x)
    other = copy.deepcopy(sae)
    other.W_enc.mul_(-1)
    expected = other.pre_activations(x).relu().topk(12, dim=1).values.sum()
    torch.testing.assert_close(other.encode(x).values.sum(), expected)


def test_codes_are_differentiable():
    sae, x = made()
    x.requires_grad_()
    values = sae.encode(x).values
    expected = sae.pre_activations(x).topk(12, dim=1).values.relu().sum()
    found, wanted = (torch.autograd.grad(one, x)[0] for one in (values.sum(), expected))
    torch.testing.assert_close(found, wanted)


def test_what_is_not_a_number_is_not_hidden():
    sae, x = made()
    x[3, 2] = torch.nan
    assert sae.encode(x).values.isnan().any()
