"""`curvature`: whether rows lie on something curved, and how much, or that it cannot be told."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from scope_widgets._check_choice import checked_count
from scope_widgets._provenance import Provenance
from scope_widgets._result import Result
from scope_widgets._seeds import seed_of
from scope_widgets._types import Array
from scope_widgets.experiments.statistics.half_width import HALF_WIDTH
from scope_widgets.geometry.dimension import highest_by_twonn
from scope_widgets.geometry.local_curvature import LEAST_GAP, MOST_WITHIN, Local, local_curvature
from scope_widgets.geometry.neighbours import most_neighbours
from scope_widgets.geometry.points import of_other_prompts
from scope_widgets.geometry.prepared_rows import Prepared

if TYPE_CHECKING:
    import pandas as pd

Verdict = Literal["curved", "flat", "undetermined"]
#: neighbours that are tried, up to the first at which the tangent stands out
SCALES = (80, 160, 320)
#: mean curvature times radius, and z, that "curved" needs
LEAST_RELATIVE, LEAST_Z = 0.1, 10.0
#: z of more than noise alone: with a curvature that is not small nothing is called flat from here on
MOST_Z_OF_FLAT = 3.0
_DRAWS = 50


@dataclass(frozen=True, eq=False, repr=False)
class Curvature(Result):
    """Mean curvature of what rows lie on, and a verdict.

    Attributes
    ----------
    verdict : str
        "curved": the tangent stands out, and mean curvature times radius is .1 at least with z of 10 at least. "flat":
        the tangent stands out, and it is less than .1 or z less than 3; a surface whose principal curvatures cancel (a
        helicoid) has no mean curvature. "undetermined": .1 at least with z from 3 to 10; or no tangent stands out, or
        one in which the variance falls more than 2.5 times at once, or of more directions than the dimension from the
        first two neighbours allows: curved within a neighbourhood, such rows would look flat.
    why : str
        A sentence that says what it rests on, or what to do.
    value, low, high : float
        Root mean square of the mean curvature, in 1 / units of x, with its 95 % interval: 1 / r of a sphere. NaN where
        undetermined.
    relative : float
        `value` times the radius: no units.
    z : float
        Of the square beside `null` (standard deviations).
    radius : float
        Root mean square distance of the rows from their mean.
    k, d : int
        Neighbours, and directions of the tangent.
    gap : float
        Variance of the last direction of the tangent over that of the next one.
    n, duplicates, centres : int
        Different rows, equal ones that were taken out, rows whose neighbourhoods were looked at.
    scale_k, scale_d : ndarray of int [scale]
        All k that were tried.
    scale_gap, scale_value, scale_z : ndarray [scale]
    provenance : Provenance
    """

    verdict: Verdict
    why: str
    value: float
    low: float
    high: float
    relative: float
    z: float
    radius: float
    k: int
    d: int
    gap: float
    n: int
    duplicates: int
    centres: int
    scale_k: np.ndarray[Any, np.dtype[np.int64]]
    scale_d: np.ndarray[Any, np.dtype[np.int64]]
    scale_gap: np.ndarray[Any, np.dtype[np.float64]]
    scale_value: np.ndarray[Any, np.dtype[np.float64]]
    scale_z: np.ndarray[Any, np.dtype[np.float64]]
    provenance: Provenance

    def __post_init__(self) -> None:
        """Raise ValueError where the scales are not of one length."""
        scales = (self.scale_k, self.scale_d, self.scale_gap, self.scale_value, self.scale_z)
        if len({one.shape for one in scales}) > 1 or scales[0].ndim != 1:
            raise ValueError("a curvature has k, d, gap, value and z of each scale")

    def _said(self) -> str:
        return f"{self.verdict}: {self.why} {self.n:,} rows"

    def to_dataframe(self) -> pd.DataFrame:
        """Return a row a scale: k, d, gap, value, relative, z, chosen, verdict."""
        import pandas as pd

        return pd.DataFrame(
            {
                "k": self.scale_k,
                "d": self.scale_d,
                "gap": self.scale_gap,
                "value": self.scale_value,
                "relative": self.scale_value * self.radius,
                "z": self.scale_z,
                "chosen": self.scale_k == self.k,
                "verdict": self.verdict,
            }
        )


def curvature(
    x: Any,
    *,
    k: int | None = None,
    d: int | None = None,
    centres: int = 500,
    groups: Any = None,
    standardise: bool = False,
    seed: int = 0,
) -> Curvature:
    """Decide whether rows lie on something curved, where that can be told.

    The neighbours of a row are centred, their first principal directions are the tangent, and what is left is regressed
    on half the squared distance along it: the slope is the mean-curvature vector. Its square is the product of those of
    two halves of the neighbours, which noise does not bias; the null has distances permuted.

    Parameters
    ----------
    x : array or Tensor [row, d], rows of a recording, or Points
    k : int, optional
        Neighbours, from 8; by default the first of 80, 160 and 320 at which the variance falls to a tenth or less
        after the tangent.
    d : int, optional
        Directions of the tangent; by default those before that fall.
    centres : int, default 500
        Rows whose neighbourhoods are looked at, drawn at random.
    groups : array of int [row], optional
        Prompts: rows of a group are not each other's neighbours. That of `Points` by default.
    standardise : bool, default False
        Divide each column by its standard deviation first.
    seed : int, default 0

    Returns
    -------
    Curvature

    Raises
    ------
    TypeError, ValueError
        For rows that are no finite numbers, are all equal, or too few.

    Examples
    --------
    >>> x = np.random.default_rng(0).standard_normal((1000, 3))
    >>> on_a_sphere = 5 * x / np.linalg.norm(x, axis=1, keepdims=True)
    >>> found = geometry.curvature(on_a_sphere)
    >>> found.verdict, round(found.value, 1)
    ('curved', 0.2)
    >>> geometry.curvature(x[:, :2]).verdict
    'flat'
    """
    seed, centres = seed_of(seed), checked_count("centres", centres)
    d = None if d is None else checked_count("d", d)
    if k is not None and checked_count("k", k) < 8:
        raise ValueError(f"k= is a whole number from 8; got {k}: fewer neighbours show no curvature.")
    return curvature_of(Prepared(x, groups=groups, standardise=standardise), k, d, centres, seed)


def curvature_of(
    rows: Prepared, k: int | None = None, d: int | None = None, centres: int = 500, seed: int = 0
) -> Curvature:
    """Return `curvature` of rows that other measures may share."""
    least = SCALES[0] if k is None else k
    points, which = rows.different(least + 1, f"k = {least}")
    n = len(points)
    chosen = np.random.default_rng(seed).choice(n, min(n, centres), replace=False)
    # directions of a tangent, at most; one that was asked for may have any number
    most = None if d is not None else highest_by_twonn(points, rows.neighbours(least)[1])
    tried: list[tuple[int, Local]] = []
    for scale in SCALES if k is None else (k,):
        if tried and scale > most_neighbours(points):
            break
        near, _ = rows.neighbours(scale)
        tried.append((scale, local_curvature(points.x, near[chosen], d, most, _DRAWS, seed)))
        if tried[-1][1].stands_out(most):
            break
        # among more neighbours these may be filled, which is no tangent
        if most is not None and tried[-1][1].within > MOST_WITHIN:
            most = min(most, tried[-1][1].within_at)
    radius = float(np.sqrt(((points.x - points.x.mean(0, dtype=np.float64)) ** 2).sum(1).mean()))
    values = [math.sqrt(max(0.0, float(one.squared.mean()))) for _, one in tried]
    zs = [_z(one) for _, one in tried]
    scale, found = tried[-1]
    verdict, why = _verdict(found, scale, values[-1] * radius, zs[-1], most)
    known = verdict != "undetermined"
    low, high = _interval(found.squared, n / scale)
    return Curvature(
        verdict=verdict,
        why=why,
        value=values[-1] if known else math.nan,
        low=low if known else math.nan,
        high=high if known else math.nan,
        relative=values[-1] * radius if known else math.nan,
        z=zs[-1],
        radius=radius,
        k=scale,
        d=found.d,
        gap=found.gap,
        n=n,
        duplicates=len(which) - n,
        centres=len(found.squared),
        scale_k=np.array([one for one, _ in tried]),
        scale_d=np.array([one.d for _, one in tried]),
        scale_gap=np.array([one.gap for _, one in tried]),
        scale_value=np.array(values),
        scale_z=np.array(zs),
        provenance=replace(of_other_prompts(points).provenance, seed=seed),
    )


def _z(found: Local) -> float:
    spread = float(found.null.std(ddof=1))
    return (float(found.squared.mean()) - float(found.null.mean())) / spread if spread > 0 else 0.0


def _interval(squared: Array, n_apart: float) -> tuple[float, float]:
    """Return the interval of the root of the mean: neighbourhoods that overlap count as those that lie side by side."""
    n = max(2.0, min(len(squared), n_apart))
    half = HALF_WIDTH * float(squared.std()) / math.sqrt(n)
    mean = float(squared.mean())
    return math.sqrt(max(0.0, mean - half)), math.sqrt(max(0.0, mean + half))


def _verdict(found: Local, k: int, relative: float, z: float, most: float | None) -> tuple[Verdict, str]:
    if found.gap < LEAST_GAP:
        return "undetermined", (
            f"no tangent stands out of {k} neighbours: variance falls {found.gap:.3g} times after {found.d} directions,"
            f" and {LEAST_GAP:g} is needed. Raise k= where there is noise, give more rows where they bend so soon."
        )
    if not found.stands_out(most):
        dimension_said = "" if most is None else f", and fewer neighbours tell of {most:.3g} at most"
        return "undetermined", (
            f"{k} neighbours fill {found.d} directions, along which the variance falls {found.within:.3g} times at once"
            f"{dimension_said} (z {z:.3g}): rows bend within a neighbourhood, noise fills it, or some directions are "
            "thin. Give more rows, raise k=, or standardise."
        )
    said = f"mean curvature times radius is {relative:.3g}, z {z:.3g}, d = {found.d}, k = {k}."
    if relative < LEAST_RELATIVE or z < MOST_Z_OF_FLAT:
        return "flat", said
    if z < LEAST_Z:
        return "undetermined", f"{said} Noise may have made as much: z of {LEAST_Z:g} is needed. Raise k=."
    return "curved", said
