"""Mean curvature of rows near some of them, from their nearest neighbours alone."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from scope_widgets._types import Array

#: neighbourhoods that are looked at together
_CENTRES = 100
#: numbers of neighbours that are held at once in float64: 128 MB
_AT_ONCE = 2**24
#: share of the largest variance below which there is rounding alone
_ROUNDING = 1e-12


@dataclass(frozen=True)
class Local:
    """What neighbourhoods of k say.

    Attributes
    ----------
    d : int
        Directions of the tangent: those before the first fall of the mean local variances to a tenth or less, or as
        given.
    gap : float
        That fall; infinite where nothing but rounding is left.
    squared : ndarray [centre]
        Squared length of the mean-curvature vector, without bias.
    null : ndarray [draw]
        Its mean over centres where distances are permuted.
    """

    d: int
    gap: float
    squared: Array
    null: Array


def local_curvature(
    x: Array, near: Array, d: int | None, least_gap: float, most: float, draws: int, seed: int
) -> Local:
    """Return what neighbourhoods [centre, k], row numbers of `x`, say of their curvature.

    Points of a neighbourhood are centred; its first d principal directions are the tangent, with coordinates t. What is
    left of a point is regressed on |t|^2 / 2, with an intercept: the slope is the mean-curvature vector. That of one
    half of the neighbourhood times that of the other has no bias by noise. All of it is in terms of the products of
    points, so that the width of a row does not matter. Where no tangent of `most` directions stands out of the first
    100 neighbourhoods, the others are not looked at.
    """
    n_centres, k = near.shape
    width = min(k - 1, x.shape[1])
    generator = np.random.default_rng(seed)
    total, gap = np.zeros(width), math.nan
    squared: list[Array] = []
    null = np.zeros(draws)
    for first in range(0, n_centres, _CENTRES):
        products = _products(x, near[first : first + _CENTRES])
        values, vectors = torch.linalg.eigh(products)
        values, vectors = values.flip(-1), vectors.flip(-1)
        total += values.sum(0)[:width].numpy()
        d, gap = _tangent(total, d, least_gap)
        tangent = vectors[..., :d] * values[:, None, :d].clamp_min(0).sqrt()
        found, of_null = _slopes(tangent, products - tangent @ tangent.mT, generator, draws)
        squared.append(found)
        null += of_null
        if first == 0 and (gap < least_gap or d - 0.5 > most):
            break
    assert d is not None
    together = np.concatenate(squared)
    if math.isinf(gap):
        return Local(d, gap, np.zeros_like(together), np.zeros(draws))
    return Local(d, gap, together, null / len(together))


def _products(x: Array, near: Array) -> Tensor:
    """Return the products of the centred points of each neighbourhood [centre, k, k]."""
    found = torch.empty(len(near), near.shape[1], near.shape[1], dtype=torch.float64)
    step = max(1, _AT_ONCE // (near.shape[1] * x.shape[1]))
    for first in range(0, len(near), step):
        points = torch.from_numpy(x[near[first : first + step]]).double()
        points -= points.mean(1, keepdim=True)
        found[first : first + step] = points @ points.mT
    return found


def _slopes(tangent: Tensor, normal: Tensor, generator: np.random.Generator, draws: int) -> tuple[Array, Array]:
    """Return the squared slopes [centre], and their sum over centres where distances are permuted [draw]."""
    n_centres, k = normal.shape[:2]
    half = torch.from_numpy(_orders(generator, n_centres, k) < k // 2)
    bend = (tangent**2).sum(-1) / 2
    permuted = (bend.gather(1, torch.from_numpy(_orders(generator, n_centres, k))) for _ in range(draws))
    null = [float(_product_of_slopes(one, normal, half).sum()) for one in permuted]
    return _product_of_slopes(bend, normal, half).numpy(), np.array(null)


def _tangent(variances: Array, d: int | None, least_gap: float) -> tuple[int, float]:
    """Return the number of directions of the tangent, and how far the variance falls after them."""
    kept = np.where(variances > _ROUNDING * variances[0], variances, 0.0)
    after = np.append(kept[1:], 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        falls = np.where(after > 0, kept / after, np.where(kept > 0, np.inf, 1.0))
    if d is None:
        d = int((falls >= least_gap).argmax()) + 1 if (falls >= least_gap).any() else int(falls.argmax()) + 1
    d = min(d, len(falls))
    return d, float("inf") if not after[d - 1] else float(falls[d - 1])


def _orders(generator: np.random.Generator, n: int, k: int) -> Array:
    """Return n orders of k, at random."""
    return generator.permuted(np.broadcast_to(np.arange(k), (n, k)), axis=1)


def _product_of_slopes(bend: Tensor, normal: Tensor, half: Tensor) -> Tensor:
    """Return the products of the slopes of the two halves [centre]."""
    weights = []
    for some in (half.double(), (~half).double()):
        away = (bend - (bend * some).sum(1, keepdim=True) / some.sum(1, keepdim=True)) * some
        spread = (away**2).sum(1, keepdim=True)
        weights.append(away / torch.where(spread > 0, spread, 1.0))
    return torch.einsum("ci,cij,cj->c", weights[0], normal, weights[1])
