"""Tests of paired differences: exact McNemar, signs of clusters turned, equivalence by two one-sided tests."""

from __future__ import annotations

import math
from itertools import product
from typing import Any

import numpy as np

from scope_widgets._types import Array
from scope_widgets.experiments.statistics.bca import cluster_sums
from scope_widgets.experiments.statistics.t_test import two_sided

#: up to so many clusters all signs are gone through, 2**12 of them
_EXACT = 12
_AT_ONCE = 4_000_000


def mcnemar(before: Array, after: Array) -> float:
    """Return p of the exact two-sided McNemar test of yes/no answers to the same items.

    Of the items whose answer changed, as many should have become yes as no: a binomial test with a half.

    Parameters
    ----------
    before, after : ndarray of bool [item]

    Examples
    --------
    >>> mcnemar(np.array([0, 0, 0, 0, 0, 1], bool), np.array([1, 1, 1, 1, 1, 1], bool))
    0.0625
    """
    gained = int((~np.asarray(before, bool) & np.asarray(after, bool)).sum())
    lost = int((np.asarray(before, bool) & ~np.asarray(after, bool)).sum())
    n, fewer = gained + lost, min(gained, lost)
    tail = sum(math.comb(n, k) for k in range(fewer + 1))
    return min(1.0, float(2 * tail / 2**n))


def sign_flip(
    differences: Array, *, weights: Array | None = None, clusters: Any = None, draws: int = 10_000, seed: int = 0
) -> float:
    """Return p of a mean difference of 0, two-sided, by turning the signs of whole clusters.

    Under the null each cluster's sum of differences is as likely as its negative. Up to 12 clusters all signs are gone
    through, else `draws` of them (Phipson and Smyth 2010: one is added to both counts).

    Parameters
    ----------
    differences : ndarray [item]
    weights, clusters
        As for `bca_interval`.
    draws : int, default 10000
    seed : int, default 0

    Returns
    -------
    float
        1 where nothing differs; NaN with fewer than two clusters.

    Examples
    --------
    >>> sign_flip(np.array([1.0, 2.0, 3.0]))
    0.25
    """
    sums, _ = cluster_sums(differences, weights, clusters)
    n = len(sums)
    if n < 2:
        return float("nan")
    most = np.abs(sums).max()
    if most == 0:
        return 1.0
    seen = abs(sums.sum()) - 1e-9 * most * n  # what rounding makes of the same sum is no smaller one
    if n <= _EXACT:
        signs = np.array(list(product((1.0, -1.0), repeat=n - 1)))
        return float((np.abs(sums[0] + signs @ sums[1:]) >= seen).mean())
    generator, as_large = np.random.default_rng(seed), 0
    step = max(1, _AT_ONCE // n)
    for start in range(0, draws, step):
        signs = generator.integers(0, 2, (min(step, draws - start), n), dtype=np.int8) * 2.0 - 1
        as_large += int((np.abs(signs @ sums) >= seen).sum())
    return (as_large + 1) / (draws + 1)


def clustered_error(values: Array, *, weights: Array | None = None, clusters: Any = None) -> tuple[float, int]:
    """Return the standard error of a weighted mean, robust to clusters, and its degrees of freedom.

    By linearisation, with the correction G / (G - 1) for G clusters (Miller 2024, "Adding error bars to evals").
    NaN with fewer than two.
    """
    sums, sizes = cluster_sums(values, weights, clusters)
    n = len(sums)
    if n < 2:
        return float("nan"), 0
    residuals = sums - sums.sum() / sizes.sum() * sizes
    return float(np.sqrt(n / (n - 1) * (residuals**2).sum()) / sizes.sum()), n - 1


def rare_error(differences: Array, scale: float, *, weights: Array | None = None, clusters: Any = None) -> float:
    """Return a standard error of a weighted mean difference which is not 0 where nothing differed yet.

    What never or hardly ever happens leaves no spread, so two halves of an item are added, one that differs by `scale`
    and one by `-scale`: `sqrt(sum d^2 + scale^2 - (sum d)^2 / N) / N`, N two more than the clusters and d their means.
    Of yes/no answers (`scale` 1) that is the error of Agresti and Min 2005. Clusters of other sizes count as fewer of
    one size, `(sum s)^2 / sum s^2` (Kish 1965).

    Examples
    --------
    >>> round(rare_error(np.zeros(98), 1.0), 6), round(rare_error(np.zeros(98), 1.0, clusters=np.arange(98) // 2), 6)
    (0.01, 0.019608)
    """
    sums, sizes = cluster_sums(differences, weights, clusters)
    n = effective_size(sizes)
    means = sums / sizes
    total = float((means * sizes).sum() / sizes.sum() * n)
    squares = float((means**2 * sizes).sum() / sizes.sum() * n)
    return math.sqrt(squares + scale**2 - total**2 / (n + 2)) / (n + 2)


def effective_size(sizes: Array) -> float:
    """Return how many clusters of one size tell as much as clusters of these sizes do (Kish 1965)."""
    return float(sizes.sum() ** 2 / (sizes**2).sum())


def equivalence(difference: float, error: float, freedom: int, bound: float) -> float:
    """Return p of two one-sided t-tests (Schuirmann 1987) that a difference is `bound` or more, either way.

    Below the level it is shown to be smaller; NaN where the error is not known.

    Examples
    --------
    >>> equivalence(0.0, 0.01, 50, 0.05) < 0.001, equivalence(0.0, 0.04, 50, 0.05) > 0.05
    (True, True)
    """
    if math.isnan(error) or math.isnan(bound) or freedom < 1:
        return float("nan")
    room = bound - abs(difference)
    if error == 0:
        return 0.0 if room > 0 else 1.0
    p = two_sided(room / error, freedom) / 2
    return p if room > 0 else 1 - p


def smallest_detectable(error: float, freedom: int, *, alpha: float = 0.05, power: float = 0.8) -> float:
    """Return the true difference that a two-sided t-test at `alpha` finds with probability `power`.

    `(t(1 - alpha / 2) + t(power)) * error`; NaN where the error is not known.

    Examples
    --------
    >>> round(smallest_detectable(0.01, 1000), 3)
    0.028
    """
    from scipy.special import stdtrit

    if math.isnan(error) or freedom < 1:
        return float("nan")
    return float((stdtrit(freedom, 1 - alpha / 2) + stdtrit(freedom, power)) * error)
