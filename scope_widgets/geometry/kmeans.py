"""k-means from several starts, and what says how many clusters there are: silhouette and gap."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.cluster.vq import kmeans2

from scope_widgets._types import Array

#: steps of k-means
_STEPS = 30


@dataclass(frozen=True)
class Partition:
    """Clusters of rows: numbers by falling size, and the sum of squared distances from their centres."""

    labels: Array
    inertia: float


def kmeans(x: Array, k: int, seed: int, starts: int) -> Partition:
    """Return the best of several runs of SciPy's k-means, each from centres drawn as k-means++ does."""
    best: Partition | None = None
    for start in range(starts if k > 1 else 1):
        generator = np.random.default_rng([seed, k, start])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of clusters without a row, which are left out below
            centres, labels = kmeans2(x, k, iter=_STEPS, minit="++", seed=generator, check_finite=False)
        inertia = float(((x - centres[labels]) ** 2).sum())
        # a start that rounding alone makes better is not
        if best is None or inertia < best.inertia * (1 - 1e-9):
            best = Partition(labels, inertia)
    assert best is not None
    return Partition(_by_size(best.labels), best.inertia)


def _by_size(labels: Array) -> Array:
    """Return the numbers of clusters so that they fall by size; of two as large, the first row's is first."""
    _, first, which, sizes = np.unique(labels, return_index=True, return_inverse=True, return_counts=True)
    number = np.empty(len(sizes), dtype=np.int64)
    number[np.lexsort((first, -sizes))] = np.arange(len(sizes))
    found: Array = number[which]
    return found


def silhouette(x: Array, labels: Array) -> float:
    """Return the mean silhouette of rows: how much nearer the own cluster is than the next (Rousseeuw 1987).

    NaN where there is one cluster.
    """
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


def even_logs(x: Array, ks: Sequence[int], seed: int, draws: int, starts: int) -> Array:
    """Return ln of the inertia a row [draw, k] of rows that are drawn evenly from the box around those of `x`.

    They are what the gap statistic compares with (Tibshirani, Walther and Hastie 2001); `x` is along its principal
    directions.
    """
    low, high = x.min(0), x.max(0)
    generator = np.random.default_rng(seed)
    logs = np.empty((draws, len(ks)))
    for draw in range(draws):
        even = generator.uniform(low, high, x.shape)
        logs[draw] = [np.log(kmeans(even, k, seed, starts).inertia / len(x)) for k in ks]
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
