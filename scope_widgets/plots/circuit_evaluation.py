"""How well circuits do alone: faithfulness, its curve, completeness, minimality."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go

from scope_widgets._types import Array
from scope_widgets.plots.drawing.dots import add_dots, add_joined, reference, rows_down
from scope_widgets.plots.drawing.labels import counted, literal, number, shortened
from scope_widgets.plots.drawing.maps import rows_height
from scope_widgets.plots.drawing.theme import Theme, ThemeName, new_figure, theme_of

if TYPE_CHECKING:
    from scope_widgets.circuits.evaluation.completeness import Completeness
    from scope_widgets.circuits.evaluation.faithfulness import Faithfulness
    from scope_widgets.circuits.evaluation.faithfulness_curve import Curve
    from scope_widgets.circuits.evaluation.minimality import Minimality
    from scope_widgets.circuits.latents.faithfulness import LatentFaithfulness

_FAITHFULNESS = "faithfulness (0: no edges, 1: the whole model)"


def faithfulness_curve(result: Curve, *, theme: ThemeName = "light") -> go.Figure:
    """Plot faithfulness against the number of edges kept, with its 95 % interval, beside random circuits.

    Parameters
    ----------
    result : Curve
    theme : {"light", "dark"}, default "light"

    Returns
    -------
    plotly.graph_objects.Figure
        The band, a line a random draw, and last the circuit's own line, over a logarithmic axis.

    Examples
    --------
    >>> found = circuits.discover(scope, circuits.task(scope, "ioi", n=4), "eap")
    >>> curve = circuits.curve(scope, found, shares=(0.1, 1.0), draws=1)
    >>> bool((curve.plot().data[-1].y == curve.faithfulness).all())
    True
    """
    colours, n = theme_of(theme), result.n_edges
    said = f"{literal(result.pairs)}; CPR {number(result.cpr)}, CMD {number(result.cmd)}"
    said = f"{said}; {shortened(result.message, 120)}" if result.message else said
    figure = new_figure(colours, "Faithfulness and number of edges", result.provenance, height=400, said=said)
    figure.add_trace(
        go.Scatter(
            x=np.concatenate([n, n[::-1]]),
            y=np.concatenate([result.high, result.low[::-1]]),
            fill="toself",
            fillcolor=colours.faint(0.12),
            line={"width": 0},
            mode="lines",
            name="95 % interval",
            hoverinfo="skip",
        )
    )
    for at, draw in enumerate(result.random):
        figure.add_trace(
            go.Scatter(
                x=n,
                y=draw,
                mode="lines+markers",
                line={"color": colours.dim, "width": 1, "dash": "dot"},
                marker={"size": 4},
                name=f"random circuits of as many edges, {counted(len(result.random), 'draw')}",
                legendgroup="random",
                showlegend=at == 0,
                hovertemplate="random, %{x:,} edges<br>%{y:.4g}<extra></extra>",
            )
        )
    figure.add_trace(
        go.Scatter(
            x=n,
            y=result.faithfulness,
            mode="lines+markers",
            line={"color": colours.hues[0], "width": 2},
            marker={"size": 7},
            name="edges of the largest scores",
            hovertext=[
                f"{int(count):,} edges ({share:.2%})<br>faithfulness {value:.4g}, 95 % {low:.4g} to {high:.4g}"
                for count, share, value, low, high in zip(
                    n, result.shares, result.faithfulness, result.low, result.high, strict=True
                )
            ],
            hoverinfo="text",
        )
    )
    reference(figure, colours, 1.0, "the whole model", across=True)
    figure.update_xaxes(title_text="edges kept (logarithmic)", type="log", dtick=1)
    figure.update_yaxes(title_text="faithfulness", zeroline=True)
    return figure


def faithfulness(result: Faithfulness, *, theme: ThemeName = "light") -> go.Figure:
    """Plot the faithfulness of a circuit with its 95 % interval beside that of random circuits.

    Parameters
    ----------
    result : Faithfulness
    theme : {"light", "dark"}, default "light"

    Returns
    -------
    plotly.graph_objects.Figure

    Examples
    --------
    >>> found = circuits.discover(scope, circuits.task(scope, "ioi", n=4), "eap").keep(30)
    >>> measured = circuits.faithfulness(scope, found, draws=2)
    >>> bool(measured.plot().data[0].x[0] == measured.value)
    True
    """
    colours = theme_of(theme)
    said = f"{result.n_edges:,} of {result.n_all:,} edges, {literal(result.pairs)}"
    said = f"{said}; {shortened(result.message, 120)}" if result.message else said
    return _faithful(
        colours,
        new_figure(colours, "Faithfulness of a circuit", result.provenance, height=230, said=said),
        ["circuit"],
        np.array([result.value]),
        np.array([result.low]),
        np.array([result.high]),
        result.random[None],
        "random circuits of as many edges",
    )


def latent_faithfulness(result: LatentFaithfulness, *, theme: ThemeName = "light") -> go.Figure:
    """Plot the faithfulness of a circuit of latents, with errors of its SAEs in and out, beside random latents.

    Parameters
    ----------
    result : LatentFaithfulness
    theme : {"light", "dark"}, default "light"

    Returns
    -------
    plotly.graph_objects.Figure

    Examples
    --------
    >>> sae = features.load("demo")
    >>> found = circuits.discover(scope, circuits.task(scope, "ioi", n=4), saes=sae, steps=1, n_nodes=6)
    >>> circuits.latent_faithfulness(scope, found, sae, draws=1).plot().data[0].x.shape
    (2,)
    """
    colours = theme_of(theme)
    said = f"{result.n_latents:,} of the {result.n_active:,} latents that fire"
    return _faithful(
        colours,
        new_figure(colours, "Faithfulness of a circuit of latents", result.provenance, height=270, said=said),
        [f"errors {literal(one)}" for one in result.errors],
        result.value,
        result.low,
        result.high,
        result.random,
        "random latents, as many",
    )


def completeness(result: Completeness, *, theme: ThemeName = "light") -> go.Figure:
    """Plot what a circuit and the whole model do without the same sets of nodes; of a complete circuit both are equal.

    Parameters
    ----------
    result : Completeness
    theme : {"light", "dark"}, default "light"

    Returns
    -------
    plotly.graph_objects.Figure
        Two dots a set, joined; of a complete circuit they are one.

    Examples
    --------
    >>> found = circuits.discover(scope, circuits.task(scope, "ioi", n=4), "eap").keep(30)
    >>> circuits.completeness(scope, found, greedy=0).plot().data[1].name
    'whole model without the set'
    """
    colours = theme_of(theme)
    names = [shortened(one, 40) for one in result.sets]
    hover = [
        f"without {name}<br>{shortened(' '.join(nodes), 120)}<br>"
        f"model {model:.4g}, circuit {ours:.4g}, apart {apart:.4g}"
        for name, nodes, model, ours, apart in zip(
            names, result.nodes, result.model, result.circuit, result.incompleteness, strict=True
        )
    ]
    figure = new_figure(
        colours, "Completeness of a circuit", result.provenance, height=rows_height(len(names), each=24, least=240)
    )
    add_joined(
        figure, colours, result.model, result.circuit, hover, ("whole model without the set", "circuit without it")
    )
    rows_down(figure, names, "set of nodes")
    figure.update_xaxes(title_text="mean metric", zeroline=True)
    return figure


def minimality(result: Minimality, *, theme: ThemeName = "light") -> go.Figure:
    """Plot how much each node changes a circuit; in a minimal one each changes something.

    Parameters
    ----------
    result : Minimality
    theme : {"light", "dark"}, default "light"

    Returns
    -------
    plotly.graph_objects.Figure
        Bars, the largest change first.

    Examples
    --------
    >>> found = circuits.discover(scope, circuits.task(scope, "ioi", n=4), "eap").keep(30)
    >>> bars = circuits.minimality(scope, found).plot().data[0]
    >>> bool((np.diff(bars.y) <= 0).all())
    True
    """
    colours = theme_of(theme)
    table = result.to_dataframe()[::-1]
    figure = new_figure(
        colours, "Minimality of a circuit", result.provenance, said=shortened(result.message, 160), height=340
    )
    figure.add_trace(
        go.Bar(
            x=[literal(one) for one in table["node"]],
            y=table["change"].to_numpy(float),
            marker={"color": colours.hues[0]},
            hovertext=[
                f"{literal(node)}{' beside ' + shortened(without, 80) + ' out' if without else ''}<br>changes the "
                f"metric by {change:.4g}, {share:.2%} of the model's"
                for node, change, share, without in table.itertuples(index=False)
            ],
            hoverinfo="text",
        )
    )
    figure.update_xaxes(type="category", title_text="node", showgrid=False)
    figure.update_yaxes(title_text="change of the metric without it", rangemode="tozero")
    return figure


def _faithful(
    theme: Theme,
    figure: go.Figure,
    labels: list[str],
    value: Array,
    low: Array,
    high: Array,
    random: Array,
    null: str,
) -> go.Figure:
    hover = [
        f"{label}<br>faithfulness {one:.4g}, 95 % {start:.4g} to {end:.4g}"
        for label, one, start, end in zip(labels, value, low, high, strict=True)
    ]
    add_dots(figure, value, theme.hues[0], hover, low=low, high=high, name="circuit, 95 % interval")
    if random.size:
        rows = np.repeat(np.arange(len(labels)), random.shape[1])
        said = [f"{labels[row]}, random<br>{one:.4g}" for row, one in zip(rows, random.ravel(), strict=True)]
        add_dots(figure, random.ravel(), theme.dim, said, rows=rows.tolist(), name=null, symbol="x-thin-open")
    rows_down(figure, labels)
    reference(figure, theme, 1.0, "")
    figure.update_xaxes(title_text=_FAITHFULNESS, zeroline=True)
    return figure
