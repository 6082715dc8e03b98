"""What interventions and edits do: next tokens before and after, a slider's range, a direction, a fact."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go

from scope_widgets.plots.drawing.dots import add_joined, rows_down
from scope_widgets.plots.drawing.labels import number, shortened, token_label, token_labels
from scope_widgets.plots.drawing.maps import rows_height
from scope_widgets.plots.drawing.theme import ThemeName, new_figure, panels, theme_of

if TYPE_CHECKING:
    from scope_widgets.editing.fact_effect import FactEffect
    from scope_widgets.experiments.direction import Direction
    from scope_widgets.steering.steered_distribution import Steered
    from scope_widgets.steering.strength_sweep import StrengthSweep


def steered(result: Steered, *, n: int = 10, theme: ThemeName = "light") -> go.Figure:
    """Plot the most probable next tokens as the model is and steered, joined.

    Parameters
    ----------
    result : Steered
    n : int, default 10
        How many tokens of either distribution.
    theme : {"light", "dark"}, default "light"

    Returns
    -------
    plotly.graph_objects.Figure
        Hollow dots as the model is, solid ones steered.

    Examples
    --------
    >>> plural = steering.direction(scope, positive=["the dogs"], negative=["the dog"], layer=3, name="plural")
    >>> session = steering.Session(scope, "the horse", [steering.AddDirection(plural, 0.1)])
    >>> [one.name for one in session.at().plot(n=3).data[1:]]
    ['unsteered', 'steered']
    """
    colours, table = theme_of(theme), result.to_dataframe(n)
    labels = token_labels(table["token"])
    hover = [
        f"{label}<br>unsteered {before:.4g} (rank {before_rank:,})<br>steered {after:.4g} (rank {rank:,})"
        for label, (_, after, before, rank, before_rank) in zip(labels, table.itertuples(index=False), strict=True)
    ]
    strengths = ", ".join(number(one) for one in result.strengths)
    said = f"strengths {strengths}; KL {number(result.kl)} nats"
    figure = new_figure(
        colours, "Next token", result.provenance, height=rows_height(len(labels), each=22, least=260), said=said
    )
    before, after = table["unsteered"].to_numpy(float), table["probability"].to_numpy(float)
    add_joined(figure, colours, before, after, hover, ("unsteered", "steered"))
    rows_down(figure, labels, mono=True)
    figure.update_xaxes(title_text="probability", rangemode="tozero")
    return figure


def strength_sweep(result: StrengthSweep, *, theme: ThemeName = "light") -> go.Figure:
    """Plot what an intervention does at each strength: divergence and loss, and the logit difference.

    Parameters
    ----------
    result : StrengthSweep
    theme : {"light", "dark"}, default "light"

    Returns
    -------
    plotly.graph_objects.Figure
        Divergence and rise of the loss above, in nats; the logit difference below, where answers were given.

    Examples
    --------
    >>> plural = steering.direction(scope, positive=["the dogs"], negative=["the dog"], layer=3, name="plural")
    >>> session = steering.Session(scope, "the horse", [steering.AddDirection(plural)], answer=" run", versus=" runs")
    >>> len(steering.sweep(session, strengths=[-0.1, 0, 0.1]).plot().data)
    3
    """
    colours = theme_of(theme)
    known = bool(np.isfinite(result.difference).any())
    into = panels(colours, 2, 1, ["", ""], down=0.08, shared_xaxes=True) if known else panels(colours, 1, 1, [""])
    fluent = "nowhere" if result.fluent is None else "from {} to {}".format(*map(number, result.fluent))
    said = f"fluent {fluent}: the loss rises by {number(result.limit)} nats a token at most, a convention"
    figure = new_figure(
        colours,
        f"“{shortened(result.what)}” by strength",
        result.provenance,
        height=440 if known else 340,
        said=said,
        into=into,
    )
    lines = [("KL of the next token", result.kl, 1, 0), ("rise of the loss, a token", result.loss, 1, 1)]
    lines += [("logit difference", result.difference, 2, 2)] if known else []
    for name, values, row, hue in lines:
        figure.add_trace(
            go.Scatter(
                x=result.strengths,
                y=values,
                mode="lines+markers",
                name=name,
                line={"color": colours.hues[hue]},
                marker={"symbol": ("circle", "diamond", "square")[hue], "size": 7},
                hovertemplate=f"strength %{{x:.4g}}<br>{name} %{{y:.4g}}<extra></extra>",
            ),
            row=row,
            col=1,
        )
    figure.add_hline(y=result.limit, line={"color": colours.dim, "dash": "dot", "width": 1}, row=1, col=1)
    if result.fluent is not None:
        figure.add_vrect(*result.fluent, fillcolor=colours.hues[0], opacity=0.08, line_width=0, layer="below")
    if np.isfinite(result.neutral):
        figure.add_vline(x=result.neutral, line={"color": colours.dim, "width": 1})
    figure.update_yaxes(title_text="nats", rangemode="tozero", row=1, col=1)
    if known:
        figure.update_yaxes(title_text="logits", row=2, col=1)
    figure.update_xaxes(title_text="strength (shaded: fluent)", row=2 if known else 1, col=1)
    return figure


def direction(result: Direction, *, theme: ThemeName = "light") -> go.Figure:
    """Plot the entries of a direction of the residual stream.

    Parameters
    ----------
    result : Direction
    theme : {"light", "dark"}, default "light"

    Returns
    -------
    plotly.graph_objects.Figure
        A bar a dimension; the squares sum to 1.

    Examples
    --------
    >>> names = steering.direction(scope, answer=" Mary", versus=" John", layer=2, name="names")
    >>> names.plot().data[0].y.shape
    (128,)
    """
    colours = theme_of(theme)
    said = f"layer {result.layer}, length 1; strength 1 adds a vector of norm {number(result.scale)}"
    title = f"Direction “{shortened(result.name)}”"
    figure = new_figure(colours, title, result.provenance, height=320, said=said)
    figure.add_trace(
        go.Bar(
            x=np.arange(len(result.vector)),
            y=result.vector,
            marker={"color": [colours.sign(one) for one in result.vector.tolist()], "line": {"width": 0}},
            hovertemplate="dimension %{x}<br>%{y:.4g}<extra></extra>",
        )
    )
    figure.update_xaxes(title_text="dimension of the residual stream", showgrid=False)
    figure.update_yaxes(title_text="entry", zeroline=True)
    figure.update_layout(bargap=0)
    return figure


def fact_effect(result: FactEffect, *, theme: ThemeName = "light") -> go.Figure:
    """Plot the probability of the answer before and after a fact was edited, a row a prompt.

    Parameters
    ----------
    result : FactEffect
    theme : {"light", "dark"}, default "light"

    Returns
    -------
    plotly.graph_objects.Figure
        Hollow dots before, solid ones after; neighbours are prompts that the edit should leave alone.

    Examples
    --------
    >>> prompt = "When Mary went to the store, she gave a drink to"
    >>> edit = editing.edit_fact(scope, prompt, "Mary", " Anna", layer=1, corpus=["the dog runs"], steps=1)
    >>> len(edit.effect.plot().data[1].x) == len(edit.effect.texts)
    True
    """
    colours = theme_of(theme)
    labels = [
        f"{shortened(kind)}: {shortened(text, 30)}" for kind, text in zip(result.kinds, result.texts, strict=True)
    ]
    hover = [
        f"{shortened(text, 160)}<br>probability {before:.4g} → {after:.4g}<br>"
        f"top token {token_label(top)} → {token_label(new)}"
        f"<br>KL {kl:.4g} nats"
        for text, before, after, top, new, kl in zip(
            result.texts, result.before, result.after, result.top_before, result.top_after, result.kl, strict=True
        )
    ]
    answer = token_label(result.answer)
    said = f"“{shortened(result.subject)}” → “{answer}”, MLP of layer {result.layer}; KL in the hover"
    figure = new_figure(
        colours,
        f"Probability of “{answer}” before and after an edit",
        result.provenance,
        height=rows_height(len(labels), each=26, least=230),
        said=said,
    )
    add_joined(figure, colours, result.before.astype(float), result.after.astype(float), hover, ("before", "after"))
    rows_down(figure, labels)
    figure.update_xaxes(title_text="probability of the answer", rangemode="tozero")
    return figure
