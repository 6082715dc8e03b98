"""`spectrum`: how the variance of rows is shared out over directions."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch

from scope_widgets._check_choice import checked_count
from scope_widgets._provenance import Provenance
from scope_widgets._result import Result
from scope_widgets._types import Array
from scope_widgets.geometry.intervals import around
from scope_widgets.geometry.prepared_rows import Prepared

if TYPE_CHECKING:
    import pandas as pd

#: each measure, and what it is
MEASURES = {
    "effective_rank": "exp of the entropy of s / sum s, s the singular values of centred rows (Roy and Vetterli 2007)",
    "spectral_dimension": "exp of the entropy of v / sum v, v the variances of the components",
    "participation_ratio": "(sum v)^2 / sum v^2",
}
#: shares of the variance that components are counted for
SHARES = (0.9, 0.95, 0.99)


@dataclass(frozen=True, eq=False, repr=False)
class Spectrum(Result):
    """The variances of rows along their principal components.

    Attributes
    ----------
    effective_rank, spectral_dimension, participation_ratio : ndarray [3]
        Value, low and high of each: 95 % intervals by the infinitesimal jackknife. `MEASURES` says what they are. With
        fewer rows than columns they are lower than those of more rows would be.
    variances : ndarray [component]
        Falling; 0 where there is rounding alone.
    components_90, components_95, components_99 : int
        Components that hold this share of the variance.
    directions : ndarray of float32 [component, d]
        The first components, of length 1; the entry of the largest size is positive.
    n : int
        Rows.
    provenance : Provenance
    """

    plotted_by: ClassVar[str] = "scope_widgets.plots.geometry:spectrum"

    effective_rank: np.ndarray[Any, np.dtype[np.float64]]
    spectral_dimension: np.ndarray[Any, np.dtype[np.float64]]
    participation_ratio: np.ndarray[Any, np.dtype[np.float64]]
    variances: np.ndarray[Any, np.dtype[np.float64]]
    components_90: int
    components_95: int
    components_99: int
    directions: np.ndarray[Any, np.dtype[np.float32]]
    n: int
    provenance: Provenance

    def __post_init__(self) -> None:
        """Raise ValueError where a measure is no value with an interval."""
        if any(getattr(self, name).shape != (3,) for name in MEASURES) or self.variances.ndim != 1:
            raise ValueError("a measure of a spectrum is a value, low and high, the variances are [component]")

    @property
    def value(self) -> float:
        """The effective rank."""
        return float(self.effective_rank[0])

    @property
    def low(self) -> float:
        """Lower end of its interval."""
        return float(self.effective_rank[1])

    @property
    def high(self) -> float:
        """Upper end of its interval."""
        return float(self.effective_rank[2])

    def _said(self) -> str:
        measures = ", ".join(f"{name.replace('_', ' ')} {getattr(self, name)[0]:.2f}" for name in MEASURES)
        held = ", ".join(f"{share:.0%} by {self._held(share)}" for share in SHARES)
        return f"{measures}; {held} of {len(self.variances):,} components; {self.n:,} rows"

    def _held(self, share: float) -> int:
        return int(getattr(self, f"components_{share * 100:.0f}"))

    def to_dataframe(self) -> pd.DataFrame:
        """Return a row a measure: measure, value, low, high, meaning."""
        import pandas as pd

        rows = [(name, *getattr(self, name), meaning) for name, meaning in MEASURES.items()]
        rows += [
            (f"components_{share * 100:.0f}", self._held(share), np.nan, np.nan, f"components that hold {share:.0%}")
            for share in SHARES
        ]
        return pd.DataFrame(rows, columns=["measure", "value", "low", "high", "meaning"])

    def components(self) -> pd.DataFrame:
        """Return a row a component: component, variance, share, cumulative."""
        import pandas as pd

        shares = self.variances / self.variances.sum()
        columns = {"variance": self.variances, "share": shares, "cumulative": shares.cumsum()}
        return pd.DataFrame({"component": np.arange(len(shares)), **columns})


def spectrum(x: Any, *, n: int = 10, groups: Any = None, standardise: bool = False) -> Spectrum:
    """Compute the principal components of rows, and in three ways how many directions they fill.

    Parameters
    ----------
    x : array or Tensor [row, d], rows of a recording, or Points
    n : int, default 10
        Components whose directions are kept.
    groups : array of int [row], optional
        Prompts: rows of one are no independent draws, and the intervals count them as one. That of `Points` by default.
    standardise : bool, default False
        Divide each column by its standard deviation first.

    Returns
    -------
    Spectrum

    Raises
    ------
    TypeError, ValueError
        For rows that are no finite numbers, or are all equal.

    References
    ----------
    Roy and Vetterli 2007 (effective rank).

    Examples
    --------
    >>> x = np.random.default_rng(0).standard_normal((1000, 8)) * 2.0 ** -np.arange(8)
    >>> found = geometry.spectrum(x)
    >>> found.components_99, found.directions.shape
    (4, (8, 8))
    """
    n = checked_count("n", n)
    return spectrum_of(Prepared(x, groups=groups, standardise=standardise), n)


def spectrum_of(rows: Prepared, n: int = 10) -> Spectrum:
    """Return `spectrum` of rows that other measures may share."""
    points = rows.points
    variances, directions, centred = rows.principal
    # in float32: only intervals are made of these, and the product costs as much as the covariance
    total = float(variances.sum())
    scores = (centred / math.sqrt(total)).float() @ torch.from_numpy(directions.T.astype(np.float32))
    squares = scores.double().numpy() ** 2
    rank, dimension, ratio = (_with_interval(name, variances / total, squares, points.groups) for name in MEASURES)
    shares = variances.cumsum() / total
    # a share that is reached but for rounding is reached
    of_90, of_95, of_99 = (int((shares < share - 1e-12).sum()) + 1 for share in SHARES)
    return Spectrum(
        effective_rank=rank,
        spectral_dimension=dimension,
        participation_ratio=ratio,
        variances=variances,
        components_90=of_90,
        components_95=of_95,
        components_99=of_99,
        directions=directions[:n].astype(np.float32),
        n=len(points),
        provenance=points.provenance,
    )


def _with_interval(name: str, variances: Array, squares: Array, groups: Array | None) -> Array:
    """Return value, low and high.

    By a row more, a variance changes by its squared score less the variance, in first order; times the derivative of
    the measure by each variance that is what the row does to the measure.
    """
    v = variances[: squares.shape[1]]
    if name == "participation_ratio":
        value = v.sum() ** 2 / (v**2).sum()
        slopes = 2 * value * (1 / v.sum() - v / (v**2).sum())
    else:
        s = np.sqrt(v) if name == "effective_rank" else v
        p = s / s.sum()
        value = np.exp(-(p * np.log(p)).sum())
        slopes = -value * (np.log(p) + np.log(value)) / s.sum()
        slopes = slopes / (2 * s) if name == "effective_rank" else slopes
    return np.maximum(around(float(value), (squares - v) @ slopes, groups), [-np.inf, 1.0, -np.inf])
