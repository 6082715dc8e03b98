"""`dimension`: how many directions rows spread along, near each of them, at several scales."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from scope_widgets._check_choice import check_choice, checked_count
from scope_widgets._provenance import Provenance
from scope_widgets._result import Result
from scope_widgets._seeds import seed_of
from scope_widgets._types import Array
from scope_widgets.experiments.statistics.half_width import HALF_WIDTH
from scope_widgets.geometry import dimension_estimators as estimators
from scope_widgets.geometry.neighbours import most_neighbours
from scope_widgets.geometry.points import Points, of_other_prompts
from scope_widgets.geometry.prepared_rows import Prepared

if TYPE_CHECKING:
    import pandas as pd

Method = Literal["mle", "twonn", "gride"]
#: neighbours of an estimate where none are asked for
_USUAL = {"mle": 20, "twonn": 2, "gride": 16}
#: neighbours of the curve
_SCALES = {"mle": (5, 10, 20, 40, 80), "twonn": (2,), "gride": (2, 4, 8, 16, 32, 64, 128)}
#: fewest points of the curve over points
_FEWEST = 100
#: half of a 95 % interval in standard errors: two points that are each other's neighbours tell the same, so a sample
#: counts as half of its size
_HALF_WIDTH = HALF_WIDTH * math.sqrt(2)


@dataclass(frozen=True, eq=False, repr=False)
class Dimension(Result):
    """The intrinsic dimension of rows, and how it changes with the scale.

    It is biased downward, the more the higher the dimension and the fewer the rows: the interval is of the sample
    alone. A dimension is to be believed where the curve is flat.

    Attributes
    ----------
    method : str
        "mle", "twonn" or "gride".
    value, low, high : float
        The estimate at `k`, with its 95 % interval.
    k : int
        Neighbours of each row that it is of.
    n : int
        Different rows that it is of.
    duplicates : int
        Rows that are equal to an earlier one, which were taken out.
    d : int
        Width of a row.
    curve_n, curve_k : ndarray of int [scale]
        Rows and neighbours of each point of the curve: first over neighbours, all rows; then over rows, at `k`.
    curve_distance : ndarray [scale]
        Mean distance to the k-th neighbour.
    curve_value, curve_low, curve_high : ndarray [scale]
    provenance : Provenance
    """

    plotted_by: ClassVar[str] = "scope_widgets.plots.geometry:dimension"

    method: Method
    value: float
    low: float
    high: float
    k: int
    n: int
    duplicates: int
    d: int
    curve_n: np.ndarray[Any, np.dtype[np.int64]]
    curve_k: np.ndarray[Any, np.dtype[np.int64]]
    curve_distance: np.ndarray[Any, np.dtype[np.float64]]
    curve_value: np.ndarray[Any, np.dtype[np.float64]]
    curve_low: np.ndarray[Any, np.dtype[np.float64]]
    curve_high: np.ndarray[Any, np.dtype[np.float64]]
    provenance: Provenance

    def __post_init__(self) -> None:
        """Raise ValueError where the parts of the curve are not of one length."""
        curve = (self.curve_n, self.curve_k, self.curve_distance, self.curve_value, self.curve_low, self.curve_high)
        if len({one.shape for one in curve}) > 1 or curve[0].ndim != 1:
            raise ValueError("a curve has a number of rows, neighbours, distance, value and interval a scale")

    def _said(self) -> str:
        scales = self.curve_value[self.curve_n == self.n]
        curve = f", {scales.min():.3g} to {scales.max():.3g} over scales" if len(scales) > 1 else ""
        out = f", {self.duplicates:,} equal ones left out" if self.duplicates else ""
        return (
            f"{self.value:.2f} [{self.low:.2f}, {self.high:.2f}] by {self.method}, k = {self.k}{curve}; "
            f"{self.n:,} rows of width {self.d}{out}"
        )

    def to_dataframe(self) -> pd.DataFrame:
        """Return the curve, a row a scale: method, n, k, distance, value, low, high, chosen."""
        import pandas as pd

        return pd.DataFrame(
            {
                "method": self.method,
                "n": self.curve_n,
                "k": self.curve_k,
                "distance": self.curve_distance,
                "value": self.curve_value,
                "low": self.curve_low,
                "high": self.curve_high,
                "chosen": (self.curve_n == self.n) & (self.curve_k == self.k),
            }
        )


def dimension(
    x: Any,
    *,
    method: Method = "mle",
    k: int | None = None,
    groups: Any = None,
    standardise: bool = False,
    seed: int = 0,
) -> Dimension:
    """Estimate the intrinsic dimension of rows from the distances to their neighbours.

    Rows that are equal to an earlier one are taken out and counted: with them every estimate goes to 0.

    Parameters
    ----------
    x : array or Tensor [row, d], rows of a recording, or Points
    method : str, default "mle"
        "mle": from the distances to `k` neighbours (Levina and Bickel, pooled as MacKay and Ghahramani); "twonn": from
        the first two (Facco et al.), the least biased and the most disturbed by noise; "gride": from neighbours `k / 2`
        and `k` (Denti et al.), for each scale its own.
    k : int, optional
        Neighbours; by default 20 for "mle", 16 for "gride", an even number there; 2 of "twonn" always.
    groups : array of int [row], optional
        Prompts: rows of a group are not each other's neighbours. That of `Points` by default.
    standardise : bool, default False
        Divide each column by its standard deviation first: one that is a hundred times larger than the others hides
        them.
    seed : int, default 0
        Of the parts of the rows that the curve over their number is of.

    Returns
    -------
    Dimension
        Its curve is over neighbours, and over halves, quarters and so on of the rows.

    Raises
    ------
    TypeError, ValueError
        For rows that are no finite numbers, are all equal, fewer than `k` + 1 different ones, or on a grid.

    References
    ----------
    Levina and Bickel 2004; MacKay and Ghahramani 2005; Facco et al. 2017; Denti et al. 2021.

    Examples
    --------
    >>> x = np.random.default_rng(0).standard_normal((1000, 3))
    >>> found = geometry.dimension(x / np.linalg.norm(x, axis=1, keepdims=True))
    >>> round(found.value, 1), found.low < 2 < found.high, found.n
    (2.0, True, 1000)
    """
    check_choice("method", method, Method)
    seed = seed_of(seed)
    k = _checked_k(method, k)
    return dimension_of(Prepared(x, groups=groups, standardise=standardise), method, k, seed)


def dimension_of(rows: Prepared, method: Method, k: int | None = None, seed: int = 0) -> Dimension:
    """Return `dimension` of rows that other measures may share."""
    k = _USUAL[method] if k is None else k
    points, which = rows.different(k + 1, f"k = {k}")
    n = len(points)
    most = max(k, most_neighbours(points))
    scales = sorted({k, *(one for one in _SCALES[method] if one <= most)})
    distances = rows.neighbours(scales[-1])[1]
    found = [_scale(points, method, one, distances) for one in scales]
    for part in _parts(points, k, seed):
        found.append(_scale(part, method, k, rows.neighbours_of_part(part, k, seed)[1]))
    curve = np.array(found, dtype=np.float64).T
    at = scales.index(k)
    return Dimension(
        method=method,
        value=float(curve[3, at]),
        low=float(curve[4, at]),
        high=float(curve[5, at]),
        k=k,
        n=n,
        duplicates=len(which) - n,
        d=points.x.shape[1],
        curve_n=curve[0].astype(np.int64),
        curve_k=curve[1].astype(np.int64),
        curve_distance=curve[2],
        curve_value=curve[3],
        curve_low=curve[4],
        curve_high=curve[5],
        provenance=replace(of_other_prompts(points).provenance, seed=seed),
    )


def _checked_k(method: Method, k: int | None) -> int:
    found = _USUAL[method] if k is None else checked_count("k", k)
    if method == "twonn" and found != 2:
        raise ValueError(f'method="twonn" is of the first two neighbours; got k = {found}: leave it out.')
    if found < 2 + (method == "mle") or (method == "gride" and found % 2):
        expected = "a whole number from 3" if method == "mle" else "an even number from 2"
        raise ValueError(f'k= of method="{method}" is {expected}; got {found}.')
    return found


def highest_by_twonn(points: Points, distances: Array) -> float:
    """Return the upper end of the interval of the dimension by "twonn", from two distances a row at least."""
    return _scale(points, "twonn", 2, distances)[-1]


def _parts(points: Points, k: int, seed: int) -> list[Points]:
    """Return a half of the rows, a quarter, and so on, each within the one before; of groups those that have enough."""
    order = np.random.default_rng(seed).permutation(len(points))
    sizes, n = [], len(points) // 2
    while n >= max(_FEWEST, 2 * k):
        sizes.append(n)
        n //= 2
    parts = [points.taken(np.sort(order[:size])) for size in sizes]
    return [one for one in parts if most_neighbours(one) >= k]


def _scale(points: Points, method: Method, k: int, distances: Array) -> tuple[float, ...]:
    """Return n, k, distance, value, low and high."""
    if not distances[:, 0].all():
        raise ValueError("Two rows differ by so little that the square of it is 0 in float64: multiply x by a number.")
    rounding = estimators.rounding_of(points.x, distances[:, :k])
    of: dict[str, Callable[[], tuple[float, float]]] = {
        "mle": lambda: estimators.mle(distances, k, rounding),
        "twonn": lambda: estimators.twonn(distances, rounding),
        "gride": lambda: estimators.gride(distances, k, rounding),
    }
    value, error = of[method]()
    half = _HALF_WIDTH * error
    return len(points), k, float(distances[:, k - 1].mean()), value, max(0.0, value - half), value + half
