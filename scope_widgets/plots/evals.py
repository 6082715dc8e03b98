"""Evaluations of a model, and before and after an intervention."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go

from scope_widgets.plots.drawing.dots import add_dots, reference, rows_down
from scope_widgets.plots.drawing.labels import literal, number, shortened, words
from scope_widgets.plots.drawing.maps import rows_height
from scope_widgets.plots.drawing.theme import ThemeName, new_figure, panels, theme_of

if TYPE_CHECKING:
    from scope_widgets.evals.comparison import Comparison
    from scope_widgets.evals.eval_result import EvalResult


def eval_comparison(result: Comparison, *, theme: ThemeName = "light") -> go.Figure:
    """Plot what an intervention changes: a metric a row, in units of the difference that would matter.

    Parameters
    ----------
    result : Comparison
    theme : {"light", "dark"}, default "light"

    Returns
    -------
    plotly.graph_objects.Figure
        After minus before with 95 % intervals, divided by each metric's bound: between the lines nothing that matters
        has changed. A trace for each verdict that there is.

    Examples
    --------
    >>> head = steering.ScaleHead(3, 1, 0.0)
    >>> done = evals.compare(scope, "perplexity", head, n=8, progress=False)
    >>> sum(len(one.x) for one in done.plot().data) == len(done.names)
    True
    """
    colours = theme_of(theme)
    figure = new_figure(
        colours, f"Before and after: {shortened(result.what, 60)}", result.provenance,
        height=rows_height(len(result.names), each=24, least=240),
        said="after minus before, in differences that would matter; between the dotted lines it does not",
    )  # fmt: skip
    verdicts = np.array(result.verdicts, dtype=object)
    looks = {
        "changed": (colours.hues[1], "diamond"),
        "kept": (colours.hues[0], "circle"),
        "not shown": (colours.dim, "circle"),
    }
    said = [
        f"{literal(name)}: {verdict}<br>{number(before, 4)} to {number(after, 4)}, difference {number(difference, 4)}"
        f"<br>95 % {number(low, 4)} to {number(high, 4)}, bound {number(bound, 4)}<br>p {number(p, 2)} (Holm), "
        f"{n:,} items in {clusters:,} clusters"
        for name, verdict, before, after, difference, low, high, bound, p, n, clusters in zip(
            result.names, result.verdicts, result.before, result.after, result.difference, result.low, result.high,
            result.bound, result.corrected, result.n, result.clusters, strict=True,
        )
    ]  # fmt: skip
    for verdict, (hue, symbol) in looks.items():
        rows = np.flatnonzero(verdicts == verdict)
        if len(rows):
            low, middle, high = ((one / result.bound)[rows] for one in (result.low, result.difference, result.high))
            add_dots(
                figure, middle, hue, [said[row] for row in rows], rows=rows.tolist(), low=low, high=high, name=verdict,
                symbol=symbol, filled=np.full(len(rows), verdict != "not shown"),
            )  # fmt: skip
    rows_down(figure, [literal(one) for one in result.names])
    for at in (-1.0, 0.0, 1.0):
        reference(figure, colours, at, "")
    figure.update_xaxes(title_text="difference, in bounds that would matter")
    return figure


def eval_result(result: EvalResult, *, theme: ThemeName = "light") -> go.Figure:
    """Plot the metrics of a model with their 95 % intervals, a panel a unit.

    Parameters
    ----------
    result : EvalResult
    theme : {"light", "dark"}, default "light"

    Returns
    -------
    plotly.graph_objects.Figure
        A cross where a metric has a value to aim at.

    Examples
    --------
    >>> figure = evals.run(scope, "perplexity", n=6).plot()
    >>> [one.text for one in figure.layout.annotations]
    ['nats a token', 'bits a byte']
    """
    colours = theme_of(theme)
    units = list(dict.fromkeys(one.unit for one in result.tasks))
    of_unit = [[at for at, one in enumerate(result.tasks) if one.unit == unit] for unit in units]
    heights = [max(1, len(one)) + 0.8 for one in of_unit]
    figure = new_figure(
        colours, "Evaluations", result.provenance, height=150 + 26 * len(result.tasks) + 64 * len(units),
        said=f"intervention: {shortened(result.what, 100)}",
        into=panels(
            colours, len(units), 1, [words(one) for one in units],
            down=min(0.9 / max(1, len(units)), 90 / (150 + 26 * len(result.tasks) + 64 * len(units))),
            row_heights=heights,
        ),
    )  # fmt: skip
    for row, places in enumerate(of_unit, 1):
        tasks = [result.tasks[at] for at in places]
        values = np.array([one.value for one in tasks])
        hover = [
            f"{literal(one.name)} {number(one.value, 4)} {literal(one.unit)}<br>95 % {number(low, 4)} to "
            f"{number(high, 4)}<br>{literal(one.meaning)}; better: {one.better}<br>{len(one.values):,} items"
            for one, low, high in zip(tasks, result.low[places].tolist(), result.high[places].tolist(), strict=True)
        ]
        add_dots(
            figure, values, colours.hues[0], hover, low=result.low[places], high=result.high[places], row=row, col=1
        )
        aims = [at for at, one in enumerate(tasks) if np.isfinite(one.target)]
        if aims:
            figure.add_trace(
                go.Scatter(
                    x=[tasks[at].target for at in aims],
                    y=[str(at) for at in aims],
                    mode="markers",
                    marker={"symbol": "x-thin", "size": 9, "line": {"width": 1.5, "color": colours.dim}},
                    hovertext=[f"the value to aim at, {tasks[at].target:g}" for at in aims],
                    hoverinfo="text",
                    showlegend=False,
                ),
                row=row,
                col=1,
            )
        rows_down(figure, [literal(one.name) for one in tasks], row=row, col=1)
        if all(one.unit.startswith("share") for one in tasks):
            figure.update_xaxes(range=[-0.03, 1.03], row=row, col=1)
    return figure
