"""k-means from several starts, and what says how many clusters there are: silhouette and gap."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from scipy.cluster.vq import kmeans2

from scope_widgets._types import Array

#: steps of k-means
_STEPS = 30
#: rows between whose pairs silhouettes are computed, at most
_SILHOUETTE_ROWS = 2000


@dataclass(frozen=True)
class Partition:
    """Clusters of rows: numbers by falling size, centres [cluster, d], and the sum of squared distances from them."""

    labels: Array
    centres: Array
    inertia: float


def kmeans(x: Array, k: int, seed: int, starts: int) -> Partition:
    """Return the best of several runs of SciPy's k-means, each from centres drawn as k-means++ does."""
    best: Partition | None = None
    for start in range(starts):
        generator = np.random.default_rng([seed, k, start])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of clusters without a row, which are left out below
            centres, labels = kmeans2(x, k, iter=_STEPS, minit="++", seed=generator, check_finite=False)
        inertia = float(((x - centres[labels]) ** 2).sum())
        # a start that rounding alone makes better is not
        if best is None or inertia < best.inertia * (1 - 1e-9):
            best = Partition(labels, centres, inertia)
    assert best is not None
    return _by_size(best)


def _by_size(found: Partition) -> Partition:
    sizes = np.bincount(found.labels, minlength=len(found.centres))
    first = np.array([int((found.labels == one).argmax()) for one in range(len(sizes))])
    order = np.lexsort((first, -sizes))
    order = order[sizes[order] > 0]
    number = np.full(len(sizes), -1)
    number[order] = np.arange(len(order))
    return Partition(number[found.labels], found.centres[order], found.inertia)


def silhouette(x: Array, labels: Array, seed: int) -> float:
    """Return the mean silhouette of rows: how much nearer the own cluster is than the next (Rousseeuw 1987).

    Of more than 2,000 rows that of as many, drawn at random, among themselves. NaN where there is one cluster.
    """
    if len(x) > _SILHOUETTE_ROWS:
        chosen = np.sort(np.random.default_rng(seed).choice(len(x), _SILHOUETTE_ROWS, replace=False))
        x, labels = x[chosen], np.unique(labels[chosen], return_inverse=True)[1]
    n_clusters = int(labels.max()) + 1
    if n_clusters < 2:
        return float("nan")
    x = x - x.mean(0)
    squares = (x**2).sum(1)
    distances = np.sqrt(np.maximum(squares[:, None] + squares - 2 * x @ x.T, 0.0))
    np.fill_diagonal(distances, 0.0)
    of = np.eye(n_clusters)[labels]
    sizes = of.sum(0)
    means = distances @ of
    rows = np.arange(len(x))
    own_size = sizes[labels]
    own = means[rows, labels] / np.maximum(own_size - 1, 1)
    means /= sizes
    means[rows, labels] = np.inf
    other = means.min(1)
    larger = np.maximum(own, other)
    values = np.where((own_size > 1) & (larger > 0), (other - own) / np.where(larger > 0, larger, 1.0), 0.0)
    return float(values.mean())


def even_logs(x: Array, ks: list[int], seed: int, draws: int) -> Array:
    """Return ln of the inertia a row [draw, k] of rows that are drawn evenly from the box around those of `x`.

    They are what the gap statistic compares with (Tibshirani, Walther and Hastie 2001); `x` is along its principal
    directions.
    """
    low, high = x.min(0), x.max(0)
    generator = np.random.default_rng(seed)
    logs = np.empty((draws, len(ks)))
    for draw in range(draws):
        even = generator.uniform(low, high, x.shape)
        logs[draw] = [np.log(kmeans(even, k, seed, 1).inertia / len(x)) for k in ks]
    return logs


def agreement(a: Array, b: Array) -> float:
    """Return the adjusted Rand index of two partitions: 1 where they are the same, 0 at chance (Hubert 1985)."""
    table = np.zeros((int(a.max()) + 1, int(b.max()) + 1))
    np.add.at(table, (a, b), 1)

    def pairs(counts: Array) -> float:
        return float((counts * (counts - 1) / 2).sum())

    both, of_a, of_b = pairs(table), pairs(table.sum(1)), pairs(table.sum(0))
    expected = of_a * of_b / pairs(np.array([len(a)]))
    most = (of_a + of_b) / 2
    return 1.0 if most == expected else (both - expected) / (most - expected)
