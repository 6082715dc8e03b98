"""A picture of cells with what stands around it: names along two sides, a scale of colours, what is estimated."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np
import numpy.typing as npt

from scope_widgets.widgets.core.drawing.colours import NOT_RUN, Colours
from scope_widgets.widgets.core.drawing.svg_sheet import DIM, INK, LINE, TEXT, Paper, cut, hex_of, measured

#: points of a cell at most: across, across where it holds a word, down
_WIDE, _WORDY, _HIGH = 26.0, 48.0, 13.0
#: more cells are drawn as a picture
_MOST_RECTANGLES = 8000
#: pixels of that picture along each side: more are thinned out
_MOST = 512
_LINE, _GAP = 8.5, 4.0
_LONGEST = 10
_STAND_INS = {" ": "·", "\n": "⏎", "\t": "⇥", "\r": "␍"}
_UNSEEN = {"Cc", "Cf", "Co", "Cs", "Zl", "Zp", "Zs"}


@dataclass(frozen=True)
class Axes:
    """What stands around a picture of cells, and in them.

    Parameters
    ----------
    rows, columns : sequence of str
        Names, from the top and from the left; none where there are none.
    row_name, column_name : str
    scale : (colours, low, high, name)
        uint8 [n, 3] from the lowest to the highest, what these stand for, and of what.
    estimated, undefined, empty : bool array [row, column], optional
        Cells that were estimated (drawn pale, with a dot), that have no value (hatched), that were not run.
    words : sequence of sequences of str, optional
        What stands in each cell, where there is room.
    square : bool
        Whether both sides are tokens of one prompt: cells as wide as high.
    """

    rows: Sequence[str]
    columns: Sequence[str]
    row_name: str
    column_name: str
    scale: tuple[Colours, str, str, str]
    estimated: npt.NDArray[np.bool_] | None = None
    undefined: npt.NDArray[np.bool_] | None = None
    empty: npt.NDArray[np.bool_] | None = None
    words: Sequence[Sequence[str]] | None = None
    square: bool = False


def visible(token: str, longest: int = _LONGEST) -> str:
    """Return a token with what cannot be seen named, cut where it is long."""
    seen = "".join(
        _STAND_INS.get(one) or (f"U+{ord(one):04X}" if unicodedata.category(one) in _UNSEEN else one) for one in token
    )
    seen = seen or "∅"
    return seen if len(seen) <= longest else f"{seen[: longest - 1]}…"


def draw_cells(paper: Paper, image: npt.NDArray[Any], axes: Axes, left: float = 0.0, room: float = 0.0) -> None:
    """Draw cells, uint8 [row, column] or [row, column, 3], below what stands there.

    From `left` on, in `room` points (to the right edge by default).
    """
    pixels = np.repeat(image[..., None], 3, -1) if image.ndim == 2 else image[..., :3]
    rows, columns = pixels.shape[:2]
    room = room or paper.width - left
    gutter = max((measured(name, mono=axes.square) for name in axes.rows), default=0) + (_GAP if axes.rows else 0)
    gutter += _LINE + 2 if axes.row_name else 0
    longest = [measured(name, mono=True) for name in axes.columns]
    across = min(_WORDY if axes.words else _WIDE, (room - gutter) / columns)
    flat = all(wide + 2 < across for wide in longest)
    if not flat:  # a name that is turned reaches out to the left of its column
        gutter = max(gutter, longest[0] * 0.71 - across / 2)
        across = min(across, (room - gutter) / columns)
    down = across if axes.square else min(_HIGH, max(_LINE, across) if rows <= 48 else 400 / rows)
    x, y = left + gutter, paper.y + 2
    _draw_values(paper, pixels, axes, (x, y, across, down))
    paper.frame(x, y, columns * across, rows * down)
    if axes.words is not None:
        _draw_words(paper, pixels, axes.words, (x, y, across, down))
    _draw_rows(paper, axes, left, (x, y, columns * across, rows * down))
    below = _draw_columns(paper, axes, flat, (x, y + rows * down, across, 0))
    paper.y = below
    draw_scale(paper, axes, min(x, left + 0.4 * room), left + room)


def draw_scale(paper: Paper, axes: Axes, left: float = 0.0, right: float = 0.0) -> None:
    """Draw the scale of colours, and the key of what has no colour of it."""
    colours, low, high, words = axes.scale
    middle = ["0"] if low.startswith("−") else []
    paper.scale(colours, [low, *middle, high], words, left, right)
    keys = []
    strong = hex_of(colours[round(0.8 * (len(colours) - 1))])
    box = f'<rect width="8" height="8" stroke="{LINE}" stroke-width=".5" fill='
    if axes.estimated is not None and axes.estimated.any():
        keys.append(
            (
                f'{box}"{strong}" fill-opacity=".4"/><circle cx="4" cy="4" r="0.9" fill="#8a8f98"/>',
                "estimated by a gradient",
            )
        )
    if axes.empty is not None and axes.empty.any():
        keys.append((f'{box}"{hex_of(NOT_RUN)}"/>', "not run"))
    if axes.undefined is not None and axes.undefined.any():
        keys.append((f'{box}"{paper.hatching()}"/>', "undefined"))
    paper.keys(keys, left, right)


_Place = tuple[float, float, float, float]


def _draw_values(paper: Paper, pixels: npt.NDArray[Any], axes: Axes, place: _Place) -> None:
    x, y, across, down = place
    rows, columns = pixels.shape[:2]
    none = np.zeros((rows, columns), bool)
    estimated, undefined, empty = (
        none if some is None else some for some in (axes.estimated, axes.undefined, axes.empty)
    )
    pixels = np.where(estimated[..., None], pixels // 2 + 128, pixels)
    pixels = np.where(empty[..., None], NOT_RUN, pixels).astype(np.uint8)
    if pixels.shape[0] * pixels.shape[1] > _MOST_RECTANGLES:
        steps = (ceil(size / _MOST) for size in (rows, columns))
        paper.image(pixels[tuple(slice(None, None, step) for step in steps)], x, y, columns * across, rows * down)
        return
    gap = 0.5 if min(across, down) > 5 else 0.0  # and no seams between cells where a program smooths their edges
    hatched = paper.hatching() if undefined.any() else ""
    paper.add('<g shape-rendering="crispEdges">')
    for row, column in np.ndindex(rows, columns):
        fill = hatched if undefined[row, column] else hex_of(pixels[row, column])
        if fill != "#ffffff":
            paper.rect(x + column * across, y + row * down, across - gap, down - gap, fill)
    paper.add("</g>")
    if estimated.any() and min(across, down) >= 4:
        for row, column in np.argwhere(estimated):
            paper.dot(x + (column + 0.5) * across, y + (row + 0.5) * down, 0.9, "#8a8f98")


def _draw_words(paper: Paper, pixels: npt.NDArray[Any], words: Sequence[Sequence[str]], place: _Place) -> None:
    x, y, across, down = place
    room = across - 2
    if down < _LINE or room < measured("abc", mono=True):
        return
    dark = pixels @ np.array([0.2126, 0.7152, 0.0722]) < 140
    for row, line in enumerate(words):
        for column, word in enumerate(line):
            paper.text(
                x + (column + 0.5) * across,
                y + (row + 0.5) * down + 2.4,
                cut(word, room, mono=True),
                anchor="middle",
                fill="#ffffff" if dark[row, column] else INK,
                mono=True,
            )


def _draw_rows(paper: Paper, axes: Axes, left: float, box: _Place) -> None:
    x, y, _, height = box
    if axes.row_name and height > measured(axes.row_name):
        paper.text(left + TEXT, y + height / 2, axes.row_name, anchor="middle", fill=DIM, turned=-90)
    count = len(axes.rows)
    step = height / max(1, count)
    for at in range(0, count, ceil(_LINE / step) if count else 1):
        paper.text(x - _GAP, y + (at + 0.5) * step + 2.5, axes.rows[at], anchor="end", mono=axes.square)


def _draw_columns(paper: Paper, axes: Axes, flat: bool, place: _Place) -> float:
    """Write the names below the cells; gives where they end."""
    x, y, across, _ = place
    count = len(axes.columns)
    every = 1 if flat else ceil((_LINE + 1) / across)
    for at in range(0, count, every):
        middle = x + (at + 0.5) * across
        if flat:
            paper.text(middle, y + _LINE, axes.columns[at], anchor="middle", mono=True)
        else:
            paper.text(middle + 3, y + 7, axes.columns[at], anchor="end", mono=True, turned=-45)
    end = y
    if count:
        end += _LINE + 2 if flat else 9 + 0.71 * max(measured(name, mono=True) for name in axes.columns[::every])
    if count and axes.column_name:
        paper.text(x + count * across / 2, end + 6, axes.column_name, anchor="middle", fill=DIM)
        end += 8
    return end
