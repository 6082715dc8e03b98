"""The k nearest points of each point, exactly: chosen in float32, what was chosen computed again in float64.

Products of blocks stay in BLAS; selection from them is compiled, or torch's. A point's score for another is their
product less half the squared norm of that one: the squared distance is its own squared norm less twice the score.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import linear

from . import _checks, _compiled

Points = NDArray[np.float32] | NDArray[np.float64]
#: points of a block: its products are 16 MB. Smaller ones cost more waiting for threads, as BLAS and the selection have
#: threads of their own
_BLOCK = 2048
#: candidates beside the k nearest, so that rounding is seldom in doubt: never of 10,000 random points of width 2,048
#: (with 8: of 65)
_SPARE = 12
#: numbers that are subtracted at once in float64: 64 MB
_AT_ONCE = 2**23


def nearest(
    x: Points, k: int, *, groups: NDArray[np.int64] | None = None, threads: int | None = None
) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """Return the k nearest points of each point, and their distances.

    Points are centred and compared in float32; distances of the `k + 12` that are nearest by this are computed in
    float64 from the points as they were given, and a bound of the rounding says whether a point that was not chosen may
    be nearer. Where it may be, all distances of the point are compared in float64. So rounding in float32 decides
    nothing.

    Parameters
    ----------
    x
        [point, d] float32 or float64.
    k
        1 to the number of points less 1.
    groups
        [point] int64; points of one group are no neighbours of each other.
    threads
        Number of threads of the selection; None: as many as the machine has and the work is worth.

    Returns
    -------
    points, distances
        [point, k] int32 and float64, nearest first, ties to the smaller number; -1 and infinity where there are fewer.

    Raises
    ------
    TypeError, ValueError
        When an array has the wrong type, shape or layout, holds NaN or infinite entries, or k is out of range.
    """
    points = _checks.array(x, "x", ("point", "d"), (np.float32, np.float64))
    n, d = points.shape
    if not 1 <= k < n < 2**31:
        raise ValueError(f"k is {k} and x has {n:,} points, expected k from 1 to the number of points less 1.")
    if groups is not None and len(_checks.array(groups, "groups", ("point",), (np.int64,))) != n:
        raise ValueError(f"groups holds {len(groups)} numbers for {n:,} points: pass one of each point.")
    n_threads = _checks.threads(threads)
    if not np.isfinite(points).all():
        raise ValueError(f"x holds NaN or infinite entries, expected finite ones: {_checks.FINITE_HINT}")
    m = min(k + _SPARE, n - 1)
    centred, halves, scale = _centred(points)
    candidates, lowest = _candidates(centred, halves, m, groups, n_threads)
    squares = _squared_distances(points, np.arange(n, dtype=np.int32), candidates, n_threads)
    doubtful = _doubtful(np.sqrt(np.sort(squares, axis=1)[:, k - 1]) * scale, 2.0 * halves.double().numpy(), lowest, d)
    if m < n - 1 and len(doubtful):
        candidates[doubtful] = _by_float64(points, doubtful, m, groups)
        squares[doubtful] = _squared_distances(points, doubtful, candidates[doubtful], n_threads)
    candidates = np.where(candidates < 0, np.int32(n), candidates)
    order = np.argsort(candidates, axis=1)
    order = np.take_along_axis(order, np.argsort(np.take_along_axis(squares, order, 1), axis=1, kind="stable"), 1)
    chosen, nearest_squares = (np.take_along_axis(one, order[:, :k], 1) for one in (candidates, squares))
    return np.where(chosen == n, np.int32(-1), chosen), np.sqrt(nearest_squares)


def _centred(points: Points) -> tuple[Tensor, Tensor, float]:
    """Return points less their mean times a power of 2 that brings the largest to 1, half their squares, and the power.

    So no square underflows that matters, and a mean far from 0 costs no digits.
    """
    given = torch.from_numpy(points)
    centred = given - given.mean(0, dtype=torch.float64).to(given.dtype)
    low, high = centred.aminmax()
    largest = max(float(high), -float(low))
    scale = 2.0 ** -math.frexp(largest)[1] if largest > 0 else 1.0
    scaled = centred.mul_(scale).float()
    return scaled, 0.5 * torch.linalg.vecdot(scaled, scaled), scale


def _candidates(
    centred: Tensor, halves: Tensor, m: int, groups: NDArray[np.int64] | None, threads: int
) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """Return the m of the largest scores of each point, and the lowest of these scores."""
    n = len(centred)
    points = np.full((n, m), -1, dtype=np.int32)
    scores = np.full((n, m), -np.inf, dtype=np.float32)
    if _compiled.neighbours is None:
        for first, block in _rows_of_products(centred, halves, groups):
            best = block.topk(m, dim=1)
            here = slice(first, first + len(block))
            scores[here] = best.values.numpy()
            points[here] = best.indices.int().masked_fill_(best.values.isneginf(), -1).numpy()
        return points, scores.min(1).astype(np.float64)
    bars = np.full(n, -np.inf, dtype=np.float32)
    of = np.empty(0, dtype=np.int64) if groups is None else groups
    blocks = _Blocks(centred)
    for row in range(len(blocks)):
        for column in range(row, len(blocks)):
            starts = row * _BLOCK, column * _BLOCK
            products = blocks.product(row, column)
            _compiled.neighbours.select(products, halves.numpy(), *starts, of, scores, points, bars, threads)
    return points, bars.astype(np.float64)


class _Blocks:
    """Blocks of points, whose products are oneDNN's where torch has it.

    On an AMD EPYC it multiplies float32 twice as fast as `torch.mm`. NumPy's product was nearly as fast, but its
    threads wait for each other on a busy machine.
    """

    def __init__(self, x: Tensor) -> None:
        exact = torch.get_float32_matmul_precision() == "highest"  # else it may round the points
        self._ready = exact and torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call,unused-ignore]
        self._parts = [part.to_mkldnn() if self._ready else part for part in torch.split(x, _BLOCK)]

    def __len__(self) -> int:
        return len(self._parts)

    def product(self, row: int, column: int) -> NDArray[np.float32]:
        """Return the products of the points of a block with those of another, `[point, point]`."""
        a, b = self._parts[row], self._parts[column]
        found: NDArray[np.float32] = linear(a, b).to_dense().numpy() if self._ready else a.numpy() @ b.numpy().T
        return found


def _rows_of_products(
    centred: Tensor, halves: Tensor, groups: NDArray[np.int64] | None, rows: Tensor | None = None
) -> Iterator[tuple[int, Tensor]]:
    """Yield scores [row, point] of blocks of some rows, or all; minus infinity where a point is no neighbour."""
    rows = torch.arange(len(centred)) if rows is None else rows
    of = None if groups is None else torch.from_numpy(groups)
    size = max(1, _AT_ONCE // len(centred))
    for first in range(0, len(rows), size):
        here = rows[first : first + size]
        scores = centred[here] @ centred.T - halves
        scores[torch.arange(len(here)), here] = -torch.inf
        if of is not None:
            scores.masked_fill_(of[here, None] == of, -torch.inf)
        yield first, scores


def _doubtful(
    reach: NDArray[np.float64], squares: NDArray[np.float64], lowest: NDArray[np.float64], d: int
) -> NDArray[np.int32]:
    """Return the points of which one that was not chosen may be nearer than `reach`, the k-th distance.

    One that is nearer has at most the norm of the point plus `reach`, and rounding moves a product by at most about
    (d + 8) / 2^24 times the two norms; so its score would be above the lowest one that was chosen.
    """
    norms = np.sqrt(squares)
    rounding = (d + 8) * 2.0**-24 * (norms + reach) * (2 * norms + reach)
    doubtful: NDArray[np.int32] = np.flatnonzero(~(lowest < (squares - reach**2) / 2 - rounding)).astype(np.int32)
    return doubtful


def _by_float64(points: Points, rows: NDArray[np.int32], m: int, groups: NDArray[np.int64] | None) -> NDArray[np.int32]:
    """Return the m points of the largest scores in float64, of some rows."""
    centred = torch.from_numpy(points).double()
    centred = centred - centred.mean(0)  # not in place: points of float64 are the caller's
    halves = 0.5 * torch.linalg.vecdot(centred, centred)
    found = np.empty((len(rows), m), dtype=np.int32)
    for first, block in _rows_of_products(centred, halves, groups, torch.from_numpy(rows).long()):
        best = block.topk(m, dim=1)
        found[first : first + len(block)] = best.indices.int().masked_fill_(best.values.isneginf(), -1).numpy()
    return found


def _squared_distances(
    points: Points, rows: NDArray[np.int32], of: NDArray[np.int32], threads: int
) -> NDArray[np.float64]:
    """Return squared distances [row, m] in float64 of `rows` from the points `of` [row, m]; infinity for -1."""
    if _compiled.neighbours is not None:
        return _compiled.neighbours.squared_distances(points, rows, of, threads)
    found = np.empty(of.shape)
    size = max(1, _AT_ONCE // (of.shape[1] * points.shape[1]))
    for first in range(0, len(rows), size):
        here = slice(first, first + size)
        gaps = points[rows[here], None].astype(np.float64) - points[of[here]]
        found[here] = np.einsum("rmd,rmd->rm", gaps, gaps)
    found[of < 0] = np.inf
    return found
