"""A picture of cells with what stands around it: names along two sides, a scale of colours, what is estimated."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from math import ceil
from typing import Any

import numpy as np
import numpy.typing as npt

from scope_widgets.widgets.core.png import png

#: from white to black
GREYS = np.array([[255] * 3, [0] * 3], np.uint8)

_WIDTH, _SQUARE, _WIDE, _HIGH = 440, 34, 28, 14
#: pixels of the raster along each side: more are thinned out
_MOST = 512
_CHARACTER, _LINE = 6.2, 12
_LONGEST = 10
_ESTIMATED = "; pale with a dot: estimated"
_NO_XML = re.compile("[\x00-\x1f\x7f\ud800-\udfff\ufffe\uffff]")


@dataclass(frozen=True)
class Axes:
    """What stands around a picture.

    Parameters
    ----------
    rows, columns : sequence of str
        Names, from the top and from the left; none where there are none.
    row_name, column_name : str
    scale : (colours, low, high, name)
        uint8 [n, 3] from the lowest to the highest, what these stand for, and of what.
    estimated : bool array [row, column], optional
        Cells that were estimated: drawn pale, with a dot.
    square : bool
        Whether the picture keeps its proportions.
    rim : float
        Share of the picture's height above the middle of the first row, and below that of the last; 0: rows fill it.
    """

    rows: Sequence[str]
    columns: Sequence[str]
    row_name: str
    column_name: str
    scale: tuple[npt.NDArray[np.uint8], str, str, str]
    estimated: npt.NDArray[np.bool_] | None = None
    square: bool = False
    rim: float = 0.0


def visible(token: str) -> str:
    """Return a token with its spaces and newlines seen, cut where it is long."""
    seen = token.replace(" ", "·").replace("\n", "⏎")
    return seen if len(seen) <= _LONGEST else f"{seen[: _LONGEST - 1]}…"


def svg(image: npt.NDArray[Any], axes: Axes) -> str:
    """Return an SVG of a picture, uint8 [row, column] or [row, column, 3], with its axes."""
    pixels = np.repeat(image[..., None], 3, -1) if image.ndim == 2 else image[..., :3]
    estimated = axes.estimated if axes.estimated is not None and axes.estimated.any() else None
    if estimated is not None:
        pixels = np.where(estimated[..., None], pixels // 2 + 128, pixels).astype(np.uint8)
    width, height = _size(pixels, axes)
    left = 18 + _CHARACTER * max((len(name) for name in axes.rows), default=0)
    flat = all(len(name) * _CHARACTER < width / len(axes.columns) for name in axes.columns)
    below = (16 if axes.columns else 0) if flat else 12 + 0.75 * _CHARACTER * max(len(name) for name in axes.columns)
    raster = b64encode(png(_thinned(pixels))).decode()
    parts = [
        f'<image x="{left:.0f}" y="1" width="{width:.0f}" height="{height:.0f}" preserveAspectRatio="none" '
        f'style="image-rendering:pixelated" href="data:image/png;base64,{raster}"/>',
        f'<rect x="{left:.0f}" y="1" width="{width:.0f}" height="{height:.0f}" fill="none" stroke="#1c1e21" '
        'stroke-opacity=".2"/>',
        *_row_names(axes, left, height),
        *_column_names(axes, left, width, height, flat),
        *(_dots(estimated, left, width, height) if estimated is not None else ()),
    ]
    foot = height + below + 14
    parts += _foot(axes, left, foot, estimated is not None)
    beside = left + width + 12 + _CHARACTER * len(axes.column_name)
    total = max(beside, left + 180 + _CHARACTER * (len("".join(axes.scale[1:])) + len(_ESTIMATED)))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{total:.0f}" height="{foot + 14:.0f}" '
        f'font-family="system-ui, sans-serif" font-size="11" fill="#1c1e21">{"".join(parts)}</svg>'
    )


def _size(pixels: npt.NDArray[np.uint8], axes: Axes) -> tuple[float, float]:
    if axes.square:
        width = min(_WIDTH, max(pixels.shape[1], _SQUARE * len(axes.columns)))
        return width, width * pixels.shape[0] / pixels.shape[1]
    rows, columns = len(axes.rows) or pixels.shape[0], len(axes.columns) or pixels.shape[1]
    return min(_WIDTH, _WIDE * columns), min(_WIDTH, _HIGH * rows)


def _thinned(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    rows, columns = (ceil(size / _MOST) for size in pixels.shape[:2])
    return np.ascontiguousarray(pixels[::rows, ::columns])


def _text(text: str, attributes: str) -> str:
    return f"<text {attributes}>{escape(_NO_XML.sub(chr(0xFFFD), text))}</text>"


def _row_names(axes: Axes, left: float, height: float) -> list[str]:
    middle = f'transform="translate(9 {height / 2:.0f}) rotate(-90)" text-anchor="middle" fill="#62666d"'
    parts = [_text(axes.row_name, middle)] if height > _CHARACTER * len(axes.row_name) else []
    count = len(axes.rows)
    rim = axes.rim * height
    step = (height - 2 * rim) / max(1, count - 1) if rim else height / max(1, count)
    every = ceil(_LINE / step)
    for at in range(0, count, every):
        y = (rim or step / 2) + at * step + 5
        parts.append(_text(axes.rows[at], f'x="{left - 4:.0f}" y="{y:.1f}" text-anchor="end"'))
    return parts


def _column_names(axes: Axes, left: float, width: float, height: float, flat: bool) -> list[str]:
    count = len(axes.columns)
    step = width / max(1, count)
    parts = [
        _text(axes.column_name, f'x="{left + width + 6:.0f}" y="{height + 13:.0f}" fill="#62666d"') if count else ""
    ]
    for at in range(0, count, 1 if flat else ceil(_LINE / step)):
        x, y = left + (at + 0.5) * step, height + 13
        turned = (
            f'x="{x:.1f}" y="{y:.0f}" text-anchor="middle"'
            if flat
            else f'transform="translate({x + 4:.1f} {y - 4:.0f}) rotate(-45)" text-anchor="end"'
        )
        parts.append(_text(axes.columns[at], turned))
    return parts


def _dots(estimated: npt.NDArray[np.bool_], left: float, width: float, height: float) -> list[str]:
    rows, columns = estimated.shape
    across, down = width / columns, height / rows
    if min(across, down) < 6:
        return []
    return [
        f'<circle cx="{left + (column + 0.5) * across:.1f}" cy="{1 + (row + 0.5) * down:.1f}" r="1.5"/>'
        for row, column in np.argwhere(estimated)
    ]


def _foot(axes: Axes, left: float, top: float, estimated: bool) -> list[str]:
    colours, low, high, name = axes.scale
    stops = "".join(
        f'<stop offset="{at / max(1, len(colours) - 1):.3f}" stop-color="rgb({r},{g},{b})"/>'
        for at, (r, g, b) in enumerate(colours.tolist())
    )
    start = left + _CHARACTER * len(low) + 4
    words = f"{high}  {name}" + (_ESTIMATED if estimated else "")
    return [
        f'<linearGradient id="scale">{stops}</linearGradient>',
        _text(low, f'x="{start - 4:.0f}" y="{top + 4:.0f}" text-anchor="end"'),
        f'<rect x="{start:.0f}" y="{top - 4:.0f}" width="96" height="8" fill="url(#scale)"/>',
        _text(words, f'x="{start + 100:.0f}" y="{top + 4:.0f}" xml:space="preserve"'),
    ]
