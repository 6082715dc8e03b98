"""Points of a projection on paper: dots, or a picture of them where they are many, and what their colours mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from scope_widgets.widgets.core.drawing.colours import MAGNITUDE, SIGNED, Colours, coloured
from scope_widgets.widgets.core.drawing.picture_svg import visible
from scope_widgets.widgets.core.drawing.svg_sheet import DIM, LINE, SELECT, Paper, hex_of
from scope_widgets.widgets.figures.captions import number

if TYPE_CHECKING:
    from scope_widgets.widgets.projection_view.columns import Column

#: hues of classes on paper, as js/src/projection_view/colours.ts has them, and of classes without one; what has no
#: value is a ring of that grey
_NAMES = ("00589f", "c46b00", "0a874e", "af538f", "878962", "2381b9", "a93b00", "6b4d00")
HUES = np.array([[int(one[at : at + 2], 16) for at in (0, 2, 4)] for one in _NAMES], np.uint8)
OTHER = np.array([0x9A, 0xA0, 0xA8], np.uint8)
#: more points are a picture, of so many pixels a point of paper
_MOST_DOTS, _FINER = 3000, 3
_TALLEST = 0.75
_FLOOR = 1e-4
#: the low end of the scale is a colour that can be seen, since a point has no cell around it
_LEAST, _LEAST_SIGNED = 0.2, 0.35
#: by so much of the way from 0 to an end the grey of 0 is gone
_FADE = 6


@dataclass(frozen=True)
class Shown:
    """What is on show.

    Attributes
    ----------
    places : ndarray [point, 2]
    column : Column or None
    limits : (low, high) or None
        Of a column of numbers.
    log : bool
    axes : list of str
    frame : list of float
        [left, bottom, right, top].
    selected : ndarray of int
    """

    places: npt.NDArray[np.float64]
    column: Column | None
    limits: Sequence[float] | None
    log: bool
    axes: list[str]
    frame: list[float]
    selected: npt.NDArray[np.int64]

    def ends(self) -> tuple[float, float]:
        """Return where the colours of numbers end."""
        assert self.column is not None
        low, high = self.limits or (self.column.low, self.column.high)
        return (-max(abs(low), abs(high)), max(abs(low), abs(high))) if self.column.signed else (low, high)

    def colours(self) -> Colours:
        """Return the colour of each point, uint8 [point, 3]."""
        column = self.column
        if column is None:
            return np.broadcast_to(HUES[0], (len(self.places), 3)).copy()
        known = np.isfinite(column.values)
        if column.classes is not None:
            index = np.where(known, column.values, 0).astype(int)
            found = np.where((index < shown_classes(column))[:, None], HUES[index % len(HUES)], OTHER)
        else:
            found = coloured(*self._on_scale(column.values), table(column.signed))
        return np.where(known[:, None], found, OTHER).astype(np.uint8)

    def missing(self) -> npt.NDArray[np.bool_]:
        """Return which points have no class or number, bool [point]."""
        return np.zeros(len(self.places), bool) if self.column is None else ~np.isfinite(self.column.values)

    def _on_scale(self, values: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], float, float]:
        low, high = self.ends()
        if not self.log or low < 0:
            return values, low, high
        low = max(low, _FLOOR)
        return np.log(np.maximum(values, low)), float(np.log(low)), float(np.log(max(high, low * 1.001)))


def table(signed: bool) -> Colours:
    """Return the colours of a scale of points: its zero is a grey, since what is drawn has no cell around it."""
    if signed:
        at = np.linspace(-1, 1, len(SIGNED))
        size = np.abs(at)
        seen = np.sign(at) * (_LEAST_SIGNED + (1 - _LEAST_SIGNED) * size)
        colours = SIGNED[((seen + 1) / 2 * (len(SIGNED) - 1)).round().astype(int)].astype(float)
        share = np.minimum(1, size * _FADE)[:, None]
        return np.asarray((OTHER + (colours - OTHER) * share).round(), np.uint8)
    return MAGNITUDE[int(_LEAST * (len(MAGNITUDE) - 1)) :]


def shown_classes(column: Column) -> int:
    """Return how many of the classes have a hue: all, or all but the last hue, which would be one of many."""
    n = len(column.classes or [])
    return n if n <= len(HUES) else len(HUES) - 1


def _fit(frame: Sequence[float], width: float, height: float) -> tuple[float, float, float]:
    """Return scale and shifts: x of the sheet is `x * scale + left`, y is `top - y * scale`."""
    left, bottom, right, top = frame
    scale = min(width / max(right - left, 1e-12), height / max(top - bottom, 1e-12))
    return scale, width / 2 - scale * (left + right) / 2, height / 2 + scale * (bottom + top) / 2


def dotted(shown: Shown, width: int, height: int, size: int = 3) -> Colours:
    """Return the points as a picture on white, uint8 [row, column, 3]; what is selected is drawn last."""
    picture = np.full((height, width, 3), 255, np.uint8)
    scale, left, top = _fit(shown.frame, width - 4 * size, height - 4 * size)
    x = (shown.places[:, 0] * scale + left + 2 * size).round().astype(int)
    y = (top - shown.places[:, 1] * scale + 2 * size).round().astype(int)
    colours, missing = shown.colours(), shown.missing()
    chosen = np.zeros(len(x), bool)
    chosen[shown.selected] = True
    order = np.argsort(chosen, kind="stable")
    rim = (-(size // 2), size - size // 2 - 1)
    for down in range(-(size // 2), size - size // 2):
        for across in range(-(size // 2), size - size // 2):
            rows, columns = (y[order] + down).clip(0, height - 1), (x[order] + across).clip(0, width - 1)
            drawn = ~missing[order] if down not in rim and across not in rim else slice(None)
            picture[rows[drawn], columns[drawn]] = colours[order][drawn]
    return picture


def draw_projection(paper: Paper, shown: Shown) -> None:
    """Draw the points, the names of the axes where they have some, and the key of the colours."""
    n = len(shown.places)
    if not n:
        paper.paragraph("There are no points.", fill=DIM)
        return
    gutter = 10.0 if shown.axes else 0.0
    wide = paper.width - gutter
    left, bottom, right, above = shown.frame
    high = wide * min(_TALLEST, max(0.3, (above - bottom) / max(right - left, 1e-12)))
    top = paper.y + 2
    if n > _MOST_DOTS:
        picture = dotted(shown, int(wide * _FINER), int(high * _FINER), 3 if n > 20_000 else 4)
        paper.image(picture, gutter, top, wide, high)
    else:
        _dots(paper, shown, gutter, top, wide, high)
    paper.frame(gutter, top, wide, high)
    paper.y = top + high
    if shown.axes:
        across, up = shown.axes
        paper.text(gutter + wide / 2, paper.y + 9, across, anchor="middle", fill=DIM)
        paper.text(7, top + high / 2, up, anchor="middle", fill=DIM, turned=-90)
        paper.y += 10
    _key(paper, shown)
    if n > _MOST_DOTS:
        paper.paragraph(f"All {n:,} points, as a picture; those drawn later hide others.", fill=DIM)


def _dots(paper: Paper, shown: Shown, left: float, top: float, wide: float, high: float) -> None:
    radius = 1.8 if len(shown.places) < 300 else 1.2
    scale, x0, y0 = _fit(shown.frame, wide - 6 * radius, high - 6 * radius)
    x, y = left + 3 * radius + shown.places[:, 0] * scale + x0, top + 3 * radius + y0 - shown.places[:, 1] * scale
    colours, missing, chosen = shown.colours(), shown.missing(), set(shown.selected.tolist())
    for at in range(len(x)):
        edge = f' stroke="{SELECT}" stroke-width="1"' if at in chosen else ""
        colour, place = hex_of(colours[at]), (float(x[at]), float(y[at]))
        if not missing[at]:
            paper.dot(*place, radius, colour, edge)
            continue
        paper.dot(*place, radius - 0.3, "none", f' stroke="{colour}" stroke-width=".6"')
        if edge:
            paper.dot(*place, radius, "none", edge)


def _key(paper: Paper, shown: Shown) -> None:
    column = shown.column
    if column is None:
        return
    missing = int((~np.isfinite(column.values)).sum())
    without = [(_ring(OTHER), f"none ({missing:,})")] if missing else []
    paper.y += 2
    if column.classes is None:
        low, high = shown.ends()
        middle = [number(0.0)] if column.signed else []
        name = visible(column.name, 60).replace("·", " ") + (", logarithmic" if shown.log and low >= 0 else "")
        paper.scale(table(column.signed), [number(low), *middle, number(high)], name)
        paper.keys(without)
        return
    known = shown_classes(column)
    keys = [
        (_swatch(HUES[at]), f"{visible(name, 40).replace('·', ' ')} ({count:,})")
        for at, (name, count) in enumerate(zip(column.classes[:known], column.counts[:known], strict=True))
    ]
    if rest := len(column.classes) - known:
        keys.append((_swatch(OTHER), f"{rest:,} others ({sum(column.counts[known:]):,})"))
    paper.keys([*keys, *without])


def _swatch(colour: npt.NDArray[Any]) -> str:
    return f'<circle cx="4" cy="4" r="3" fill="{hex_of(colour)}" stroke="{LINE}" stroke-width=".3"/>'


def _ring(colour: npt.NDArray[Any]) -> str:
    return f'<circle cx="4" cy="4" r="2.5" fill="none" stroke="{hex_of(colour)}" stroke-width="1"/>'
