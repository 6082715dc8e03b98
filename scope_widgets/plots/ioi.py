"""IOI heads: their effects by class, what is lost without them, how they agree with a published set."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go

from scope_widgets.ioi.graphviz import LOOKS
from scope_widgets.plots.drawing.dots import add_dots, rows_down
from scope_widgets.plots.drawing.labels import counted, head_name, literal, number, shortened, words
from scope_widgets.plots.drawing.maps import rows_height
from scope_widgets.plots.drawing.theme import SYMBOLS, ThemeName, new_figure, theme_of

if TYPE_CHECKING:
    from scope_widgets.ioi.comparison import ReferenceComparison
    from scope_widgets.ioi.detection.ablate_heads import HeadAblation
    from scope_widgets.ioi.detection.result import IOIResult


def ioi_heads(result: IOIResult, *, theme: ThemeName = "light") -> go.Figure:
    """Plot the effects of the heads that IOI detection found, with 95 % intervals, in the hues of their classes.

    Parameters
    ----------
    result : IOIResult
    theme : {"light", "dark"}, default "light"

    Returns
    -------
    plotly.graph_objects.Figure
        Dots, a group a class, in the order of the classes.

    Examples
    --------
    >>> figure = ioi.detect(scope, ioi.prompts(scope, n=20)).plot()
    >>> figure.data[0].name
    'N name mover'
    """
    colours = theme_of(theme)
    lost = f"{number(result.lost)} of the logit difference is lost without name movers and their backups"
    at_random = (
        f", {number(float(result.lost_at_random.mean()))} without as many random heads"
        if len(result.lost_at_random)
        else ""
    )
    said = shortened(result.message, 160) if result.message else lost + at_random
    labels = [head_name(*head) for head in zip(result.layer, result.head, strict=True)]
    figure = new_figure(
        colours, "IOI heads", result.provenance, height=rows_height(len(labels), each=22, least=240), said=said
    )
    for at, kind in enumerate(dict.fromkeys(result.head_class)):
        rows = [row for row, one in enumerate(result.head_class) if one == kind]
        letter = LOOKS.get(kind, ("U", ""))[0]
        hover = [
            f"head {labels[row]}: {words(kind)}<br>{literal(result.path[row])}<br>effect {result.effect[row]:.4g}, "
            f"95 % {result.low[row]:.4g} to {result.high[row]:.4g}, p {result.p[row]:.3g}<br>reads "
            f"{literal(result.reads[row])}; attention {literal(result.signature[row])} {result.attention[row]:.4g}"
            for row in rows
        ]
        add_dots(
            figure,
            result.effect[rows],
            colours.class_hue(letter),
            hover,
            rows=rows,
            low=result.low[rows],
            high=result.high[rows],
            name=f"{letter.replace('-', '−')} {words(kind)}",
            symbol=SYMBOLS[at % len(SYMBOLS)],
        )
    rows_down(figure, labels, "layer.head")
    figure.update_xaxes(title_text="effect: share of the logit difference lost, 95 % interval", zeroline=True)
    return figure


def head_ablation(result: HeadAblation, *, theme: ThemeName = "light") -> go.Figure:
    """Plot how much of the logit difference is lost without some heads, beside random sets of as many.

    Parameters
    ----------
    result : HeadAblation
    theme : {"light", "dark"}, default "light"

    Returns
    -------
    plotly.graph_objects.Figure

    Examples
    --------
    >>> lost = ioi.ablate_heads(scope, ioi.prompts(scope, n=8), [(3, 1)], draws=2)
    >>> len(lost.plot().data[1].x)
    2
    """
    colours = theme_of(theme)
    names = " ".join(head_name(*head) for head in result.heads)
    figure = new_figure(
        colours, f"Without {shortened(names)}", result.provenance, height=240, said=shortened(result.message, 160)
    )
    hover = [f"without {shortened(names, 120)}<br>{result.lost:.4g} lost"]
    add_dots(figure, np.array([result.lost]), colours.hues[0], hover, name="these heads")
    draws = result.lost_at_random
    said = [f"random draw {at}<br>{lost:.4g} lost" for at, lost in enumerate(draws.tolist())]
    name = f"as many random heads, {counted(len(draws), 'draw')}"
    add_dots(figure, draws, colours.dim, said, rows=[1] * len(draws), name=name, symbol="x-thin-open")
    rows_down(figure, ["these heads", "random heads"])
    figure.update_xaxes(title_text="share of the logit difference that is lost", zeroline=True)
    return figure


def reference_comparison(result: ReferenceComparison, *, theme: ThemeName = "light") -> go.Figure:
    """Plot precision, recall and F1 of the heads found against a published set, a row a class.

    Parameters
    ----------
    result : ReferenceComparison
    theme : {"light", "dark"}, default "light"

    Returns
    -------
    plotly.graph_objects.Figure
        Dots; a measure that is not defined is missing.

    Examples
    --------
    >>> found = ioi.detect(scope, ioi.prompts(scope, n=20)).compare("gpt2")
    >>> [one.name for one in found.plot().data]
    ['precision', 'recall', 'F1']
    """
    colours = theme_of(theme)
    labels = [
        f"{words(name)} ({int(found)} found, {int(known)} published)"
        for name, found, known in zip(result.classes, result.found, result.reference, strict=True)
    ]
    figure = new_figure(
        colours,
        f"IOI heads against those of {shortened(result.reference_name)}",
        result.provenance,
        height=rows_height(len(labels), each=24, least=260),
    )
    for at, name in enumerate(("precision", "recall", "F1")):
        values = getattr(result, name.lower())
        hover = [
            f"{label}<br>{name} {value:.4g}, {int(both)} in both"
            for label, value, both in zip(labels, values.tolist(), result.true_positives, strict=True)
        ]
        add_dots(figure, values, colours.hues[at], hover, name=name, symbol=SYMBOLS[at])
    rows_down(figure, labels)
    figure.update_xaxes(title_text="0 to 1", range=[-0.03, 1.03])
    return figure
