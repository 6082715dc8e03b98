"""Attention on paper: every head as a thumbnail, and beside it the head that is open."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil
from typing import Any

import numpy as np
import numpy.typing as npt

from scope_widgets.widgets.core.drawing.colours import MAGNITUDE, SIGNED, Colours, coloured
from scope_widgets.widgets.core.drawing.picture_svg import Axes, draw_cells, draw_scale, visible
from scope_widgets.widgets.core.drawing.svg_sheet import DIM, LINE, TEXT, Paper, measured
from scope_widgets.widgets.figures.captions import number

#: names of the letters of classes
CLASSES = {
    "N": "name mover",
    "X": "subject suppressor",
    "-": "negative name mover",
    "S": "S-inhibition",
    "I": "induction",
    "D": "duplicate token",
    "P": "previous token",
    "B": "backup name mover",
    "C": "current token",
    "F": "first token",
    "U": "uniform",
}
_LARGEST, _SMALLEST, _GAP = 34.0, 9.0, 18.0
#: a letter stands in the corner of what is as wide as this, else there is a dot
_ROOM = 12.0
_TALLEST = 430.0
_BESIDE = 360.0
_FLOOR = 1e-4

Patterns = Mapping[str, npt.NDArray[np.float32]]


def draw_attention(
    paper: Paper,
    thumbnails: npt.NDArray[np.uint8],
    letters: Sequence[Sequence[Any]],
    opened: tuple[Mapping[Any, str], Patterns, Mapping[str, Sequence[str]]] | None,
    scale: tuple[str, float, float, float],
    of_head: tuple[str, tuple[str, float, float, float]] | None = None,
) -> None:
    """Draw thumbnails, uint8 [layer, head, row, column], and the head that is open.

    Parameters
    ----------
    letters : list of [layer, head, letter]
    opened : (names, patterns, tokens), optional
        The name of the head of each side, "a" and "b", its pattern [query, key] and tokens; "difference" is B - A.
    scale : (kind, low, high, threshold)
    of_head : (words, scale), optional
        What the pattern of the open head is where it is not attention, and its scale.
    """
    words, large = of_head or ("attention weight", scale)
    if opened is None:
        _draw_grid(paper, thumbnails, letters, scale, 0, paper.width)
        kind, low, high, _ = scale
        said = (
            f"attention weight{', logarithmic' if kind == 'log' else ''}; each head from query (down) to key (across)"
        )
        draw_scale(paper, Axes([], [], "", "", (MAGNITUDE, number(low), number(high), said)))
        return
    if paper.width < _BESIDE:
        _draw_grid(paper, thumbnails, letters, scale, 0, paper.width)
        paper.y += 10
        _draw_head(paper, *opened, large, 0, words)
        return
    top, left = paper.y, 0.42 * paper.width
    if len(opened[1]) > 1:
        left = 0.0
        _draw_grid(paper, thumbnails, letters, scale, 0, paper.width)
        top = paper.y + 10
    else:
        _draw_grid(paper, thumbnails, letters, scale, 0, left - 16)
    low, paper.y = paper.y, top
    _draw_head(paper, *opened, large, left, words)
    paper.y = max(paper.y, low)


def _draw_grid(
    paper: Paper,
    thumbnails: npt.NDArray[np.uint8],
    letters: Sequence[Sequence[Any]],
    scale: tuple[str, float, float, float],
    left: float,
    room: float,
) -> None:
    layers, heads, size, _ = thumbnails.shape
    gutter = 12 + measured(str(layers - 1))
    blocks, side = _folded(layers, heads, room, gutter)
    each = ceil(layers / blocks)
    blocks = ceil(layers / each)
    top = paper.y + 18
    ratio = 1 if size < side else max(1, int(size // (2 * side)))  # no more pixels than a print shows
    pictures = _painted(thumbnails[..., ::ratio, ::ratio].astype(np.float32) / 255, scale)
    step = max(1, ceil((measured("00") + 2) / side))
    # all blocks are one picture, so between them are whole pixels of it, which may not be coarse
    finer = ceil(8 / pictures.shape[2])
    pictures = pictures.repeat(finer, 2).repeat(finer, 3)
    size = pictures.shape[2]
    between = int((gutter + _GAP) * size / side)
    wide = heads * side + between * side / size
    sheet = np.full((each * size, blocks * (heads * size + between) - between, 3), 255, np.uint8)
    for block in range(blocks):
        some = pictures[block * each : (block + 1) * each]
        rows, first = len(some), block * (heads * size + between)
        sheet[: rows * size, first : first + heads * size] = some.transpose(0, 2, 1, 3, 4).reshape(rows * size, -1, 3)
    paper.image(sheet, left + gutter, top, sheet.shape[1] * side / size, each * side)
    for block in range(blocks):
        rows, x = min(each, layers - block * each), left + block * wide + gutter
        paper.frame(x, top, heads * side, rows * side)
        across_lines = "".join(f"M{x:.1f} {top + at * side:.1f}h{heads * side:.1f}" for at in range(1, rows))
        down_lines = "".join(f"M{x + at * side:.1f} {top:.1f}v{rows * side:.1f}" for at in range(1, heads))
        paper.line(across_lines + down_lines, LINE)
        paper.text(x + heads * side / 2, paper.y + 7, "head", anchor="middle", fill=DIM)
        for head in range(0, heads, step):
            paper.text(x + (head + 0.5) * side, top - 3, str(head), anchor="middle")
        for row in range(0, rows, max(1, ceil(8.5 / side))):
            paper.text(x - 4, top + (row + 0.5) * side + 2.5, str(block * each + row), anchor="end")
        middle = top + rows * side / 2
        paper.text(x - gutter + TEXT, middle, "layer", anchor="middle", fill=DIM, turned=-90)
    for layer, head, letter in letters:
        x = left + (layer // each) * wide + gutter + (head + 1) * side
        y = top + (layer % each) * side
        if side >= _ROOM:
            paper.text(x - 2, y + 7.5, _shown(letter), anchor="end", bold=True, halo=True)
        else:
            paper.dot(x - 2, y + 2, 1.3)
    paper.y = top + each * side
    paper.y += 2
    known = {str(letter): CLASSES.get(letter, "") for _, _, letter in letters}
    if known:
        words = ", ".join(f"{_shown(letter)} {name}".strip() for letter, name in sorted(known.items()))
        said = f"Classes: {words}." if side >= _ROOM else f"Dots: heads with a class ({words})."
        paper.paragraph(said, fill=DIM, left=left, right=left + room)


def _folded(layers: int, heads: int, room: float, gutter: float) -> tuple[int, float]:
    """Return in how many blocks side by side the layers stand, and the side of a thumbnail."""

    def side(blocks: int) -> float:
        across = (room - blocks * gutter - (blocks - 1) * _GAP) / (blocks * heads)
        return min(_LARGEST, across, _TALLEST / ceil(layers / blocks))

    blocks = max(range(1, 7), key=lambda n: (round(min(side(n), 22), 1), -n))
    return blocks, max(1.0, side(blocks))


def _draw_head(
    paper: Paper,
    heads: Mapping[Any, str],
    patterns: Patterns,
    tokens: Mapping[str, Sequence[str]],
    scale: tuple[str, float, float, float],
    left: float,
    quantity: str,
) -> None:
    kind, low, high, _ = scale
    words = f"{quantity}{', logarithmic' if kind == 'log' else ''}"
    ends = number(max(low, _FLOOR) if kind == "log" else low), number(high)
    panels = []
    for side, pattern in patterns.items():
        if side == "difference":
            most = float(np.nanmax(np.abs(pattern), initial=_FLOOR, where=np.isfinite(pattern)))
            about = SIGNED, f"−{number(most)}", number(most), f"{quantity}, B − A"
            panels.append((side, pattern, coloured(pattern, -most, most, SIGNED), about))
            continue
        above = int((pattern > high).sum())
        said = f"{words}; {above:,} above" if above else words
        panels.append((side, pattern, _painted(pattern, scale), (MAGNITUDE, *ends, said)))
    across = 1 if paper.width - left < _BESIDE or len(panels) == 1 else len(panels)
    room = (paper.width - left - 12 * (across - 1)) / across
    top = low_end = paper.y
    for at, (side, pattern, picture, about) in enumerate(panels):
        x = left + (at % across) * (room + 12)
        paper.y = top if at % across else low_end
        top = paper.y
        several = {"a": ", A", "b": ", B"}.get(side, ", B − A") if len(panels) > 1 else ""
        paper.text(x, paper.y + 7, f"head {heads.get(side, heads['a'])}{several}", bold=True)
        paper.y += 12
        names = [visible(token) for token in tokens[side]]
        future = np.triu(np.ones(pattern.shape, bool), 1)
        picture[future] = 255
        if len(names) * 8.5 > 400:
            names = [f"{at} {token}" if at % 10 == 0 else token for at, token in enumerate(names)]
        undefined = np.isnan(pattern) & ~future
        square = Axes(names, names, "query", "key", about, undefined=undefined, square=True)
        draw_cells(paper, picture, square, x, room)
        low_end = max(low_end, paper.y + 6)
    paper.y = low_end


def _painted(values: npt.NDArray[Any], scale: tuple[str, float, float, float]) -> Colours:
    """Return attention weights in the view's colours."""
    kind, low, high, threshold = scale
    values = np.where(np.abs(values) < threshold, low, values)
    if kind == "log":
        low = max(low, _FLOOR)
        with np.errstate(divide="ignore"):
            return coloured(np.maximum(np.log(values), np.log(low)), float(np.log(low)), float(np.log(high)), MAGNITUDE)
    return coloured(values, low, high, MAGNITUDE)


def _shown(letter: str) -> str:
    return "−" if letter == "-" else str(letter)


def thumbnails_coloured(thumbnails: npt.NDArray[np.uint8], scale: tuple[str, float, float, float]) -> Colours:
    """Return thumbnails, uint8 [layer, head, row, column], as one picture, layers down, uint8 [row, column, 3]."""
    pictures = _painted(thumbnails.astype(np.float32) / 255, scale)
    framed = np.pad(pictures, ((0, 0), (0, 0), (1, 1), (1, 1), (0, 0)), constant_values=200)
    layers, heads, high, wide, _ = framed.shape
    return framed.transpose(0, 2, 1, 3, 4).reshape(layers * high, heads * wide, 3)
