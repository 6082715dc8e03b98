"""`clusters`: how many clusters rows fall into, if any, and how sure that is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch

from scope_widgets._check_choice import checked_count
from scope_widgets._provenance import Provenance
from scope_widgets._result import Result
from scope_widgets._seeds import seed_of
from scope_widgets._types import Array
from scope_widgets.geometry.kmeans import Partition, agreement, even_logs, kmeans, silhouette
from scope_widgets.geometry.prepared_rows import Prepared

if TYPE_CHECKING:
    import pandas as pd

#: principal components in which clusters are sought, at most
COMPONENTS = 50
#: rows on which the number is chosen, at most
ROWS = 2000
#: draws of the gap statistic, starts of k-means (of draws as many, or the gap is of the starts), seeds
_DRAWS, _STARTS, _SEEDS = 10, 3, 5


@dataclass(frozen=True, eq=False, repr=False)
class Clusters(Result):
    """Clusters of rows by k-means.

    Attributes
    ----------
    value : int
        Number of clusters: 1 where the gap statistic finds no more than one, else the k of the largest silhouette.
    low, high : int
        The smallest and largest number that the silhouette and the gap choose over seeds: where they differ, the number
        is not to be believed.
    labels : ndarray of int [row]
        The cluster of each row of `x`, the largest first; all 0 where there is one.
    sizes : ndarray of int [cluster]
    centres : ndarray [cluster, d]
    k : ndarray of int [number]
        Numbers that were tried, from 1.
    silhouettes, gap, gap_error, stability : ndarray [number]
        Mean silhouette; gap statistic and its error; mean adjusted Rand index between seeds, each on 80 % of the rows.
    by_silhouette, by_gap : int
        What each chooses. By gap: the smallest k whose gap reaches that of the next that was tried less its error; the
        largest that was tried where none does.
    share : float
        Share of the variance in the components that clusters are sought in.
    n, duplicates : int
        Different rows, and equal ones that were taken out (they have the label of the row that they equal).
    provenance : Provenance
    """

    plotted_by: ClassVar[str] = "scope_widgets.plots.geometry:clusters"

    value: int
    low: int
    high: int
    labels: np.ndarray[Any, np.dtype[np.int64]]
    sizes: np.ndarray[Any, np.dtype[np.int64]]
    centres: np.ndarray[Any, np.dtype[np.float64]]
    k: np.ndarray[Any, np.dtype[np.int64]]
    silhouettes: np.ndarray[Any, np.dtype[np.float64]]
    gap: np.ndarray[Any, np.dtype[np.float64]]
    gap_error: np.ndarray[Any, np.dtype[np.float64]]
    stability: np.ndarray[Any, np.dtype[np.float64]]
    by_silhouette: int
    by_gap: int
    share: float
    n: int
    duplicates: int
    provenance: Provenance

    def __post_init__(self) -> None:
        """Raise ValueError where the numbers that were tried are not of one length."""
        tried = (self.k, self.silhouettes, self.gap, self.gap_error, self.stability)
        if len({one.shape for one in tried}) > 1 or tried[0].ndim != 1:
            raise ValueError("clusters have a silhouette, gap, error and stability of each k")

    def _said(self) -> str:
        if self.value == 1:
            return f"one: no clusters by the gap statistic, {self.low} to {self.high} over seeds; {self.n:,} rows"
        at = int((self.k == self.value).argmax())
        return (
            f"{self.value} [{self.low}, {self.high}], silhouette {self.silhouettes[at]:.2f}, stability "
            f"{self.stability[at]:.2f}, by gap {self.by_gap}; {self.n:,} rows"
        )

    def to_dataframe(self) -> pd.DataFrame:
        """Return a row a number of clusters: k, silhouette, gap, gap_error, stability, chosen."""
        import pandas as pd

        return pd.DataFrame(
            {
                "k": self.k,
                "silhouette": self.silhouettes,
                "gap": self.gap,
                "gap_error": self.gap_error,
                "stability": self.stability,
                "chosen": self.k == self.value,
            }
        )


def clusters(
    x: Any,
    *,
    k: Sequence[int] | int = 8,
    components: int = COMPONENTS,
    standardise: bool = False,
    seed: int = 0,
) -> Clusters:
    """Find how many clusters rows fall into by k-means, silhouette and gap statistic, never by an elbow.

    Clusters are sought in the first principal components. Their number is chosen on all rows, of more than 2,000 on as
    many at random, and with five more seeds on 80 % of these.

    Parameters
    ----------
    x : array or Tensor [row, d], rows of a recording, or Points
    k : int or sequence of int, default 8
        Numbers of clusters that are tried beside 1; of one number all from 2 to it.
    components : int, default 50
        Principal components that clusters are sought in, at most.
    standardise : bool, default False
        Divide each column by its standard deviation first.
    seed : int, default 0

    Returns
    -------
    Clusters

    Raises
    ------
    TypeError, ValueError
        For rows that are no finite numbers, are all equal, or fewer than ten times the largest k.

    References
    ----------
    Rousseeuw 1987 (silhouette); Tibshirani, Walther and Hastie 2001 (gap); Hubert and Arabie 1985 (Rand index).

    Examples
    --------
    >>> draw = np.random.default_rng(0)
    >>> x = np.concatenate([draw.standard_normal((100, 3)) + centre for centre in (0, 8, 16)])
    >>> found = geometry.clusters(x, k=4)
    >>> found.value, found.low, found.high, found.sizes.tolist()
    (3, 3, 3, [100, 100, 100])
    >>> geometry.clusters(x[:100], k=3).value
    1
    """
    seed, components = seed_of(seed), checked_count("components", components)
    ks = _checked_ks(k)
    return clusters_of(Prepared(x, standardise=standardise), ks, components, seed)


def clusters_of(
    rows: Prepared, ks: Sequence[int] = range(1, 9), components: int = COMPONENTS, seed: int = 0
) -> Clusters:
    """Return `clusters` of rows that other measures may share; `ks` are from 1."""
    points, which = rows.different(10 * ks[-1], f"k = {ks[-1]}, with ten rows a cluster,")
    variances, directions, centred = rows.principal_of_different
    directions = directions[:components]
    y = (centred @ torch.from_numpy(directions.T.copy())).numpy()
    y /= math.sqrt(float(variances.sum()))
    generator = np.random.default_rng(seed)
    few = y[np.sort(generator.choice(len(y), ROWS, replace=False))] if len(y) > ROWS else y
    even = even_logs(few, ks, seed, _DRAWS, _STARTS)
    whole = _tried(few, ks, even, seed)
    parts, choices = [], [whole.choices]
    for one in range(_SEEDS):
        some = np.sort(generator.choice(len(few), math.ceil(0.8 * len(few)), replace=False))
        part = _tried(few[some], ks, even, seed + one + 1)
        parts.append((some, part))
        choices.append(part.choices)
    by_silhouette, by_gap = whole.choices
    value = 1 if by_gap == 1 else by_silhouette
    labels = kmeans(y, value, seed, _STARTS).labels if len(y) > ROWS else whole.partitions[ks.index(value)].labels
    # what the gap says of one cluster the silhouette cannot say
    chosen = [one for pair in choices for one in (pair if pair[1] > 1 else pair[1:])]
    return Clusters(
        value=value,
        low=min(chosen),
        high=max(chosen),
        labels=labels[which],
        sizes=np.bincount(labels),
        centres=np.stack([points.x[labels == one].mean(0, dtype=np.float64) for one in range(int(labels.max()) + 1)]),
        k=np.array(ks),
        silhouettes=whole.silhouettes,
        gap=whole.gap,
        gap_error=whole.error,
        stability=_stability(parts, len(ks)),
        by_silhouette=by_silhouette,
        by_gap=by_gap,
        share=float(variances[:components].sum() / variances.sum()),
        n=len(points),
        duplicates=len(which) - len(points),
        provenance=replace(points.provenance, seed=seed),
    )


@dataclass(frozen=True)
class _Tried:
    partitions: list[Partition]
    silhouettes: Array
    gap: Array
    error: Array
    choices: tuple[int, int]


def _checked_ks(k: Any) -> list[int]:
    if isinstance(k, (Sequence, np.ndarray)) and not isinstance(k, str):
        found = sorted({checked_count("k", one) for one in k} - {1})
    else:
        found = list(range(2, checked_count("k", k) + 1))
    if not found:
        raise ValueError(f"k= is a number of clusters from 2, or some of them; got {k!r}.")
    return [1, *found]


def _tried(y: Array, ks: Sequence[int], even: Array, seed: int) -> _Tried:
    partitions = [kmeans(y, k, seed, _STARTS) for k in ks]
    silhouettes = np.array([silhouette(y, one.labels) for one in partitions])
    gap = even.mean(0) - np.log([one.inertia / len(y) for one in partitions])
    error = even.std(0) * math.sqrt(1 + 1 / len(even))
    # of silhouettes that only rounding tells apart the smaller number
    by_silhouette = ks[1 + int((silhouettes[1:] >= np.nanmax(silhouettes[1:]) - 1e-9).argmax())]
    enough = gap[:-1] >= gap[1:] - error[1:]
    by_gap = ks[int(enough.argmax())] if enough.any() else ks[-1]
    return _Tried(partitions, silhouettes, gap, error, (by_silhouette, by_gap))


def _stability(parts: list[tuple[Array, _Tried]], n_ks: int) -> Array:
    """Return the mean agreement of two seeds on the rows that both have, for each k."""
    found = np.empty((n_ks, math.comb(len(parts), 2)))
    for at, ((rows_a, a), (rows_b, b)) in enumerate(combinations(parts, 2)):
        both = np.intersect1d(rows_a, rows_b)
        in_a, in_b = np.searchsorted(rows_a, both), np.searchsorted(rows_b, both)
        found[:, at] = [
            agreement(one.labels[in_a], other.labels[in_b])
            for one, other in zip(a.partitions, b.partitions, strict=True)
        ]
    mean: Array = found.mean(1)
    return mean
