"""Mean curvature of rows near some of them, from their nearest neighbours alone."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from scope_widgets._types import Array

#: neighbourhoods that are looked at together
_CENTRES = 100
#: numbers of neighbours that are held at once in float64: 128 MB
_AT_ONCE = 2**24
#: fall of the local variances after the tangent that there must be, and most that they may fall by at once within it
LEAST_GAP, MOST_WITHIN = 10.0, 2.5
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
    within : float
        The largest fall before it. Where rows bend within a neighbourhood it is 2.8 to 10, among even ones 1.7 at most.
    within_at : int
        Directions before it.
    squared : ndarray [centre]
        Squared length of the mean-curvature vector, without bias.
    null : ndarray [draw]
        Its mean over centres where distances are permuted.
    """

    d: int
    gap: float
    within: float
    within_at: int
    squared: Array
    null: Array

    def stands_out(self, most: float | None) -> bool:
        """Whether there is a tangent, of no more than `most` directions; None where d was given, which may be any."""
        even = most is None or (self.within <= MOST_WITHIN and self.d - 0.5 <= most)
        return self.gap >= LEAST_GAP and even


def local_curvature(x: Array, near: Array, given_d: int | None, most: float | None, draws: int, seed: int) -> Local:
    """Return what neighbourhoods [centre, k], row numbers of `x`, say of their curvature.

    Points of a neighbourhood are centred; its first d principal directions are the tangent, with coordinates t. What is
    left of a point is regressed on |t|^2 / 2, with an intercept: the slope is the mean-curvature vector. That of one
    half of the neighbourhood times that of the other has no bias by noise. All of it is in terms of the products of
    points, so that the width of a row does not matter. Where d is not given, the first 100 neighbourhoods say it, and
    the others have the same. Where no tangent of `most` directions stands out of these, the others are not looked at.
    """
    n_centres, k = near.shape
    width = min(k - 1, x.shape[1])
    generator = np.random.default_rng(seed)
    total = np.zeros(width)
    squared: list[Array] = []
    null = np.zeros(draws)
    d = given_d
    for first in range(0, n_centres, _CENTRES):
        products = _products(x, near[first : first + _CENTRES])
        values, vectors = torch.linalg.eigh(products)
        values, vectors = values.flip(-1), vectors.flip(-1)
        total += values.sum(0)[:width].numpy()
        d, gap, within, within_at = _tangent(total, d)
        tangent = vectors[..., :d] * values[:, None, :d].clamp_min(0).sqrt()
        found, of_null = _slopes(tangent, products - tangent @ tangent.mT, generator, draws)
        squared.append(found)
        null += of_null
        together = np.concatenate(squared)
        measured = Local(d, gap, within, within_at, together, null / len(together))
        if first == 0 and not measured.stands_out(most):
            break
    if math.isinf(measured.gap):
        return replace(measured, squared=np.zeros_like(together), null=np.zeros(draws))
    return measured


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


def _tangent(variances: Array, d: int | None) -> tuple[int, float, float, int]:
    """Return the number of directions of the tangent, and how far the variance falls after and within, and where."""
    kept = np.where(variances > _ROUNDING * variances[0], variances, 0.0)
    after = np.append(kept[1:], 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        falls = np.where(after > 0, kept / after, np.where(kept > 0, np.inf, 1.0))
    if d is None:
        d = int((falls >= LEAST_GAP).argmax()) + 1 if (falls >= LEAST_GAP).any() else int(falls.argmax()) + 1
    d = min(d, len(falls))
    gap = float("inf") if not after[d - 1] else float(falls[d - 1])
    inner = np.append(falls[: d - 1], 1.0)
    return d, gap, float(inner.max()), int(inner.argmax()) + 1


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
