"""`summarise`: the geometry of each layer of a recording."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import numpy as np

from scope_widgets._check_choice import is_whole
from scope_widgets._partial_result import result_or_interrupt
from scope_widgets._progress import tqdm
from scope_widgets._provenance import Provenance
from scope_widgets._result import Result
from scope_widgets._types import Array
from scope_widgets.experiments.same_model import is_same_model
from scope_widgets.geometry.clusters import Clusters, clusters_of
from scope_widgets.geometry.curvature import SCALES, Curvature, curvature_of
from scope_widgets.geometry.dimension import Dimension, dimension_of
from scope_widgets.geometry.points import Points
from scope_widgets.geometry.prepared_rows import Prepared
from scope_widgets.geometry.project import Projection, project_of
from scope_widgets.geometry.recorded_points import Recorded, Tokens, points
from scope_widgets.geometry.spectrum import Spectrum, spectrum_of
from scope_widgets.geometry.statistics import ActivationStatistics, statistics
from scope_widgets.models.microscope import Microscope

if TYPE_CHECKING:
    import pandas as pd

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class LayerGeometry:
    """The geometry of one layer; None where rows do not suffice, `problems` says why.

    Attributes
    ----------
    layer : int
    mle, twonn, gride : Dimension or None
    spectrum : Spectrum or None
    curvature : Curvature or None
    clusters : Clusters or None
    projection : Projection or None
        By PCA.
    statistics : ActivationStatistics or None
    problems : dict of str to str
        Of each that is missing a sentence.
    """

    layer: int
    mle: Dimension | None
    twonn: Dimension | None
    gride: Dimension | None
    spectrum: Spectrum | None
    curvature: Curvature | None
    clusters: Clusters | None
    projection: Projection | None
    statistics: ActivationStatistics | None
    problems: dict[str, str]


@dataclass(frozen=True, eq=False, repr=False)
class GeometrySummary(Result):
    """The geometry of each layer of a recording.

    Attributes
    ----------
    layers : tuple of LayerGeometry
    provenance : Provenance
    """

    plotted_by: ClassVar[str] = "scope_widgets.plots.geometry:geometry_summary"

    layers: tuple[LayerGeometry, ...]
    provenance: Provenance

    @property
    def value(self) -> Array:
        """Dimension by "mle" [layer], NaN where there is none."""
        return self._of_mle("value")

    @property
    def low(self) -> Array:
        """Lower ends of the intervals [layer]."""
        return self._of_mle("low")

    @property
    def high(self) -> Array:
        """Upper ends of the intervals [layer]."""
        return self._of_mle("high")

    def _of_mle(self, name: str) -> Array:
        return np.array([np.nan if one.mle is None else getattr(one.mle, name) for one in self.layers])

    def __getitem__(self, layer: int) -> LayerGeometry:
        """Return the geometry of a layer by its number."""
        for one in self.layers:
            if one.layer == layer:
                return one
        have = ", ".join(str(one.layer) for one in self.layers)
        raise KeyError(f"Layer {layer!r} is not in this summary; there are {have}.")

    def _said(self) -> str:
        dimensions = ", ".join(
            f"{one.layer}: {'none' if one.mle is None else f'{one.mle.value:.1f}'}" for one in self.layers
        )
        return f"dimension by mle of layer {dimensions}"

    def to_dataframe(self) -> pd.DataFrame:
        """Return a row a layer and measure: layer, measure, value, low, high, said (its repr, or why there is none)."""
        import pandas as pd

        rows: list[tuple[Any, ...]] = []
        for one in self.layers:
            for name, found in _results(one).items():
                if found is None:
                    rows.append((one.layer, name, np.nan, np.nan, np.nan, one.problems.get(name, "")))
                else:
                    rows.append((one.layer, name, found.value, found.low, found.high, found._said()))
        return pd.DataFrame(rows, columns=["layer", "measure", "value", "low", "high", "said"])


def summarise(
    scope: Microscope,
    rec: Recorded,
    *,
    layers: Sequence[int] | int | None = None,
    tokens: Tokens = "other prompts",
    n: int = 10_000,
    standardise: bool = False,
    seed: int = 0,
    progress: bool = True,
) -> GeometrySummary:
    """Measure the geometry of each layer of a recording: everything that this room has.

    Parameters
    ----------
    scope : Microscope
        The model that was recorded.
    rec : Recording
    layers : int or sequence of int, optional
        Those of the recording by default.
    tokens : str, default "other prompts"
        See `geometry.points`.
    n : int, default 10000
        Rows of a layer at most.
    standardise : bool, default False
        Divide each column by its standard deviation first, but for the statistics.
    seed : int, default 0
    progress : bool, default True
        Show a bar of layers.

    Returns
    -------
    GeometrySummary
        What cannot be measured of a layer is missing, with a sentence in its place.

    Raises
    ------
    ValueError
        For a recording of another model, and layers that were not recorded.

    Examples
    --------
    >>> texts = [f"{name} gave {other} a book" for name in ("Mary", "John") for other in ("Tom", "Anna")]
    >>> rec = features.record(scope, texts, layers=[1, 2], folder=folder)
    >>> found = geometry.summarise(scope, rec, progress=False)
    >>> [one.layer for one in found.layers], found[2].spectrum.n, found[2].mle is None
    ([1, 2], 16, True)
    """
    if not is_same_model(rec.manifest.model, scope.model_id):
        raise ValueError(
            f"This recording is of {rec.manifest.model!r} and the scope of {scope.model_id!r}: give one of this model."
        )
    chosen = list(rec.layers) if layers is None else [layers] if is_whole(layers) else list(layers)  # type: ignore[arg-type]
    if missing := [one for one in chosen if one not in rec.layers]:
        raise ValueError(f"Layer {missing[0]!r} was not recorded; there are {', '.join(map(str, rec.layers))}.")
    found: list[LayerGeometry] = []
    note = ""
    try:
        for layer in tqdm(chosen, unit=" layers", disable=not progress, leave=False):
            found.append(_of_layer(points(rec, layer, tokens=tokens, n=n, seed=seed), layer, standardise, seed))
    except KeyboardInterrupt:
        note = f"Stopped after {len(found)} of {len(chosen)} layers."
    about = f"{rec.manifest.site}, tokens: {tokens}, {n:,} rows a layer at most"
    provenance = Provenance(scope.model_id, scope.revision, seed=seed, note=f"{about}. {note}".strip())
    return result_or_interrupt(GeometrySummary(tuple(found), provenance), note)


def _of_layer(rows: Points, layer: int, standardise: bool, seed: int) -> LayerGeometry:
    problems: dict[str, str] = {}
    shared = Prepared(rows, standardise=standardise, most=SCALES[-1])

    def tried(name: str, measure: Callable[[], T]) -> T | None:
        try:
            return measure()
        except ValueError as error:
            problems[name] = str(error)
            return None

    return LayerGeometry(
        layer=layer,
        mle=tried("mle", lambda: dimension_of(shared, "mle", seed=seed)),
        twonn=tried("twonn", lambda: dimension_of(shared, "twonn", seed=seed)),
        gride=tried("gride", lambda: dimension_of(shared, "gride", seed=seed)),
        spectrum=tried("spectrum", lambda: spectrum_of(shared)),
        curvature=tried("curvature", lambda: curvature_of(shared, seed=seed)),
        clusters=tried("clusters", lambda: clusters_of(shared, seed=seed)),
        projection=tried("projection", lambda: project_of(shared, seed=seed)),
        statistics=tried("statistics", lambda: statistics(rows)),
        problems=problems,
    )


def _results(one: LayerGeometry) -> dict[str, Any]:
    names = ("mle", "twonn", "gride", "spectrum", "curvature", "clusters", "projection", "statistics")
    return {name: getattr(one, name) for name in names}
