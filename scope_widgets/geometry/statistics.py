"""`statistics`: norms, directions and tails of activations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from scope_widgets._provenance import Provenance
from scope_widgets._result import Result
from scope_widgets._types import Array
from scope_widgets.experiments.massive_activations import MASSIVE
from scope_widgets.geometry.intervals import around, mean_with_interval
from scope_widgets.geometry.points import points_of

if TYPE_CHECKING:
    import pandas as pd

#: each measure, and what it is
MEASURES = {
    "norm": "mean norm of a row",
    "cosine": "mean cosine of two different rows: 0 where they point everywhere, 1 where all point one way",
    "kurtosis": "mean over columns of the excess kurtosis: 0 of a Gaussian, more of heavy tails",
    "largest_share": "share of the variance that is in the column of the largest variance",
    "zeros": "share of numbers that are exactly 0",
}
#: times the median size from which a column is an outlier
OUTLIER = 10.0


@dataclass(frozen=True, eq=False, repr=False)
class ActivationStatistics(Result):
    """Statistics of activations.

    Attributes
    ----------
    norm, cosine, kurtosis, largest_share, zeros : ndarray [3]
        Value, low and high of each, 95 % intervals; `MEASURES` says what they are. NaN where not defined.
    mean, deviation : ndarray [d]
        Of each column.
    massive_rows : ndarray of int
        Rows with ten times the median norm or more, by their number in what was given.
    outlier_columns : ndarray of int
        Columns whose root mean square is ten times the median of that or more.
    n : int
        Rows.
    provenance : Provenance
    """

    plotted_by: ClassVar[str] = "scope_widgets.plots.geometry:geometry_statistics"

    norm: np.ndarray[Any, np.dtype[np.float64]]
    cosine: np.ndarray[Any, np.dtype[np.float64]]
    kurtosis: np.ndarray[Any, np.dtype[np.float64]]
    largest_share: np.ndarray[Any, np.dtype[np.float64]]
    zeros: np.ndarray[Any, np.dtype[np.float64]]
    mean: np.ndarray[Any, np.dtype[np.float64]]
    deviation: np.ndarray[Any, np.dtype[np.float64]]
    massive_rows: np.ndarray[Any, np.dtype[np.int64]]
    outlier_columns: np.ndarray[Any, np.dtype[np.int64]]
    n: int
    provenance: Provenance

    def __post_init__(self) -> None:
        """Raise ValueError where a measure is no value with an interval."""
        if any(getattr(self, name).shape != (3,) for name in MEASURES) or self.mean.shape != self.deviation.shape:
            raise ValueError("a statistic is a value, low and high, mean and deviation are of each column")

    @property
    def value(self) -> float:
        """The mean norm of a row."""
        return float(self.norm[0])

    @property
    def low(self) -> float:
        """Lower end of its interval."""
        return float(self.norm[1])

    @property
    def high(self) -> float:
        """Upper end of its interval."""
        return float(self.norm[2])

    def _said(self) -> str:
        measures = ", ".join(f"{name.replace('_', ' ')} {getattr(self, name)[0]:.3g}" for name in MEASURES)
        return (
            f"{measures}; {len(self.massive_rows):,} massive of {self.n:,} rows, {len(self.outlier_columns)} outliers "
            f"of {len(self.mean):,} columns"
        )

    def to_dataframe(self) -> pd.DataFrame:
        """Return a row a measure: measure, value, low, high, meaning."""
        import pandas as pd

        rows = [(name, *getattr(self, name), meaning) for name, meaning in MEASURES.items()]
        return pd.DataFrame(rows, columns=["measure", "value", "low", "high", "meaning"])


def statistics(x: Any, *, groups: Any = None) -> ActivationStatistics:
    """Measure norms, directions and tails of activations.

    Parameters
    ----------
    x : array or Tensor [row, d], rows of a recording, or Points
    groups : array of int [row], optional
        Prompts: rows of one are no independent draws, and the intervals count them as one. That of `Points` by default.

    Returns
    -------
    ActivationStatistics

    Raises
    ------
    TypeError, ValueError
        For rows that are no finite numbers.

    Examples
    --------
    >>> x = np.random.default_rng(0).standard_normal((1000, 64))
    >>> found = geometry.statistics(x)
    >>> round(found.norm[0]), bool(found.cosine[1] < 0 < found.cosine[2])
    (8, True)
    """
    points = points_of(x, groups=groups)
    rows = points.x.astype(np.float64)
    norms = np.sqrt((rows**2).sum(1))
    mean = rows.mean(0)
    size = np.abs(rows).max(0)
    sizes = np.sqrt((rows**2).mean(0))
    away = rows - mean
    variances = (away**2).mean(0)
    varies = np.sqrt(variances) > 8 * np.finfo(points.x.dtype).eps * size
    return ActivationStatistics(
        norm=np.array(mean_with_interval(norms, points.groups)),
        cosine=_cosine(rows, norms, points.groups),
        kurtosis=_kurtosis(away[:, varies], variances[varies], points.groups),
        largest_share=_largest_share(away, variances, points.groups) if varies.any() else np.full(3, np.nan),
        zeros=np.clip(mean_with_interval((rows == 0).mean(1), points.groups), 0.0, 1.0),
        mean=mean,
        deviation=np.where(varies, np.sqrt(variances), 0.0),
        massive_rows=points.rows[norms > MASSIVE * np.median(norms)],
        outlier_columns=np.flatnonzero(sizes > OUTLIER * np.median(sizes)),
        n=len(points),
        provenance=points.provenance,
    )


def _cosine(rows: Array, norms: Array, groups: Array | None) -> Array:
    units = rows[norms > 0] / norms[norms > 0, None]
    n = len(units)
    if n < 2:
        return np.full(3, np.nan)
    total = units.sum(0)
    value = (float(total @ total) - n) / (n * (n - 1))
    found = around(value, 2 * units @ total / n, None if groups is None else groups[norms > 0])
    return np.clip(found, -1.0, 1.0)


def _kurtosis(away: Array, variances: Array, groups: Array | None) -> Array:
    if not len(variances):
        return np.full(3, np.nan)
    z = away / np.sqrt(variances)
    kurtosis, skewness = (z**4).mean(0), (z**3).mean(0)
    influence = (z**4 - kurtosis - 2 * kurtosis * (z**2 - 1) - 4 * skewness * z).mean(1)
    return around(float(kurtosis.mean()) - 3, influence, groups)


def _largest_share(away: Array, variances: Array, groups: Array | None) -> Array:
    at, total = int(variances.argmax()), float(variances.sum())
    share = float(variances[at]) / total
    influence = (away[:, at] ** 2 - share * (away**2).sum(1)) / total
    return np.clip(around(share, influence, groups), 0.0, 1.0)
