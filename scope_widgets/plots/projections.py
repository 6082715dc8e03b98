"""Points in two or three dimensions, such as projections of activations by PCA, UMAP or t-SNE, and several of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from scope_widgets._provenance import Provenance
from scope_widgets._types import Array
from scope_widgets.plots.drawing.labels import counted, literal, shortened, token_labels
from scope_widgets.plots.drawing.maps import colour_axis, limits_of
from scope_widgets.plots.drawing.theme import SYMBOLS, Theme, ThemeName, new_figure, panels, theme_of

#: more points than this are drawn by WebGL
_MANY = 10_000
#: kinds that are told apart by hue and shape; the rest is "other"
_MOST_KINDS = 24


def projection(
    points: Array,
    *,
    labels: Sequence[str] | None = None,
    colours: Sequence[str] | Array | None = None,
    title: str = "Projection",
    colour_name: str = "",
    axes: Sequence[str] = (),
    provenance: Provenance | None = None,
    theme: ThemeName = "light",
) -> go.Figure:
    """Plot points of a projection, such as PCA, UMAP or t-SNE of activations.

    Parameters
    ----------
    points : ndarray [point, 2] or [point, 3]
    labels : sequence of str [point], optional
        What the hover says of each, such as its token.
    colours : sequence of str or of number [point], optional
        Texts are kinds, with a hue and a shape each (of more than 24 the rarest are "other"); numbers are a scale,
        signed where some are below 0.
    title : str, default "Projection"
    colour_name : str, default ""
        What the colours are, with its unit.
    axes : sequence of str, default ()
        Names of the axes, such as "PC 1 (31 %)"; axes of UMAP and t-SNE have no unit, and without names are not named.
    provenance : Provenance, optional
    theme : {"light", "dark"}, default "light"

    Returns
    -------
    plotly.graph_objects.Figure
        More than 10,000 points are drawn by WebGL.

    Raises
    ------
    ValueError
        For points of another shape, or labels or colours of another number.

    Examples
    --------
    >>> points = np.random.default_rng(0).normal(size=(6, 2))
    >>> figure = plots.projection(points, labels=list("abcdef"), colours=["noun", "verb"] * 3)
    >>> [one.name for one in figure.data]
    ['noun', 'verb']
    """
    points = _checked(points, labels, colours)
    shades = theme_of(theme)
    said = counted(len(points), "point")
    prompts = f"; {len(provenance.prompts):,} prompts" if provenance is not None and len(provenance.prompts) > 1 else ""
    figure = new_figure(shades, literal(title), provenance, height=520, said=said + prompts)
    _add_points(figure, shades, points, labels, colours, colour_name)
    names = [literal(one) for one in axes] or [""] * points.shape[1]
    if points.shape[1] == 3:
        look = {"backgroundcolor": shades.ground, "gridcolor": shades.grid, "zerolinecolor": shades.line}
        scene = {f"{of}axis": {**look, "title": {"text": name}} for of, name in zip("xyz", names, strict=False)}
        figure.update_layout(scene={**scene, "aspectmode": "data"})
        return figure
    figure.update_xaxes(title_text=names[0], zeroline=False)
    figure.update_yaxes(title_text=names[1] if len(names) > 1 else "", zeroline=False, scaleanchor="x")
    return figure


def spaces(
    projections: Mapping[str, Array],
    *,
    labels: Sequence[str] | None = None,
    colours: Sequence[str] | Array | None = None,
    title: str = "Spaces",
    colour_name: str = "",
    provenance: Provenance | None = None,
    theme: ThemeName = "light",
) -> go.Figure:
    """Plot the same points in several spaces beside each other, such as layers, methods or models.

    Parameters
    ----------
    projections : mapping of name to ndarray [point, 2]
        The same points in each, in one order.
    labels : sequence of str [point], optional
    colours : sequence of str or of number [point], optional
        As of `projection`.
    title : str, default "Spaces"
    colour_name : str, default ""
    provenance : Provenance, optional
    theme : {"light", "dark"}, default "light"

    Returns
    -------
    plotly.graph_objects.Figure
        A panel a space, each on axes of its own: distances of two spaces cannot be compared.

    Raises
    ------
    ValueError
        For no spaces, or spaces of other numbers of points.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> figure = plots.spaces({"layer 0": rng.normal(size=(6, 2)), "layer 3": rng.normal(size=(6, 2))})
    >>> len(figure.data)
    2
    """
    checked = {name: _checked(points, labels, colours) for name, points in projections.items()}
    if {one.shape for one in checked.values()} != {next(iter(checked.values()), np.empty((0, 0))).shape} or any(
        one.shape[1] != 2 for one in checked.values()
    ):
        sizes = ", ".join(f"{shortened(name)} {list(one.shape)}" for name, one in checked.items())
        raise ValueError(f"Spaces are [point, 2] of the same points each; got {sizes or 'none'}.")
    shades, cols = theme_of(theme), min(3, len(checked))
    rows = -(-len(checked) // cols)
    figure = new_figure(
        shades,
        literal(title),
        provenance,
        height=120 + 300 * rows,
        said=f"{counted(len(next(iter(checked.values()))), 'point')}; distances of two panels cannot be compared",
        into=panels(shades, rows, cols, [shortened(name) for name in checked], across=0.06, down=0.24 / (rows + 1)),
    )
    for at, points in enumerate(checked.values()):
        where = {"row": at // cols + 1, "col": at % cols + 1}
        _add_points(figure, shades, points, labels, colours, colour_name, first=at == 0, **where)
        axis = {"showticklabels": False, "zeroline": False, "showline": True, "mirror": True}
        figure.update_xaxes(**axis, **where)
        number = at + 1 if at else ""
        figure.update_yaxes(**axis, scaleanchor=f"x{number}", **where)
    return figure


def _checked(points: Array, labels: Any, colours: Any) -> Array:
    points = np.asarray(points)
    if points.ndim != 2 or points.shape[1] not in (2, 3) or points.dtype.kind not in "fiu":
        raise ValueError(f"Points are numbers of shape [point, 2] or [point, 3]; got {list(np.shape(points))}.")
    for name, given in (("labels", labels), ("colours", colours)):
        if given is not None and len(given) != len(points):
            raise ValueError(f"{name}= has one for each point: there are {len(points):,} points, not {len(given):,}.")
    return points


def _add_points(
    figure: go.Figure,
    theme: Theme,
    points: Array,
    labels: Sequence[str] | None,
    colours: Sequence[str] | Array | None,
    colour_name: str,
    *,
    first: bool = True,
    **where: int,
) -> None:
    said = token_labels(map(str, labels)) if labels is not None else [f"point {at}" for at in range(len(points))]
    axis, kinds = None, np.zeros(len(points), dtype=int)
    names = [""]
    values = None if colours is None else np.asarray(colours)
    if values is not None and values.dtype.kind in "fiub":
        values = values.astype(float)
        signed = bool((values < 0).any())
        axis = colour_axis(figure, theme, limits_of(values, signed=signed), literal(colour_name), signed=signed)
        said = [
            f"{text}<br>{literal(colour_name) or 'value'} {value:.4g}" for text, value in zip(said, values, strict=True)
        ]
    elif values is not None:
        texts = [str(one) for one in values.tolist()]
        counts = dict.fromkeys(texts, 0)
        for one in texts:
            counts[one] += 1
        common = sorted(counts, key=lambda one: -counts[one])[:_MOST_KINDS]
        names = [one for one in counts if one in set(common)]
        place = {one: at for at, one in enumerate(names)}
        names += ["other"] if len(counts) > len(names) else []
        kinds = np.array([place.get(one, len(names) - 1) for one in texts])
        said = [f"{text}<br>{shortened(one)}" for text, one in zip(said, texts, strict=True)]
    size = float(np.clip(260 / np.sqrt(max(1, len(points))), 3, 9))
    for at, name in enumerate(names):
        rows = np.flatnonzero(kinds == at)
        marker: dict[str, Any] = {"size": size, "opacity": 0.8, "line": {"width": 0}}
        if axis is not None and values is not None:
            marker |= {"color": values, "coloraxis": axis, "line": {"width": 0.4, "color": theme.dim}}
        else:
            hue = theme.hues[at % len(theme.hues)] if name != "other" else theme.dim
            marker |= {"color": hue, "symbol": SYMBOLS[(at + at // len(theme.hues)) % len(SYMBOLS)]}
        options = {
            "mode": "markers",
            "marker": marker,
            "name": shortened(name),
            "legendgroup": str(at),
            "showlegend": first and bool(name),
            "hovertext": [said[row] for row in rows],
            "hoverinfo": "text",
            "customdata": rows,
        }
        x, y = points[rows, 0], points[rows, 1]
        if points.shape[1] == 3:
            marker["symbol"] = "circle"
            figure.add_trace(go.Scatter3d(x=x, y=y, z=points[rows, 2], **options))
        elif len(points) > _MANY:
            figure.add_trace(go.Scattergl(x=x, y=y, **options), **where)
        else:
            figure.add_trace(go.Scatter(x=x, y=y, **options), **where)
