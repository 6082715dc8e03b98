"""Numbers as cells: exact hover, no interpolation, what was not run in grey."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from scope_widgets._types import Array
from scope_widgets.plots.drawing.labels import token_labels
from scope_widgets.plots.drawing.theme import MONO, Theme

#: below so many cells across they are set apart by a hairline
_APART = 40
#: pixels of a colour bar's title and numbers
BAR = 84


def limits_of(values: Array, *, signed: bool) -> tuple[float, float]:
    """Return the ends of a colour scale: symmetric around 0 where signed, else from 0 (or below) to the largest."""
    finite = values[np.isfinite(values)]
    if signed:
        most = float(np.abs(finite).max(initial=0.0)) or 1.0
        return -most, most
    return float(finite.min(initial=0.0)), float(finite.max(initial=0.0)) or 1.0


def colour_axis(
    figure: go.Figure,
    theme: Theme,
    limits: tuple[float, float],
    title: str,
    *,
    signed: bool,
    number: int = 1,
    bar: dict[str, Any] | None = None,
) -> str:
    """Add a colour scale with its bar and return its name."""
    name = f"coloraxis{number if number > 1 else ''}"
    figure.update_layout(
        {
            name: {
                "colorscale": theme.signed if signed else theme.magnitude,
                "cmin": limits[0],
                "cmax": limits[1],
                "colorbar": {
                    "title": {"text": title, "side": "right", "font": {"size": 11, "color": theme.ink}},
                    "thickness": 10,
                    "outlinewidth": 0,
                    "tickfont": {"size": 11, "color": theme.dim},
                    **(bar or {}),
                },
            }
        }
    )
    return name


def add_map(
    figure: go.Figure,
    theme: Theme,
    values: Array,
    coloraxis: str,
    hover: str,
    *,
    x: Sequence[Any] | None = None,
    y: Sequence[Any] | None = None,
    text: Sequence[Sequence[str]] | None = None,
    customdata: Any = None,
    not_run: Array | None = None,
    row: int | None = None,
    col: int | None = None,
) -> None:
    """Add cells `[row, column]` with their hover, and below them those that were not run.

    `hover` is a hover template; `text` is written in the cells, `customdata` is `[row, column, field]`.
    """
    where = {} if row is None else {"row": row, "col": col}
    gap = 1 if row is None and max(values.shape) <= _APART else 0
    cells = go.Heatmap(
        z=values,
        x=x,
        y=y,
        coloraxis=coloraxis,
        hovertemplate=hover + "<extra></extra>",
        hoverongaps=False,
        customdata=customdata,
        text=text,
        texttemplate=None if text is None else "%{text}",
        textfont={"size": 10},
        xgap=gap,
        ygap=gap,
        zsmooth=False,
    )
    figure.add_trace(cells, **where)
    if not_run is not None and not_run.any():
        grey = [(0.0, theme.not_run), (1.0, theme.not_run)]
        figure.add_trace(
            go.Heatmap(
                z=np.where(not_run, 0.0, np.nan),
                x=x,
                y=y,
                colorscale=grey,
                showscale=False,
                showlegend=True,
                name="not run",
                hoverongaps=False,
                hovertemplate=hover.partition("<br>")[0] + "<br>not run<extra></extra>",
                customdata=customdata,
                xgap=gap,
                ygap=gap,
            ),
            **where,
        )


def positions(tokens: Sequence[str]) -> list[str]:
    """Return the categories of an axis of positions: their numbers, which `token_axis` writes as tokens."""
    return [str(at) for at in range(len(tokens))]


def token_axis(tokens: Sequence[str], title: str, *, down: bool = False, of: str = "x") -> dict[str, Any]:
    """Return an axis of positions that says their tokens, thinned where they collide, in ticks and in hovers."""
    return {
        "type": "category",
        "labelalias": dict(zip(positions(tokens), token_labels(tokens), strict=True)),
        "title": {"text": title},
        "showgrid": False,
        "zeroline": False,
        "tickfont": {"family": MONO, "size": 10},
        **({"tickangle": -45} if of == "x" else {}),
        **({"autorange": "reversed"} if down else {}),
    }


def number_axis(count: int, title: str, *, down: bool = False) -> dict[str, Any]:
    """Return an axis of whole numbers from 0, such as layers and heads."""
    step = next(step for step in (1, 2, 4, 5, 10, 20, 50, 100, 1000) if count / step <= 32 or step == 1000)
    ends = [-0.5, count - 0.5]
    return {
        "title": {"text": title},
        "tickmode": "linear",
        "tick0": 0,
        "dtick": step,
        "range": ends[::-1] if down else ends,
        "showgrid": False,
        "zeroline": False,
    }


def rows_height(count: int, *, each: float = 26, least: float = 320, most: float = 1100) -> float:
    """Return how high a figure of so many rows is, in pixels."""
    return float(np.clip(count * each + 130, least, most))
