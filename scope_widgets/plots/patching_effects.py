"""Effects of patching and ablation: layers and positions, heads, a metric before and after."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go

from scope_widgets.patching.result import PatchingResult
from scope_widgets.plots.drawing.labels import counted, head_name, literal, number, sentence, shortened, words
from scope_widgets.plots.drawing.maps import (
    add_map,
    colour_axis,
    limits_of,
    positions,
    rows_height,
    token_axis,
)
from scope_widgets.plots.drawing.theme import ThemeName, new_figure, theme_of
from scope_widgets.plots.heads import head_effects

if TYPE_CHECKING:
    from scope_widgets.patching.ablation.result import Ablation
    from scope_widgets.patching.sweeps import Sweep


def patching(result: PatchingResult | Sweep, *, n: int = 60, theme: ThemeName = "light") -> go.Figure:
    """Plot the effect of patching each activation: layers up and positions across, or a row a head.

    Parameters
    ----------
    result : PatchingResult or Sweep
        Of a sweep: as far as it has come.
    n : int, default 60
        Of heads at each position: how many heads, those with the largest effect anywhere, where there are more.
    theme : {"light", "dark"}, default "light"

    Returns
    -------
    plotly.graph_objects.Figure
        A map `[layer, position]`, `[layer, head]` or `[layer.head, position]`; what was not run is grey.

    Examples
    --------
    >>> pair = (f"When Mary and John went to the store, {name} gave a drink to" for name in ("John", "Mary"))
    >>> found = patching.attribution(scope, *pair, answer=" Mary", versus=" John", over="residual")
    >>> found.plot().data[0].z.shape
    (5, 15)
    """
    found = result if isinstance(result, PatchingResult) else result.result
    if found.axes == ("layer", "head"):
        return head_effects(found, theme=theme)
    colours = theme_of(theme)
    heads = "head" in found.axes
    values = found.values if found.positions else found.values[..., None]
    labels = [str(layer) for layer in range(len(values))]
    left = ""
    if heads:
        count = values.shape[1]
        values = values.reshape(len(values) * count, -1)
        size = np.nan_to_num(np.abs(values)).max(1, initial=0.0)
        chosen = np.sort(np.argsort(-size, kind="stable")[:n])
        left = f", the {len(chosen)} of {len(values)} heads with the largest" if len(chosen) < len(values) else ""
        labels = [head_name(at // count, at % count) for at in chosen.tolist()]
        values = values[chosen]
    what = "Effect" if found.exact else "Estimated effect"
    title = f"{what} of patching {words(found.over)} on {words(found.metric)} ({literal(found.direction)}){left}"
    said = shortened(found.message, 160) if found.message else ""
    height = rows_height(len(values), each=16 if heads else 28)
    figure = new_figure(colours, title, found.provenance, height=height, said=said)
    axis = colour_axis(figure, colours, limits_of(values, signed=True), "effect (1: all of it)", signed=True)
    tokens = found.positions or ["all positions"]
    row = "head" if heads else "layer"
    hover = f"{row} %{{y}}, %{{x}} (%{{pointNumber[1]}})<br>{what.lower()} %{{z:.4g}}"
    add_map(figure, colours, values, axis, hover, x=positions(tokens), y=labels, not_run=np.isnan(values))
    figure.update_xaxes(**token_axis(tokens, "position"))
    figure.update_yaxes(
        type="category",
        title_text="layer.head" if heads else "layer",
        showgrid=False,
        zeroline=False,
        dtick=1 if len(labels) <= 60 else None,
    )
    return figure


def ablation(result: Ablation, *, theme: ThemeName = "light") -> go.Figure:
    """Plot a metric of each prompt before and after something was taken out.

    Parameters
    ----------
    result : Ablation
    theme : {"light", "dark"}, default "light"

    Returns
    -------
    plotly.graph_objects.Figure
        A line a prompt; the last line is the mean.

    Examples
    --------
    >>> prompt = "When Mary and John went to the store, John gave a drink to"
    >>> done = patching.ablate(scope, [prompt], [(3, 1)], answer=" Mary", versus=" John")
    >>> bool(done.plot().data[0].y[1] == done.after[0])
    True
    """
    colours = theme_of(theme)
    said = f"taken out: {shortened(result.what, 120)}"
    title = f"{sentence(result.metric)} before and after an ablation"
    figure = new_figure(colours, title, result.provenance, height=380, said=said)
    prompts = result.provenance.prompts
    for at, (before, after) in enumerate(zip(result.before.tolist(), result.after.tolist(), strict=True)):
        text = f"prompt {at}" + (f": “{shortened(prompts[at], 80)}”" if at < len(prompts) else "")
        figure.add_trace(
            go.Scatter(
                x=["before", "after"],
                y=[before, after],
                mode="lines+markers",
                line={"color": colours.dim, "width": 1},
                marker={"size": 5},
                opacity=0.6,
                name=f"each of {counted(len(result.before), 'prompt')}",
                showlegend=at == 0,
                legendgroup="prompts",
                hovertext=f"{text}<br>{number(before, 5)} → {number(after, 5)}, KL {number(float(result.kl[at]))} nats",
                hoverinfo="text",
            )
        )
    means = [float(result.before.mean()), float(result.after.mean())]
    figure.add_trace(
        go.Scatter(
            x=["before", "after"],
            y=means,
            mode="lines+markers",
            line={"color": colours.hues[0], "width": 3},
            marker={"size": 9},
            name=f"mean, {number(means[0])} → {number(means[1])}",
            hovertemplate="mean %{x} %{y:.5g}<extra></extra>",
        )
    )
    figure.update_xaxes(type="category", range=[-0.4, 1.4], showgrid=False)
    figure.update_yaxes(title_text=words(result.metric), zeroline=True)
    return figure
