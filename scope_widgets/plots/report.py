"""What a model is, written down and verified: scores of behaviours, entries, facts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go

from scope_widgets.plots.drawing.dots import add_dots, reference, rows_down
from scope_widgets.plots.drawing.labels import literal, number, shortened
from scope_widgets.plots.drawing.maps import rows_height
from scope_widgets.plots.drawing.theme import ThemeName, new_figure, theme_of
from scope_widgets.plots.tables import cells

if TYPE_CHECKING:
    from scope_widgets.report.documentation import Documentation
    from scope_widgets.report.model_facts import Architecture
    from scope_widgets.report.scoring.score import TransparencyScore


def transparency_score(result: TransparencyScore, *, theme: ThemeName = "light") -> go.Figure:
    """Plot how much of each behaviour its documentation explains, beside what it recovers and what chance does.

    Parameters
    ----------
    result : TransparencyScore
    theme : {"light", "dark"}, default "light"

    Returns
    -------
    plotly.graph_objects.Figure
        The score of each behaviour with its 95 % interval, and of those that are documented R and N.

    Examples
    --------
    >>> score = report.document(scope, []).verify(scope).score
    >>> bool((score.plot().data[0].x == 0).all())
    True
    """
    colours, behaviours = theme_of(theme), result.behaviours
    figure = new_figure(
        colours,
        f"Transparency {number(result.value)}",
        result.provenance,
        height=rows_height(len(behaviours), each=26, least=240),
        said=(
            f"lower end of the 95 % interval of the total, {number(result.total)} to at most {number(result.high)}; "
            f"suite {literal(result.suite)}"
        ),
    )
    value, low, high = (np.array([getattr(one, name) for one in behaviours]) for name in ("value", "low", "high"))
    hover = [
        f"{literal(one.behaviour)}, weight {one.weight:g}<br>score {number(one.value)}, 95 % {number(one.low)} to "
        f"{number(one.high)}<br>"
        + (
            literal(one.reason)
            or f"R {number(one.R)}, N {number(one.N)}; {one.n_edges:,} of {one.n_all:,} edges, {one.n_entries} entries"
        )
        for one in behaviours
    ]
    documented = [at for at, one in enumerate(behaviours) if one.n_edges]
    is_documented = np.array([bool(one.n_edges) for one in behaviours])
    add_dots(figure, value, colours.hues[0], hover, low=low, high=high, name="score", filled=is_documented)
    for name, symbol, field, hue in (
        ("recovered by its edges, R", "diamond", "R", colours.hues[2]),
        ("by random ones, N", "x-thin", "N", colours.dim),
    ):
        if documented:
            found = np.array([getattr(behaviours[at], field) for at in documented])
            add_dots(figure, found, hue, [hover[at] for at in documented], rows=documented, name=name, symbol=symbol)
    rows_down(figure, [literal(one.behaviour) for one in behaviours])
    figure.update_xaxes(title_text="score (0: nothing, 1: all of it, by no edges)", range=[-0.03, 1.03])
    return figure


def documentation(result: Documentation, *, n: int = 60, theme: ThemeName = "light") -> go.Figure:
    """Plot the entries of a documentation: what taking each one's components out does, by status.

    Parameters
    ----------
    result : Documentation
    n : int, default 60
        Entries at most, the verified ones first.
    theme : {"light", "dark"}, default "light"

    Returns
    -------
    plotly.graph_objects.Figure
        A dot an entry that was ablated, with its 95 % interval; a table of the entries where none was.

    Examples
    --------
    >>> entry = report.Entry("head", ("a3.h1",), "ioi", {"attends": ["END", "IO"]})
    >>> report.document(scope, [entry]).plot().data[0].type
    'table'
    """
    colours = theme_of(theme)
    order = {"verified": 0, "rejected": 1, "untested": 2}
    entries = sorted(result.entries, key=lambda one: order[one.status])
    tests = [{one.test: one for one in reversed(entry.evidence)}.get("ablation") for entry in entries]
    counts = ", ".join(f"{sum(one.status == status for one in entries)} {status}" for status in order)
    shown = [(entry, test) for entry, test in zip(entries, tests, strict=True) if test is not None][:n]
    if not shown:
        frame = result.to_dataframe()[["id", "kind", "behaviour", "status", "claim", "reason"]].head(n)
        return cells(frame, f"Documentation: {counts}", result.provenance, theme)
    more = f"; {len(shown)} with an ablation are shown" if len(shown) < len(entries) else ""
    figure = new_figure(
        colours, f"Documentation: {counts}", result.provenance, height=rows_height(len(shown), each=22, least=240),
        said=f"change of the metric when an entry's components are taken out, with 95 % intervals{more}",
    )  # fmt: skip
    looks = {
        "verified": (colours.hues[0], "circle"),
        "rejected": (colours.hues[1], "x-thin"),
        "untested": (colours.dim, "circle-open"),
    }
    for status, (hue, symbol) in looks.items():
        rows = [at for at, (entry, _) in enumerate(shown) if entry.status == status]
        if not rows:
            continue
        found = [shown[at] for at in rows]
        hover = [
            f"{shortened(entry.id)}: {status}<br>{shortened(entry.reason, 120)}<br>effect {number(test.effect)}, 95 % "
            f"{number(test.low)} to {number(test.high)}<br>alike {number(test.null)}, q {number(test.q, 2)}"
            for entry, test in found
        ]
        effect, low, high = (np.array([getattr(test, name) for _, test in found]) for name in ("effect", "low", "high"))
        add_dots(figure, effect, hue, hover, rows=rows, low=low, high=high, name=status, symbol=symbol)
    rows_down(figure, [shortened(entry.id, 40) for entry, _ in shown])
    reference(figure, colours, 0.0, "")
    figure.update_xaxes(title_text="effect of the ablation, in units of the behaviour's metric")
    return figure


def architecture(result: Architecture, *, theme: ThemeName = "light") -> go.Figure:
    """Draw the facts of a model as a table: what was found, what the configuration says, and how it was checked.

    Parameters
    ----------
    result : Architecture
    theme : {"light", "dark"}, default "light"

    Returns
    -------
    plotly.graph_objects.Figure

    Examples
    --------
    >>> report.architecture(scope).plot().data[0].type
    'table'
    """
    frame = result.to_dataframe()
    checked = int(frame["checked"].sum())
    frame["checked"] = ["yes" if one else "no" for one in frame["checked"]]
    frame = frame.rename(columns={"config": "configuration"})
    title = f"Architecture: {checked} of {len(frame)} facts checked"
    return cells(frame, title, result.provenance, theme, widths=(2, 4, 2.4, 1.3, 5))
