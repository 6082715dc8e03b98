"""A table of heads on paper: numbers with bars on one scale a column, their thresholds and intervals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from scope_widgets.widgets.core.drawing.svg_sheet import DIM, INK, LINE, Paper, cut, measured, wrapped
from scope_widgets.widgets.figures.captions import counted, number
from scope_widgets.widgets.head_table.columns import Column

MOST_ROWS = 24
_ROW, _GAP, _BAR, _LONGEST = 11.0, 8.0, 34.0, 90.0
_FILL = "#9db9d9"


def draw_table(paper: Paper, frame: pd.DataFrame, columns: Sequence[Column], letters: Sequence[str] = ()) -> None:
    """Draw the first rows, and say what is not drawn.

    `frame` is as sorted, its index that of `letters`.
    """
    rows = frame.head(MOST_ROWS)
    bar, (shown, widths, left) = next(
        (bar, found)
        for bar in (_BAR, 24.0, 14.0, 0.0)
        if not (found := _fitting(paper.width, rows, columns, bar))[2] or not bar
    )
    if left:  # not even without bars
        bar, (shown, widths, left) = 24.0, _fitting(paper.width, rows, columns, 24.0)
    titles = [
        wrapped(column.name.replace("_", " "), max(width, 1)) for column, width in zip(shown, widths, strict=True)
    ]
    high = max([1, *map(len, titles)]) * 8.5
    first = _GAP + max(
        [measured("head"), *(measured(_head(row)) + 12 * bool(letters) for row in rows.to_dict("records"))]
    )
    top = paper.y + high
    paper.text(0, top, "head", fill=DIM)
    x = first
    for width, lines in zip(widths, titles, strict=True):
        for at, line in enumerate(lines):
            paper.text(x, top - (len(lines) - 1 - at) * 8.5, line, fill=DIM)
        x += width + _GAP
    paper.line(f"M0 {top + 3:.1f}H{paper.width:.1f}", LINE)
    for at, (label, row) in enumerate(zip(rows.index, rows.to_dict("records"), strict=True)):
        y = top + 3 + (at + 1) * _ROW - 2.5
        paper.text(0, y, _head(row))
        if letters and letters[label]:
            paper.text(first - _GAP - 8, y, "−" if letters[label] == "-" else letters[label], bold=True)
        x = first
        for column, width in zip(shown, widths, strict=True):
            _draw_cell(paper, x, y, width, column, row, rows, bar)
            x += width + _GAP
    paper.y = top + 5 + len(rows) * _ROW
    _draw_ends(paper, rows, shown, widths, first, bar)
    more = len(frame) - len(rows)
    notes = ([f"{counted(more, 'more head')} below"] if more else []) + (
        [f"columns without room: {', '.join(left)}"] if left else []
    )
    if notes:
        paper.paragraph("; ".join(notes).capitalize() + ".", fill=DIM)


def _fitting(
    room: float, rows: pd.DataFrame, columns: Sequence[Column], bar: float
) -> tuple[list[Column], list[float], list[str]]:
    """Return the columns that there is room for, how wide they are, and the names of the others."""
    shown, widths, left = [], [], []
    used = 34.0
    for column in columns:
        if column.kind == "strip" or column.name in ("layer", "head"):
            continue
        if column.kind == "text":
            longest = max((measured(_words(value)) for value in rows[column.name]), default=0)
            width = min(_LONGEST, max(longest, 20))
        else:
            width = _number_width(rows, column) + (0 if column.kind == "integer" or not bar else 4 + bar)
        width = max(width, max(measured(word) for word in column.name.split("_")))
        if used + width + _GAP > room:
            left.append(column.name.replace("_", " "))
            continue
        shown.append(column)
        widths.append(width)
        used += width + _GAP
    return shown, widths, left


def _draw_cell(
    paper: Paper, x: float, y: float, width: float, column: Column, row: Any, rows: pd.DataFrame, bar: float
) -> None:
    value = row[column.name]
    if column.kind == "text":
        paper.text(x, y, cut(_words(value), width))
        return
    wide = _number_width(rows, column)
    paper.text(x + wide, y, _number(rows, column, float(value)), anchor="end")
    if column.kind == "integer" or value != value or not bar:
        return
    low, high = _domain(rows, column)

    def at(number: float) -> float:
        return x + wide + 4 + bar * float(np.clip((number - low) / ((high - low) or 1), 0, 1))

    start, end = sorted((at(0), at(float(value))))
    paper.rect(start, y - 5.5, max(0.3, end - start), 6, _FILL)
    if low < 0:
        paper.line(f"M{at(0):.1f} {y - 6.5:.1f}v8", DIM, 0.4)
    if column.low and column.high and row[column.low] == row[column.low]:
        paper.line(f"M{at(row[column.low]):.1f} {y - 2.5:.1f}H{at(row[column.high]):.1f}", INK, 0.7)
    if column.threshold is not None and low <= column.threshold <= high:
        paper.line(f"M{at(column.threshold):.1f} {y - 7.5:.1f}v10", INK, 0.5, ' stroke-dasharray="1.5 1"')


def _draw_ends(
    paper: Paper, rows: pd.DataFrame, shown: Sequence[Column], widths: Sequence[float], first: float, bar: float
) -> None:
    """Below each column of bars the numbers at its ends."""
    x, any_bars = first, False
    for column, width in zip(shown, widths, strict=True):
        if column.kind == "number" and bar:
            low, high = _domain(rows, column)
            start = x + _number_width(rows, column) + 4
            said = [number(low, 2), number(high, 2)]
            if sum(map(measured, said)) + 3 <= bar:
                paper.text(start, paper.y + 6, said[0], fill=DIM)
            paper.text(start + bar, paper.y + 6, said[1], fill=DIM, anchor="end")
            any_bars = True
        x += width + _GAP
    paper.y += 9 if any_bars else 0


def _domain(rows: pd.DataFrame, column: Column) -> tuple[float, float]:
    ends = [name for name in (column.name, column.low, column.high) if name]
    values = rows[ends].to_numpy(float)
    finite = values[np.isfinite(values)]
    more = [] if column.threshold is None else [column.threshold]
    return min(0.0, *finite, *more) if len(finite) else 0.0, max([0.0, *finite, *more]) or 1.0


def _number_width(rows: pd.DataFrame, column: Column) -> float:
    return max((measured(_number(rows, column, float(value))) for value in rows[column.name]), default=0)


def _number(rows: pd.DataFrame, column: Column, value: float) -> str:
    """Three decimals where a column is of shares and effects, so that numbers stand under each other; p as it is."""
    fixed = column.kind == "number" and column.name.split("_")[0] != "p" and rows[column.name].abs().max() < 100
    return number(value) if not fixed or value != value else f"{value:.3f}".replace("-", "−")


def _head(row: Any) -> str:
    return f"{row['layer']}.{row['head']}"


def _words(value: Any) -> str:
    return str(value).replace("_", " ")
