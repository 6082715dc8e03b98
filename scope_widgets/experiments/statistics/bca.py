"""Bias-corrected and accelerated bootstrap intervals of a weighted mean, by drawing whole clusters."""

from __future__ import annotations

from statistics import NormalDist
from typing import Any

import numpy as np

from scope_widgets._types import Array

#: numbers of draws that are counted at once: of 10,000 draws of 10,000 clusters not all stand in memory
_AT_ONCE = 4_000_000


def cluster_sums(values: Array, weights: Array | None, clusters: Any) -> tuple[Array, Array]:
    """Return, of each cluster, the weighted sum of its values and the sum of its weights, `[cluster]` each.

    Parameters
    ----------
    values : ndarray [item]
    weights : ndarray [item] or None
        None: 1 each.
    clusters : sequence [item] or None
        What each item belongs to; None: each is a cluster of its own.
    """
    values = np.asarray(values, dtype=np.float64)
    weights = np.ones(len(values)) if weights is None else np.asarray(weights, dtype=np.float64)
    if clusters is None:
        return values * weights, weights
    _, at = np.unique(np.asarray(clusters), return_inverse=True)
    return np.bincount(at, values * weights), np.bincount(at, weights)


def bca_interval(
    values: Array,
    *,
    weights: Array | None = None,
    clusters: Any = None,
    draws: int = 10_000,
    level: float = 0.95,
    seed: int = 0,
) -> tuple[float, float]:
    """Return the BCa interval of a weighted mean (Efron 1987), whole clusters drawn again with replacement.

    The acceleration is that of the jackknife over clusters, as in `scipy.stats.bootstrap(method="BCa")`.

    Parameters
    ----------
    values : ndarray [item]
    weights : ndarray [item], optional
        Such as the tokens of a document, of which `values` are means; 1 each by default.
    clusters : sequence [item], optional
        What each item belongs to (a template, a document); each is one of its own by default.
    draws : int, default 10000
    level : float, default 0.95
        The share of samples whose interval holds the true mean, in the limit.
    seed : int, default 0

    Returns
    -------
    low, high : float
        NaN with fewer than two clusters; the mean itself, twice, where nothing varies.

    Examples
    --------
    >>> low, high = bca_interval(np.array([1.0, 2.0, 3.0, 4.0]))
    >>> low < 2.5 < high
    True
    """
    sums, sizes = cluster_sums(values, weights, clusters)
    n = len(sums)
    if n < 2:
        return float("nan"), float("nan")
    mean = sums.sum() / sizes.sum()
    left_out = (sums.sum() - sums) / (sizes.sum() - sizes)
    # what rounding makes of equal values is no variation
    if np.ptp(left_out) <= 1e-12 * max(abs(mean), np.abs(sums).max(), 1e-300):
        return float(mean), float(mean)
    drawn = _draw(sums, sizes, draws, seed)
    normal = NormalDist()
    # a draw that is the mean is half below it; sums in another order differ from it by rounding
    tie = 1e-12 * max(abs(mean), float(np.abs(drawn).max()))
    below = ((drawn < mean - tie).mean() + (drawn <= mean + tie).mean()) / 2
    bias = normal.inv_cdf(min(max(float(below), 0.5 / draws), 1 - 0.5 / draws))
    away = left_out.mean() - left_out
    acceleration = float((away**3).sum() / (6 * (away**2).sum() ** 1.5))
    ends = []
    for tail in ((1 - level) / 2, (1 + level) / 2):
        z = bias + normal.inv_cdf(tail)
        ends.append(normal.cdf(bias + z / (1 - acceleration * z)))
    low, high = np.quantile(drawn, ends)
    return float(low), float(high)


def _draw(sums: Array, sizes: Array, draws: int, seed: int) -> Array:
    """Return the mean of each draw of as many clusters as there are."""
    generator, n = np.random.default_rng(seed), len(sums)
    drawn = np.empty(draws)
    step = max(1, _AT_ONCE // n)
    for start in range(0, draws, step):
        at = generator.integers(0, n, (min(step, draws - start), n))
        drawn[start : start + len(at)] = sums[at].sum(1) / sizes[at].sum(1)
    return drawn
