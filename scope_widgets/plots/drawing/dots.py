"""Numbers as dots with their intervals, one row each, and as pairs of dots joined by a line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from scope_widgets._types import Array
from scope_widgets.plots.drawing.theme import MONO, Theme


def add_dots(
    figure: go.Figure,
    values: Array,
    colour: str | Sequence[str],
    hover: Sequence[str],
    *,
    rows: Sequence[int] | None = None,
    low: Array | None = None,
    high: Array | None = None,
    name: str = "",
    symbol: str | Sequence[str] = "circle",
    filled: Array | None = None,
    **options: Any,
) -> None:
    """Add a dot a row with its interval.

    `hover` has a text for each, `filled` says which are solid, `rows` in which row each stands, by default its own.
    """
    interval = None
    if low is not None and high is not None:
        interval = {
            "type": "data",
            "symmetric": False,
            "array": high - values,
            "arrayminus": values - low,
            "thickness": 1.2,
            "width": 0,
        }
        if isinstance(colour, str):
            interval["color"] = colour
    symbols: Any = symbol
    if filled is not None:
        base = symbol if isinstance(symbol, str) else "circle"
        symbols = [base if one else f"{base}-open" for one in filled]
    figure.add_trace(
        go.Scatter(
            x=values,
            y=[str(row) for row in (range(len(values)) if rows is None else rows)],
            mode="markers",
            marker={"color": colour, "size": 8, "symbol": symbols, "line": {"width": 1.2, "color": colour}},
            error_x=interval,
            hovertext=list(hover),
            hoverinfo="text",
            name=name,
            showlegend=bool(name),
        ),
        **options,
    )


def add_joined(
    figure: go.Figure, theme: Theme, before: Array, after: Array, hover: Sequence[str], names: tuple[str, str]
) -> None:
    """Add two dots a row, hollow before and solid after, joined by a line."""
    x = np.stack([before, after, np.full(len(before), np.nan)], 1).ravel()
    y = np.repeat([str(row) for row in range(len(before))], 3)
    figure.add_trace(
        go.Scatter(x=x, y=y, mode="lines", line={"color": theme.dim, "width": 1.5}, hoverinfo="skip", showlegend=False)
    )
    add_dots(figure, before, theme.hues[0], hover, name=names[0], filled=np.zeros(len(before), bool))
    add_dots(figure, after, theme.hues[0], hover, name=names[1])


def rows_down(figure: go.Figure, labels: Sequence[str], title: str = "", *, mono: bool = False, **where: int) -> None:
    """Name rows 0, 1, ... of a figure from the top down; labels are literal already and may be equal."""
    rows = [str(row) for row in range(len(labels))]
    figure.update_yaxes(
        type="category",
        categoryorder="array",
        categoryarray=rows[::-1],
        range=[-0.6, len(rows) - 0.4],
        labelalias=dict(zip(rows, labels, strict=True)),
        title={"text": title},
        **({"tickfont": {"family": MONO, "size": 11}} if mono else {}),
        **({"dtick": 1} if len(rows) <= 60 else {}),
        **where,
    )


def reference(figure: go.Figure, theme: Theme, at: float, text: str, *, across: bool = False) -> None:
    """Draw a dashed line at a value that others are compared with: upright, or across."""
    line = {"color": theme.dim, "width": 1, "dash": "dot"}
    said = {"text": text, "font": {"size": 10, "color": theme.dim}}
    if across:
        figure.add_hline(
            y=at, line=line, annotation={**said, "xanchor": "right", "x": 1}, annotation_position="top right"
        )
    else:
        figure.add_vline(x=at, line=line, annotation=said, annotation_position="bottom right")
