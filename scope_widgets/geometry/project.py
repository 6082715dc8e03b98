"""`project`: rows in two or three dimensions, with how well their neighbours are kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
import torch

from scope_widgets._check_choice import check_choice, checked_count
from scope_widgets._provenance import Provenance
from scope_widgets._reproducing_calls import python_call
from scope_widgets._result import Result
from scope_widgets._seeds import seed_of
from scope_widgets._types import Array
from scope_widgets.geometry.intervals import mean_with_interval
from scope_widgets.geometry.neighbour_preservation import overlap, trust
from scope_widgets.geometry.points import Points
from scope_widgets.geometry.prepared_rows import Prepared

if TYPE_CHECKING:
    import pandas as pd

ProjectionMethod = Literal["pca", "umap", "tsne"]
#: principal components that t-SNE and UMAP are given, at most
_COMPONENTS = 50


@dataclass(frozen=True, eq=False, repr=False)
class Projection(Result):
    """Rows in few dimensions.

    Attributes
    ----------
    method : str
        "pca", "umap" or "tsne".
    coordinates : ndarray [row, component]
    rows : ndarray of int [row]
        Numbers of the rows in what was given, or in the recording.
    value, low, high : float
        Share of the `k` nearest rows that are among the `k` nearest in the projection too, mean over different rows,
        with its 95 % interval.
    chance : float
        What that is of points at random: k / (n - 1), n the different rows.
    trustworthiness, continuity : float
        1 less what those rows count that are near only in the projection, or only in truth (Venna and Kaski 2001).
    k : int
    explained : ndarray [component]
        Share of the variance of each component; NaN but for "pca".
    norms : ndarray [row]
        Of the rows as they were given.
    provenance : Provenance
    layer, samples, positions, texts
        Those of `Points`, where the rows were such.
    duplicates : int
        Rows that are equal to an earlier one: they have coordinates, and count for no neighbour.
    """

    view: ClassVar[str] = "scope_widgets.widgets:ProjectionView"
    plotted_by: ClassVar[str] = "scope_widgets.plots.geometry:projected"

    method: ProjectionMethod
    coordinates: np.ndarray[Any, np.dtype[np.float64]]
    rows: np.ndarray[Any, np.dtype[np.int64]]
    value: float
    low: float
    high: float
    chance: float
    trustworthiness: float
    continuity: float
    k: int
    explained: np.ndarray[Any, np.dtype[np.float64]]
    norms: np.ndarray[Any, np.dtype[np.float64]]
    provenance: Provenance
    layer: int | None = None
    samples: np.ndarray[Any, np.dtype[np.int64]] | None = None
    positions: np.ndarray[Any, np.dtype[np.int64]] | None = None
    texts: tuple[tuple[str, ...], ...] = ()
    duplicates: int = 0

    def __post_init__(self) -> None:
        """Raise ValueError where the parts do not go together."""
        shape = (len(self.rows), len(self.explained))
        if self.rows.ndim != 1 or self.coordinates.shape != shape:
            raise ValueError(f"coordinates of shape {self.coordinates.shape} are none of {shape} rows and components")
        if any(one is not None and one.shape != self.rows.shape for one in (self.norms, self.samples, self.positions)):
            raise ValueError("a projection has a norm, a sample and a position a row")
        if self.texts and (self.samples is None or self.positions is None):
            raise ValueError("texts need the sample and the position of each row")

    def _said(self) -> str:
        held = f", {np.nansum(self.explained):.0%} of the variance" if self.method == "pca" else ""
        return (
            f"{self.method} of {len(self.rows):,} rows{held}: {self.value:.0%} of {self.k} neighbours kept (chance "
            f"{self.chance:.1%}), trustworthiness {self.trustworthiness:.3f}, continuity {self.continuity:.3f}"
        )

    def to_dataframe(self) -> pd.DataFrame:
        """Return a row a point: row, x, y (and z), norm, and sample, position and token where they are known."""
        import pandas as pd

        names = ("x", "y", "z")
        columns = {**dict(zip(names, self.coordinates.T, strict=False)), "norm": self.norms}
        if self.samples is not None and self.positions is not None:
            columns |= {"sample": self.samples, "position": self.positions}
        if self.texts:
            columns["token"] = self.tokens()
        return pd.DataFrame({"row": self.rows, **columns})

    def tokens(self) -> list[str]:
        """Return the token of each row; none where they are not known."""
        if not self.texts or self.samples is None or self.positions is None:
            return []
        places = zip(self.samples.tolist(), self.positions.tolist(), strict=True)
        return [self.texts[sample][position] for sample, position in places]


def project(
    x: Any,
    method: ProjectionMethod = "pca",
    *,
    n: int = 2,
    k: int = 10,
    neighbours: int = 15,
    perplexity: float = 30.0,
    standardise: bool = False,
    seed: int = 0,
) -> Projection:
    """Put rows into two or three dimensions, and measure how well their neighbours are kept.

    t-SNE and UMAP are of the first 50 principal components; distances between groups in them mean little, and their
    coordinates differ between machines. Those of PCA do not.

    Parameters
    ----------
    x : array or Tensor [row, d], rows of a recording, or Points
    method : str, default "pca"
        "pca", "umap" or "tsne"; the last two need the extra `projection`.
    n : int, default 2
        Dimensions: 2 or 3.
    k : int, default 10
        Neighbours that are looked for in the projection; fewer than half of the rows.
    neighbours : int, default 15
        Of UMAP.
    perplexity : float, default 30.0
        Of t-SNE; less than a third of the rows.
    standardise : bool, default False
        Divide each column by its standard deviation first.
    seed : int, default 0

    Returns
    -------
    Projection

    Raises
    ------
    TypeError, ValueError
        For rows that are no finite numbers, are all equal or too few.
    ImportError
        Without scikit-learn or umap-learn.

    References
    ----------
    Venna and Kaski 2001; van der Maaten and Hinton 2008 (t-SNE); McInnes et al. 2018 (UMAP).

    Examples
    --------
    >>> x = np.random.default_rng(0).standard_normal((200, 5)) * [9, 3, 1, 0.1, 0.1]
    >>> found = geometry.project(x)
    >>> found.coordinates.shape, found.value > found.chance, bool(found.explained.sum() > 0.9)
    ((200, 2), True, True)
    """
    check_choice("method", method, ProjectionMethod)
    seed, k = seed_of(seed), checked_count("k", k)
    if checked_count("n", n) not in (2, 3):
        raise ValueError(f"n= is 2 or 3 dimensions; got {n}.")
    named = "points" if isinstance(x, Points) else "x"
    return project_of(Prepared(x, standardise=standardise), method, n, k, neighbours, perplexity, seed, named=named)


def project_of(
    rows: Prepared,
    method: ProjectionMethod = "pca",
    n: int = 2,
    k: int = 10,
    neighbours: int = 15,
    perplexity: float = 30.0,
    seed: int = 0,
    *,
    named: str = "points",
) -> Projection:
    """Return `project` of rows that other measures may share; `named` is what its call says of them."""
    points = rows.points
    different, which = rows.different(2, "a projection")
    n_different = len(different)
    if k >= n_different / 2:
        said = "rows" if n_different == len(points) else "different rows"
        raise ValueError(f"k= is less than half of the {n_different:,} {said}; got {k}: give more, or a smaller k=.")
    variances, directions, centred = rows.principal
    scores = (centred @ torch.from_numpy(directions[: _COMPONENTS if method != "pca" else n].T.copy())).numpy()
    explained = np.full(n, np.nan)
    if method == "pca":
        coordinates = np.zeros((len(points), n))
        coordinates[:, : scores.shape[1]] = scores
        explained = np.append(variances, np.zeros(n))[:n] / variances.sum()
    elif method == "tsne":
        coordinates = _tsne(scores, n, perplexity, seed)
    else:
        coordinates = _umap(scores, n, checked_count("neighbours", neighbours), seed)
    options = {"neighbours": neighbours, "perplexity": perplexity, "standardise": rows.standardised, "seed": seed}
    call = python_call("geometry.project", named, method=method, n=n, k=k, **options)
    # between equal rows rounding alone decides which is nearer
    of_different = coordinates[np.unique(which, return_index=True)[1]]
    value, low, high = mean_with_interval(overlap(different.x, of_different, k), different.groups)
    trustworthiness, continuity = trust(different.x, of_different, k, seed)
    return Projection(
        method=method,
        coordinates=coordinates,
        rows=points.rows,
        value=value,
        low=max(0.0, low),
        high=min(1.0, high),
        chance=k / (n_different - 1),
        trustworthiness=trustworthiness,
        continuity=continuity,
        k=k,
        explained=explained,
        norms=np.linalg.norm(rows.given.x.astype(np.float64), axis=1),
        provenance=points.provenance.then(call, seed=seed),
        layer=points.layer,
        samples=points.samples,
        positions=points.positions,
        texts=points.texts,
        duplicates=len(points) - n_different,
    )


def _tsne(scores: Array, n: int, perplexity: float, seed: int) -> Array:
    try:
        from sklearn.manifold import TSNE
    except ImportError:
        raise ImportError(
            't-SNE needs scikit-learn: pip install "scope-widgets[projection]", or take method="pca".'
        ) from None
    if not 1 <= perplexity < (len(scores) - 1) / 3:
        raise ValueError(
            f"perplexity= is from 1 to less than a third of the {len(scores):,} rows; got {perplexity}: give more "
            "rows, or a smaller one."
        )
    made = TSNE(n, perplexity=perplexity, init="pca", random_state=seed % 2**32)
    return np.asarray(made.fit_transform(scores), dtype=np.float64)


def _umap(scores: Array, n: int, neighbours: int, seed: int) -> Array:
    try:
        from umap import UMAP
    except ImportError:
        raise ImportError(
            'UMAP needs umap-learn: pip install "scope-widgets[projection]", or take method="pca".'
        ) from None
    if not 2 <= neighbours < len(scores):
        raise ValueError(f"neighbours= is from 2 to less than the {len(scores):,} rows; got {neighbours}.")
    made = UMAP(n_neighbors=neighbours, n_components=n, random_state=seed % 2**32, n_jobs=1)
    return np.asarray(made.fit_transform(scores), dtype=np.float64)
