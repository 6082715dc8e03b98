"""Shapes of activations: dimension over scales, spectrum, clusters, statistics, projections, all of it by layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import plotly.graph_objects as go

from scope_widgets._types import Array
from scope_widgets.plots.drawing.dots import reference
from scope_widgets.plots.drawing.labels import counted, number, shortened, words
from scope_widgets.plots.drawing.theme import Theme, ThemeName, new_figure, panels, theme_of
from scope_widgets.plots.projections import projection

if TYPE_CHECKING:
    from scope_widgets.geometry.clusters import Clusters
    from scope_widgets.geometry.dimension import Dimension
    from scope_widgets.geometry.project import Projection
    from scope_widgets.geometry.spectrum import Spectrum
    from scope_widgets.geometry.statistics import ActivationStatistics
    from scope_widgets.geometry.summarise import GeometrySummary

#: methods of projection and of dimension as they are written
_METHODS = {"pca": "PCA", "umap": "UMAP", "tsne": "t-SNE", "mle": "MLE", "twonn": "TwoNN", "gride": "GRIDE"}
#: components whose variance is drawn
_COMPONENTS = 200


def projected(
    result: Projection,
    *,
    colours: Sequence[str] | Array | None = None,
    colour_name: str = "",
    theme: ThemeName = "light",
) -> go.Figure:
    """Plot rows in two or three dimensions, with how well their neighbours are kept.

    Parameters
    ----------
    result : Projection
    colours : sequence of str or of number [row], optional
        By default the norm of each row.
    colour_name : str, default ""
    theme : {"light", "dark"}, default "light"

    Returns
    -------
    plotly.graph_objects.Figure
        That of `projection`.

    Examples
    --------
    >>> rows = np.random.default_rng(0).normal(size=(60, 5))
    >>> groups = geometry.clusters(rows, k=3).labels
    >>> figure = geometry.project(rows).plot(colours=[f"cluster {one}" for one in groups])
    >>> sum(len(one.x) for one in figure.data)
    60
    """
    axes: tuple[str, ...] = ()
    if result.method == "pca":
        axes = tuple(f"component {at + 1} ({share:.1%} of variance)" for at, share in enumerate(result.explained))
    layer = "" if result.layer is None else f", layer {result.layer}"
    figure = projection(
        result.coordinates,
        labels=result.tokens() or [f"row {row}" for row in result.rows.tolist()],
        colours=result.norms if colours is None else colours,
        colour_name="norm" if colours is None else colour_name,
        title=f"{_METHODS[result.method]} of {counted(len(result.rows), 'row')}{layer}",
        axes=axes,
        provenance=result.provenance,
        theme=theme,
    )
    kept = f"{result.value:.1%} of {result.k} neighbours kept [{result.low:.1%}, {result.high:.1%}], chance "
    return _below(figure, theme, f"{kept}{result.chance:.1%}")


def dimension(result: Dimension, *, theme: ThemeName = "light") -> go.Figure:
    """Plot the curve of an intrinsic dimension over scales: neighbours of all rows, and parts of the rows.

    Parameters
    ----------
    result : Dimension
    theme : {"light", "dark"}, default "light"

    Returns
    -------
    plotly.graph_objects.Figure
        Against the mean distance to the last neighbour, which is logarithmic, with 95 % intervals. First all rows, then
        their parts; a dimension is to be believed where the curve is flat.

    Examples
    --------
    >>> found = geometry.dimension(np.random.default_rng(0).standard_normal((400, 3)))
    >>> bool((found.plot().data[0].y == found.curve_value[found.curve_n == found.n]).all())
    True
    """
    colours, whole = theme_of(theme), result.curve_n == result.n
    said = f"{result.value:.3g} [{result.low:.3g}, {result.high:.3g}] at k = {result.k}"
    said += f", {result.n:,} rows of width {result.d}"
    figure = new_figure(
        colours, f"Intrinsic dimension by {_METHODS[result.method]}", result.provenance, height=380, said=said
    )
    for at, (name, rows) in enumerate(
        (("all rows, other neighbours", whole), (f"parts of the rows, k = {result.k}", ~whole))
    ):
        if not rows.any():
            continue
        order = np.flatnonzero(rows)
        x, y = result.curve_distance[order], result.curve_value[order]
        _line(
            figure, colours, at, name, x, y, result.curve_low[order], result.curve_high[order],
            [
                f"{n:,} rows, k = {k}<br>dimension {value:.4g}<br>95 % {low:.4g} to {high:.4g}<br>distance {apart:.4g}"
                for n, k, value, low, high, apart in zip(
                    *(one[order].tolist() for one in (result.curve_n, result.curve_k, result.curve_value)),
                    *(one[order].tolist() for one in (result.curve_low, result.curve_high, result.curve_distance)),
                    strict=True,
                )
            ],
        )  # fmt: skip
    reference(figure, colours, result.value, f"{result.value:.3g}, k = {result.k}", across=True)
    figure.update_xaxes(title_text="mean distance to the last neighbour (logarithmic)", type="log")
    figure.update_yaxes(title_text="dimension", rangemode="tozero")
    return figure


def spectrum(result: Spectrum, *, theme: ThemeName = "light") -> go.Figure:
    """Plot the variance of each principal component, and how much the first of them hold.

    Parameters
    ----------
    result : Spectrum
    theme : {"light", "dark"}, default "light"

    Returns
    -------
    plotly.graph_objects.Figure
        The first 200 components: share of the variance of each, which is logarithmic, and beside it the sum so apart.

    Examples
    --------
    >>> found = geometry.spectrum(np.random.default_rng(0).standard_normal((400, 8)))
    >>> len(found.plot().data[0].y)
    8
    """
    colours = theme_of(theme)
    shares = result.variances / result.variances.sum()
    drawn = shares[:_COMPONENTS]
    at = np.arange(1, len(drawn) + 1)
    measures = ", ".join(
        f"{words(name)} {number(getattr(result, name)[0])}"
        for name in ("effective_rank", "spectral_dimension", "participation_ratio")
    )
    more = f"; the first {len(drawn):,} of {len(shares):,} components" if len(drawn) < len(shares) else ""
    figure = new_figure(
        colours,
        "Spectrum of activations",
        result.provenance,
        height=360,
        said=f"{measures}; {result.n:,} rows{more}",
        into=panels(
            colours, 1, 2, ["share of the variance (logarithmic)", "share of the first components"], across=0.12
        ),
    )
    sums = shares.cumsum()[: len(drawn)]
    for col, (values, name) in enumerate(((np.where(drawn > 0, drawn, np.nan), "share"), (sums, "sum")), 1):
        figure.add_trace(
            go.Scatter(
                x=at,
                y=values,
                mode="lines+markers",
                marker={"size": 4},
                line={"width": 1.5, "color": colours.hues[0]},
                hovertemplate=f"component %{{x}}<br>{name} %{{y:.4g}}<extra></extra>",
                showlegend=False,
            ),
            row=1,
            col=col,
        )
        figure.update_xaxes(title_text="component", row=1, col=col)
    for share, count in ((0.9, result.components_90), (0.95, result.components_95), (0.99, result.components_99)):
        figure.add_annotation(
            x=count, y=share, text=f"{share:.0%} by {count}", showarrow=True, arrowhead=0, ax=46, ay=14,
            arrowcolor=colours.dim, font={"size": 10, "color": colours.dim}, row=1, col=2,
        )  # fmt: skip
    figure.update_yaxes(type="log", dtick=1, exponentformat="power", row=1, col=1)
    figure.update_yaxes(range=[0, 1.04], row=1, col=2)
    return figure


def clusters(result: Clusters, *, theme: ThemeName = "light") -> go.Figure:
    """Plot what says how many clusters there are: silhouette, stability over seeds and gap statistic.

    Parameters
    ----------
    result : Clusters
    theme : {"light", "dark"}, default "light"

    Returns
    -------
    plotly.graph_objects.Figure
        Silhouette and stability on one axis, the gap with its error on another.

    Examples
    --------
    >>> found = geometry.clusters(np.random.default_rng(0).standard_normal((200, 3)), k=4)
    >>> found.plot().data[0].x.tolist()
    [1, 2, 3, 4]
    """
    colours = theme_of(theme)
    said = f"{number(result.value)} [{result.low}, {result.high}]; by silhouette "
    said += f"{result.by_silhouette}, by gap {result.by_gap}"
    figure = new_figure(
        colours,
        f"Clusters: {result.value}",
        result.provenance,
        height=360,
        said=f"{said}; {result.n:,} rows",
        into=panels(colours, 1, 2, ["silhouette, and stability over seeds", "gap statistic ± error"], across=0.12),
    )
    for at, (name, values) in enumerate((("silhouette", result.silhouettes), ("stability", result.stability))):
        _line(figure, colours, at, name, result.k, values, row=1, col=1)
    _line(
        figure, colours, 2, "gap", result.k, result.gap, result.gap - result.gap_error, result.gap + result.gap_error,
        row=1, col=2,
    )  # fmt: skip
    for col in (1, 2):
        figure.add_vline(x=result.value, line={"color": colours.dim, "width": 1, "dash": "dot"}, row=1, col=col)
        figure.update_xaxes(title_text="number of clusters", dtick=1 if len(result.k) <= 30 else None, row=1, col=col)
    return figure


def geometry_statistics(result: ActivationStatistics, *, theme: ThemeName = "light") -> go.Figure:
    """Plot the mean and the standard deviation of each column of activations; outliers are marked.

    Parameters
    ----------
    result : ActivationStatistics
    theme : {"light", "dark"}, default "light"

    Returns
    -------
    plotly.graph_objects.Figure

    Examples
    --------
    >>> found = geometry.statistics(np.random.default_rng(0).standard_normal((100, 16)))
    >>> bool((found.plot().data[0].x == found.mean).all())
    True
    """
    colours = theme_of(theme)
    names = {"norm": "norm", "cosine": "cosine", "kurtosis": "kurtosis"}
    said = ", ".join(f"{name} {_with_ends(getattr(result, name))}" for name in names)
    rows = f"{counted(len(result.massive_rows), 'massive row')} of {result.n:,}"
    figure = new_figure(
        colours,
        "Columns of activations",
        result.provenance,
        height=420,
        said=f"{said}; {rows}, {counted(len(result.outlier_columns), 'outlier')} of {len(result.mean):,} columns",
    )
    outlier = np.zeros(len(result.mean), bool)
    outlier[result.outlier_columns] = True
    for at, (name, columns) in enumerate((("column", ~outlier), ("outlier: ten times the median size", outlier))):
        if at and not outlier.any():
            continue
        places = np.flatnonzero(columns)
        figure.add_trace(
            go.Scatter(
                x=result.mean[places],
                y=result.deviation[places],
                mode="markers",
                name=name,
                showlegend=bool(outlier.any()),
                marker={"color": colours.hues[at], "symbol": ("circle", "diamond")[at], "size": 6, "opacity": 0.8},
                customdata=places,
                hovertemplate="column %{customdata}<br>mean %{x:.4g}<br>standard deviation %{y:.4g}<extra></extra>",
            )
        )
    figure.update_xaxes(title_text="mean of the column")
    figure.update_yaxes(title_text="standard deviation", rangemode="tozero")
    return figure


def geometry_summary(result: GeometrySummary, *, theme: ThemeName = "light") -> go.Figure:
    """Plot the geometry of a recording by layer, with 95 % intervals.

    Parameters
    ----------
    result : GeometrySummary
    theme : {"light", "dark"}, default "light"

    Returns
    -------
    plotly.graph_objects.Figure
        Dimension by three estimators, what a spectrum fills, mean norm, and neighbours kept by PCA beside chance; a gap
        where a layer has too few rows.

    Examples
    --------
    >>> texts = [f"{name} gave {other} a book" for name in ("Mary", "John") for other in ("Tom", "Anna")]
    >>> rec = features.record(scope, texts, layers=[1, 2], folder=folder)
    >>> figure = geometry.summarise(scope, rec, progress=False).plot()
    >>> figure.data[0].x.tolist()
    [1, 2]
    """
    colours = theme_of(theme)
    layers = np.array([one.layer for one in result.layers])
    titles = ["intrinsic dimension", "directions that are filled", "mean norm of a row", "neighbours kept by PCA"]
    figure = new_figure(
        colours,
        "Geometry by layer",
        result.provenance,
        height=620,
        said=shortened(result.provenance.note, 120),
        into=panels(colours, 2, 2, titles, across=0.12, down=0.16),
    )
    drawn: list[tuple[str, str, str, int, int]] = [
        ("mle", "", "MLE", 1, 1),
        ("twonn", "", "TwoNN", 1, 1),
        ("gride", "", "GRIDE", 1, 1),
        ("spectrum", "effective_rank", "effective rank", 1, 2),
        ("spectrum", "participation_ratio", "participation ratio", 1, 2),
        ("statistics", "norm", "norm", 2, 1),
        ("projection", "", "kept", 2, 2),
    ]
    for at, (part, measure, name, row, col) in enumerate(drawn):
        found = np.array([_three(getattr(one, part), measure) for one in result.layers]).reshape(-1, 3)
        _line(figure, colours, at, name, layers, *found.T, row=row, col=col)
    chance = np.array([np.nan if one.projection is None else one.projection.chance for one in result.layers])
    _line(figure, colours, 4, "chance", layers, chance, row=2, col=2)
    figure.update_xaxes(dtick=1 if len(layers) <= 16 else None)
    figure.update_xaxes(title_text="layer", row=2)
    figure.update_yaxes(rangemode="tozero")
    return figure


def _three(found: Any, measure: str) -> Array:
    """Return value, low and high of a result, or of a measure of it; NaN where there is none."""
    if found is None:
        return np.full(3, np.nan)
    return np.asarray(getattr(found, measure)) if measure else np.array([found.value, found.low, found.high])


def _with_ends(measure: Array) -> str:
    return "{} [{}, {}]".format(*(number(float(one)) for one in measure))


def _line(
    figure: go.Figure,
    theme: Theme,
    at: int,
    name: str,
    x: Array,
    y: Array,
    low: Array | None = None,
    high: Array | None = None,
    hover: list[str] | None = None,
    **where: int,
) -> None:
    """Add a line with dots and upright intervals, in the hue and shape of its number."""
    hue, symbol = theme.hues[at % len(theme.hues)], ("circle", "diamond", "square", "triangle-up")[at % 4]
    interval = None
    if low is not None and high is not None:
        interval = {
            "type": "data", "symmetric": False, "array": high - y, "arrayminus": y - low, "thickness": 1.2, "width": 0,
        }  # fmt: skip
    texts = hover or [
        f"{name}, {at}<br>{number(float(value), 4)}"
        + (
            f"<br>{number(float(low[one]), 4)} to {number(float(high[one]), 4)}"
            if low is not None and high is not None
            else ""
        )
        for one, (at, value) in enumerate(zip(x.tolist(), y.tolist(), strict=True))
    ]
    figure.add_trace(
        go.Scatter(
            x=x,
            y=y,
            mode="lines+markers",
            name=name,
            line={"color": hue, "width": 1.8},
            marker={"symbol": symbol, "size": 7},
            error_y=interval,
            hovertext=texts,
            hoverinfo="text",
        ),
        **where,
    )


def _below(figure: go.Figure, theme: ThemeName, text: str) -> go.Figure:
    """Write a line of text below the title's own."""
    shades = theme_of(theme)
    figure.layout.title.text += f'<br><span style="font-size:11px;color:{shades.dim}">{text}</span>'
    figure.update_layout(margin={"t": figure.layout.margin.t + 14}, height=figure.layout.height + 14)
    figure.update_layout(legend={"y": 1 - (figure.layout.margin.t - 26) / figure.layout.height})
    return figure
