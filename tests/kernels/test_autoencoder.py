"""The inner loops of autoencoders are what torch does in steps, and rounding decides nothing."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch

from scope_widgets import _kernels
from scope_widgets._kernels import _compiled

pytestmark = [
    pytest.mark.numeric,
    pytest.mark.skipif(_compiled.autoencoder is None, reason="the compiled module of autoencoders is not built"),
]


needs_above = pytest.mark.skipif(
    not hasattr(_compiled.autoencoder, "above_scored"), reason="the compiled module is of an earlier build"
)


def reference(p, k):
    """Return (latent, value) of each row, latents ascending."""
    rows = []
    for row in p.tolist():
        best = sorted((at for at in range(len(row)) if row[at] > 0), key=lambda at: (-row[at], at))[:k]
        rows.append([(at, row[at]) for at in sorted(best)])
    return rows


def listed(found):
    starts, latents, values = (one.tolist() for one in found)
    return [list(zip(latents[a:b], values[a:b], strict=True)) for a, b in pairwise(starts)]


@pytest.mark.parametrize("n", [1, 7, 128, 300, 1031])
@pytest.mark.parametrize("kind", ["normal", "ties", "mostly negative", "none"])
def test_the_strongest_of_rows_are_those_of_a_sort(n, kind):
    p = torch.randn(9, n, generator=torch.Generator().manual_seed(n))
    if kind == "ties":
        p = (2 * p).round() / 2
    p = p - {"mostly negative": 2.5, "none": 100}.get(kind, 0)
    for k in {1, min(n, 5), min(n, 32), min(n, 200), n}:
        assert listed(_kernels.strongest(p, k)) == reference(p, k)


def in_bfloat16(x, weights):
    """Return products, norms of weights, and how far the products of each row may be off beside one of them."""
    rounded = x.bfloat16()
    slack = (x - rounded.float()).norm(dim=1) + rounded.float().norm(dim=1) * (2**-8 + 1e-4)
    return (rounded.float() @ weights.bfloat16().float().T).bfloat16(), weights.norm(dim=1), slack


def scored(x, weights, bias, k):
    return _kernels.strongest_scored(x, weights, bias, *in_bfloat16(x, weights), k)


def above(x, weights, bias, bar, most):
    return _kernels.above_scored(x, weights, bias, *in_bfloat16(x, weights), bar, most)


@pytest.mark.parametrize(("n", "d", "k"), [(1, 3, 1), (300, 40, 8), (1031, 33, 32), (200, 64, 200)])
@pytest.mark.parametrize("kind", ["normal", "copies", "sizes", "negative"])
def test_rounded_products_decide_nothing(n, d, k, kind):
    generator = torch.Generator().manual_seed(n)
    x, weights, bias = (torch.randn(*shape, generator=generator) for shape in ((25, d), (n, d), (n,)))
    if kind == "copies":  # products that bfloat16 cannot tell apart
        weights = weights[:1] + 1e-3 * weights
    if kind == "sizes":
        weights = weights * torch.logspace(-3, 3, n)[:, None]
    if kind == "negative":
        bias = bias - 3 * d**0.5
    p = torch.addmm(bias.double(), x.double(), weights.double().T)
    starts, latents, values = scored(x, weights, bias, k)
    scale = float((x.norm(dim=1).max() * weights.norm(dim=1).max()) + bias.abs().max())
    exact = p[torch.repeat_interleave(torch.arange(25), starts.diff()), latents]
    np.testing.assert_allclose(values.double(), exact, rtol=1e-5, atol=2e-6 * scale)
    for row, best in enumerate(p.relu().topk(k, dim=1).values):
        best = best[best > 2e-6 * scale]
        found = values[starts[row] : starts[row + 1]].double().sort(descending=True).values
        assert len(found) >= len(best)
        np.testing.assert_allclose(found[: len(best)], best, rtol=1e-5, atol=2e-6 * scale)


@needs_above
@pytest.mark.parametrize(("n", "d"), [(1, 3), (300, 40), (1031, 33)])
@pytest.mark.parametrize("kind", ["normal", "copies", "sizes", "negative"])
def test_all_that_is_above_a_bar_is_found(n, d, kind):
    generator = torch.Generator().manual_seed(n)
    x, weights, bias = (torch.randn(*shape, generator=generator) for shape in ((25, d), (n, d), (n,)))
    if kind == "copies":  # products that bfloat16 cannot tell apart
        weights = weights[:1] + 1e-3 * weights
    if kind == "sizes":
        weights = weights * torch.logspace(-3, 3, n)[:, None]
    if kind == "negative":
        bias = bias - 3 * d**0.5
    p = torch.addmm(bias.double(), x.double(), weights.double().T)
    scale = float((x.norm(dim=1).max() * weights.norm(dim=1).max()) + bias.abs().max())
    for bar in (0.0, 0.5 * d**0.5, float(p.flatten().sort().values[-1 - n // 7])):
        starts, latents, values = above(x, weights, bias, max(bar, 0.0), n)
        rows = torch.repeat_interleave(torch.arange(25), starts.diff())
        np.testing.assert_allclose(values.double(), p[rows, latents], rtol=1e-5, atol=2e-6 * scale)
        found = torch.zeros(p.shape, dtype=torch.bool)
        found[rows, latents] = True
        unsure = (p - max(bar, 0.0)).abs() < 2e-6 * scale
        assert torch.equal(found | unsure, (p > max(bar, 0.0)) | unsure)
        assert (latents.diff()[rows.diff() == 0] > 0).all()
    largest = int(starts.diff().max())
    assert largest == 0 or above(x, weights, bias, max(bar, 0.0), largest) is not None
    assert largest < 2 or above(x, weights, bias, max(bar, 0.0), largest - 1) is None


@pytest.mark.parametrize("bad", [torch.nan, torch.inf, -torch.inf])
@pytest.mark.parametrize("at", [3, 299])
def test_what_is_not_finite_is_left_to_torch(bad, at):
    p = torch.randn(4, 300)
    p[2, at] = bad
    assert _kernels.strongest(p, 5) is None
    bias = torch.zeros(300)
    bias[at] = bad
    assert scored(torch.randn(4, 8), torch.randn(300, 8), bias, 5) is None
    assert above(torch.randn(4, 8), torch.randn(300, 8), bias, 0.5, 300) is None
    assert _kernels.strongest(p.double(), 5) is None
    assert _kernels.strongest(torch.randn(300, 4).T, 2) is None


@pytest.mark.parametrize("fresh", [True, False])
def test_gradients_of_latents_are_those_of_sums(fresh):
    generator = torch.Generator().manual_seed(0)
    n_rows, n, d = 50, 30, 19
    dense = torch.randn(n_rows, n, generator=generator).sub(0.8).relu()
    dense[:, 4] = 0
    error, centred = torch.randn(2, n_rows, d, generator=generator)
    decoder, of_encoder, of_decoder = torch.randn(3, n, d, generator=generator)
    rows, latents = dense.nonzero(as_tuple=True)
    starts = torch.searchsorted(rows, torch.arange(n_rows + 1))
    by_value = (error @ decoder.T) * (dense > 0)
    before = 0 if fresh else 1
    expected = before * of_encoder + by_value.T @ centred, before * of_decoder + dense.T @ error, by_value.sum(0)
    codes = starts, latents, dense[rows, latents]
    of_bias = _kernels.add_latent_gradients(codes, decoder, error, centred, of_encoder, of_decoder, fresh)
    for one, other in zip((of_encoder, of_decoder, of_bias), expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


def test_gradients_of_two_widths_are_left_to_torch():
    codes = torch.tensor([0, 1, 1]), torch.tensor([2]), torch.ones(1)
    given = torch.ones(3, 4), torch.ones(2, 4), torch.ones(2, 5), torch.ones(3, 5), torch.ones(3, 4)
    assert _kernels.add_latent_gradients(codes, *given, True) is None
    assert (given[3] == 1).all()


def test_without_the_module_torch_does_it(monkeypatch):
    monkeypatch.setattr(_compiled, "autoencoder", None)
    assert _kernels.strongest(torch.randn(4, 300), 5) is None
    assert scored(torch.randn(4, 8), torch.randn(300, 8), torch.zeros(300), 5) is None
