"""Probes of layers beside their nulls and baselines, and what steering along one does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go

from scope_widgets.plots.drawing.dots import add_dots, reference, rows_down
from scope_widgets.plots.drawing.labels import literal, number, shortened
from scope_widgets.plots.drawing.theme import ThemeName, new_figure, theme_of

if TYPE_CHECKING:
    from scope_widgets.probing.causal_result import CausalTest
    from scope_widgets.probing.probes import Probes


def probes(result: Probes, *, theme: ThemeName = "light") -> go.Figure:
    """Plot the AUC of the probe of each layer, beside permuted labels, the control task, and the words alone.

    Parameters
    ----------
    result : Probes
    theme : {"light", "dark"}, default "light"

    Returns
    -------
    plotly.graph_objects.Figure
        The band of permuted labels (5th to 95th percentile), the control task, and last the probes with 95 % intervals,
        solid where q is below .05.

    Examples
    --------
    >>> texts = [f"{noun} {verb}" for noun in ("dog", "cat", "horse", "bird", "man", "boy", "girl", "child")
    ...          for verb in ("runs", "sleeps", "likes", "saw")]
    >>> found = probing.fit(scope, texts, ["runs" in one for one in texts], layers=[1, 2], permutations=99)
    >>> bool((found.plot().data[-1].y == found.auc).all())
    True
    """
    colours = theme_of(theme)
    no, yes = (shortened(one) for one in result.classes)
    found = set(result.decodable())
    said = (
        f"{result.n:,} texts held out, of {result.n_groups:,} groups; {literal(result.method)} probes, positions: "
        f"{literal(result.positions)}"
    )
    figure = new_figure(colours, f"Probes of {no} against {yes}", result.provenance, height=400, said=said)
    low, high = np.percentile(result.null, [5, 95], axis=1)
    figure.add_trace(
        go.Scatter(
            x=np.concatenate([result.layer, result.layer[::-1]]),
            y=np.concatenate([high, low[::-1]]),
            fill="toself",
            fillcolor=colours.faint(0.12),
            line={"width": 0},
            mode="lines",
            name="permuted labels, 5 to 95 %",
            hoverinfo="skip",
        )
    )
    if np.isfinite(result.control).any():
        figure.add_trace(
            go.Scatter(
                x=result.layer,
                y=result.control,
                mode="lines+markers",
                name="control task",
                line={"color": colours.hues[1], "width": 1.2, "dash": "dot"},
                marker={"symbol": "diamond", "size": 6},
                hovertemplate="layer %{x}<br>control task %{y:.3f}<extra></extra>",
            )
        )
    # often equal, so named in the legend: what they are written beside would overlap
    for value, name, dash in ((result.tokens, "words alone", "dash"), (result.embedding, "layer 0", "dot")):
        if np.isfinite(value):
            figure.add_trace(
                go.Scatter(
                    x=result.layer,
                    y=np.full(len(result.layer), value),
                    mode="lines" if len(result.layer) > 1 else "markers",
                    name=f"{name} {number(value, 2)}",
                    line={"color": colours.dim, "width": 1, "dash": dash},
                    hovertemplate=f"{name} {value:.3f}<extra></extra>",
                )
            )
    figure.add_trace(
        go.Scatter(
            x=result.layer,
            y=result.auc,
            mode="lines+markers",
            name="probe, solid where q < .05",
            line={"color": colours.hues[0], "width": 2},
            marker={
                "size": 8,
                "symbol": ["circle" if one in found else "circle-open" for one in result.layer.tolist()],
            },
            error_y={
                "type": "data", "symmetric": False, "array": result.high - result.auc,
                "arrayminus": result.auc - result.low, "thickness": 1.2, "width": 0,
            },
            hovertext=[shortened(result.text(layer), 400) for layer in result.layer.tolist()],
            hoverinfo="text",
        )
    )  # fmt: skip
    reference(figure, colours, 0.5, "chance", across=True)
    figure.update_xaxes(title_text="layer", dtick=1 if len(result.layer) <= 40 else None)
    figure.update_yaxes(title_text="AUC on held-out prompts", range=[min(0.35, float(np.nanmin(low)) - 0.03), 1.03])
    return figure


def causal_test(result: CausalTest, *, theme: ThemeName = "light") -> go.Figure:
    """Plot what steering along a probe's direction does, beside directions of the same norm.

    Parameters
    ----------
    result : CausalTest
    theme : {"light", "dark"}, default "light"

    Returns
    -------
    plotly.graph_objects.Figure
        The probe's mean effect with its 95 % interval, each random direction, and each within the activations.

    Examples
    --------
    >>> texts = [f"{noun} {verb}" for noun in ("dog", "cat", "horse", "bird", "man", "boy", "girl", "child")
    ...          for verb in ("runs", "sleeps", "likes", "saw")]
    >>> found = probing.fit(scope, texts, ["runs" in one for one in texts], layers=[2], permutations=20)
    >>> test = probing.causal_test(scope, found, texts[:4], answer=" the", versus=" a", draws=3)
    >>> len(test.plot().data[1].x)
    3
    """
    colours = theme_of(theme)
    no, yes = (shortened(one) for one in result.classes)
    said = f"{'passed' if result.passed else 'not passed'}: p {number(result.p_random, 2)} beside random directions, "
    said += f"{number(result.p_data, 2)} within the activations, q of the probe {number(result.q, 2)}"
    figure = new_figure(
        colours, f"Steering from {no} to {yes} at layer {result.layer}", result.provenance, height=260, said=said
    )
    add_dots(
        figure, np.array([result.effect]), colours.hues[0],
        [f"mean of {len(result.effects)} prompts<br>{result.effect:+.4g}, 95 % {result.low:.4g} to {result.high:.4g}"],
        low=np.array([result.low]), high=np.array([result.high]), filled=np.array([result.passed]),
    )  # fmt: skip
    for row, (name, draws) in enumerate((("random direction", result.random), ("within activations", result.data)), 1):
        hover = [f"{name} {at}<br>{value:+.4g}" for at, value in enumerate(draws.tolist())]
        add_dots(figure, draws, colours.dim, hover, rows=[row] * len(draws), filled=np.zeros(len(draws), bool))
    rows_down(figure, ["the probe's direction", "random directions", "within the activations"])
    reference(figure, colours, 0.0, "")
    figure.update_xaxes(title_text=f"{shortened(result.answer)} over {shortened(result.versus)}, in logits")
    return figure
