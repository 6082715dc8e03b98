"""A sheet that figures are drawn on: SVG in points, of a fixed width, as high as what stands on it."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterable
from html import escape
from math import ceil
from typing import Any

import numpy as np
import numpy.typing as npt

from scope_widgets.widgets.core.drawing.png import png

#: a colour as SVG writes it
INK, DIM, LINE, SELECT = "#1c1e21", "#62666d", "#d6d8dc", "#c2187a"
#: points of the text of a figure; journals ask for 7 at least
TEXT, TITLE = 7.0, 8.0
#: points around what is drawn
MARGIN = 2.0
SANS = "Helvetica, Arial, 'Liberation Sans', 'DejaVu Sans', sans-serif"
MONO = "Menlo, Consolas, 'Liberation Mono', 'DejaVu Sans Mono', monospace"

_LEADING = 1.35
#: what XML cannot hold, and what would turn the text around it
_NEVER = re.compile("[\x00-\x1f\x7f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")
#: shares of the font's size, of the widest font that may stand for the first of its family
_NARROW, _WIDE, _MONO = 0.36, 0.98, 0.603
_NARROW_ONES, _WIDE_ONES = frozenset("iljtfrI.,;:'|!()[]{}/ ·"), frozenset("mwMW@%…→⏎—")


def measured(text: str, size: float = TEXT, *, mono: bool = False, bold: bool = False) -> float:
    """Return about how wide a text is, rather too much: a file is read where other fonts are."""
    if mono:
        return size * sum(_MONO if ord(one) < 0x1100 else 1.0 for one in text)
    shares = (
        _NARROW if one in _NARROW_ONES else _WIDE if one in _WIDE_ONES or ord(one) >= 0x1100 else 0.62 for one in text
    )
    return size * sum(shares) * (1.1 if bold else 1.0)


def cut(text: str, room: float, size: float = TEXT, *, mono: bool = False) -> str:
    """Return a text that fits into so many points, cut with an ellipsis; "" where not even one character does."""
    if measured(text, size, mono=mono) <= room:
        return text
    while text and measured(f"{text}…", size, mono=mono) > room:
        text = text[:-1]
    return f"{text}…" if text else ""


class Paper:
    """What is drawn so far, and how far down.

    Parameters
    ----------
    width : float
        In points.

    Attributes
    ----------
    y : float
        Where what comes next begins; whoever draws moves it down.
    picture : bytes or None
        The first picture that was drawn, as a PNG file.
    """

    def __init__(self, width: float) -> None:
        self.width, self.y = width, 0.0
        self.picture: bytes | None = None
        self._parts: list[str] = []
        self._names = 0

    # -- elements

    def add(self, element: str) -> None:
        """Add an element that holds no text of others."""
        self._parts.append(element)

    def text(
        self,
        x: float,
        y: float,
        text: str,
        *,
        size: float = TEXT,
        anchor: str = "start",
        fill: str = INK,
        bold: bool = False,
        mono: bool = False,
        turned: float = 0.0,
        halo: bool = False,
    ) -> None:
        """Write a line of text on its baseline; `halo`: on a rim of the ground's colour."""
        place = f'transform="translate({x:.1f} {y:.1f}) rotate({turned:g})"' if turned else f'x="{x:.1f}" y="{y:.1f}"'
        look = "" if fill == INK else f' fill="{fill}"'
        look += "" if size == TEXT else f' font-size="{size:g}"'
        look += "" if anchor == "start" else f' text-anchor="{anchor}"'
        look += ' font-weight="600"' if bold else ""
        look += f' font-family="{MONO}"' if mono else ""
        rim = ' stroke="#fff" stroke-width="2" stroke-linejoin="round"'
        said = escape(_NEVER.sub(chr(0xFFFD), text))
        if halo:  # twice, since few programs know paint-order
            self.add(f'<text {place}{look}{rim} xml:space="preserve">{said}</text>')
        self.add(f'<text {place}{look} xml:space="preserve">{said}</text>')

    def rect(self, x: float, y: float, width: float, height: float, fill: str, extra: str = "") -> None:
        """Draw a rectangle."""
        self.add(f'<rect x="{x:.2f}" y="{y:.2f}" width="{width:.2f}" height="{height:.2f}" fill="{fill}"{extra}/>')

    def frame(self, x: float, y: float, width: float, height: float) -> None:
        """Draw a hairline around a rectangle."""
        self.rect(x, y, width, height, "none", f' stroke="{LINE}" stroke-width=".5"')

    def line(self, path: str, stroke: str = DIM, width: float = 0.5, extra: str = "") -> None:
        """Draw a path in SVG's language."""
        self.add(f'<path d="{path}" fill="none" stroke="{stroke}" stroke-width="{width:.2f}"{extra}/>')

    def dot(self, x: float, y: float, radius: float, fill: str = INK, extra: str = "") -> None:
        """Draw a disc."""
        self.add(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:.2f}" fill="{fill}"{extra}/>')

    def image(self, pixels: npt.NDArray[Any], x: float, y: float, width: float, height: float) -> None:
        """Draw a picture, uint8 [row, column] or [row, column, 3], its pixels as boxes."""
        file = png(np.ascontiguousarray(pixels))
        self.picture = self.picture or file
        source = b64encode(file).decode()
        self.add(
            f'<image x="{x:.2f}" y="{y:.2f}" width="{width:.2f}" height="{height:.2f}" preserveAspectRatio="none" '
            f'style="image-rendering:pixelated" href="data:image/png;base64,{source}"/>'
        )

    def name(self, what: str) -> str:
        """Return an id that is used once."""
        self._names += 1
        return f"{what}{self._names}"

    def hatching(self) -> str:
        """Return the fill of what is undefined."""
        name = self.name("hatched")
        self.add(
            f'<pattern id="{name}" width="3" height="3" patternUnits="userSpaceOnUse">'
            '<path d="M0 3 3 0" stroke="#b3261e" stroke-width=".5"/></pattern>'
        )
        return f"url(#{name})"

    # -- parts

    def paragraph(
        self, text: str, *, size: float = TEXT, fill: str = INK, bold: bool = False, left: float = 0, right: float = 0
    ) -> None:
        """Write a text below, in as many lines as it takes, from `left` to `right` (the edge by default)."""
        for row in wrapped(text, (right or self.width) - left, size, bold=bold):
            self.y += size * _LEADING
            self.text(left, self.y, row, size=size, fill=fill, bold=bold)

    def keys(self, keys: Iterable[tuple[str, str]], left: float = 0, right: float = 0) -> None:
        """Write a key below: each an element of 8 by 8 points at (0, 0), and what it means."""
        x, top = left, self.y + 4
        for element, words in keys:
            room = 12 + measured(words) + 10
            if x > left and x + room > (right or self.width):
                x, top = left, top + 11
            self.add(f'<g transform="translate({x:.1f} {top:.1f})">{element}</g>')
            self.text(x + 12, top + 6.5, words, fill=DIM)
            x += room
            self.y = top + 8

    def scale(
        self, colours: npt.NDArray[np.uint8], numbers: Iterable[str], words: str, left: float = 0, right: float = 0
    ) -> None:
        """Draw a scale of colours below, uint8 [n, 3] from its low to its high end, with numbers from end to end."""
        right = right or self.width
        name, wide, top = self.name("scale"), min(96.0, 0.45 * (right - left)), self.y + 6
        some = colours[np.linspace(0, len(colours) - 1, min(33, len(colours))).round().astype(int)]
        stops = "".join(
            f'<stop offset="{at / max(1, len(some) - 1):.3f}" stop-color="{hex_of(colour)}"/>'
            for at, colour in enumerate(some)
        )
        self.add(f'<linearGradient id="{name}">{stops}</linearGradient>')
        self.rect(left, top, wide, 7, f"url(#{name})")
        self.frame(left, top, wide, 7)
        said = list(numbers)
        for at, number in enumerate(said):
            share = at / max(1, len(said) - 1)
            anchor = "start" if share == 0 else "end" if share == 1 else "middle"
            self.text(left + share * wide, top + 14.5, number, anchor=anchor, fill=DIM)
        self.y = top + 15
        rows = wrapped(words, right - left - wide - 8)
        for at, row in enumerate(rows):
            self.text(left + wide + 8, top + 6.5 + at * TEXT * _LEADING, row, fill=DIM)
        self.y = max(self.y, top + 6.5 + (len(rows) - 1) * TEXT * _LEADING)

    # -- the whole

    def size(self, pixel: float = 0.01) -> tuple[float, float]:
        """Return width and height with margins, in points, whole numbers of pixels."""
        sides = (self.width + 2 * MARGIN, self.y + 2 * MARGIN + 2)
        width, height = (ceil(round(side / pixel, 4)) * pixel for side in sides)
        return width, height

    def svg(self, unit: str = "pt", factor: float = 1.0, pixel: float = 0.01) -> str:
        """Return the SVG; a point is `factor` of a CSS `unit`."""
        width, height = self.size(pixel)
        ground = f'x="{-MARGIN:g}" y="{-MARGIN:g}" width="{width:.6g}" height="{height:.6g}" fill="#fff"'
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width * factor:.6g}{unit}" '
            f'height="{height * factor:.6g}{unit}" viewBox="{-MARGIN:g} {-MARGIN:g} {width:.6g} {height:.6g}" '
            f'font-family="{SANS}" font-size="{TEXT:g}" fill="{INK}"><rect {ground}/>'
            f"{''.join(self._parts)}</svg>"
        )


def wrapped(text: str, room: float, size: float = TEXT, *, bold: bool = False) -> list[str]:
    """Return the lines that a text takes in so many points; a word that is too long is broken."""
    lines: list[str] = []
    line = ""
    for word in text.split():
        longer = f"{line} {word}" if line else word
        if measured(longer, size, bold=bold) <= room:
            line = longer
            continue
        if line:
            lines.append(line)
        line = word
        while len(line) > 1 and measured(line, size, bold=bold) > room:
            most = next(n for n in range(len(line) - 1, 0, -1) if n == 1 or measured(line[:n], size, bold=bold) <= room)
            lines.append(line[:most])
            line = line[most:]
    return [*lines, line] if line else lines


def hex_of(colour: npt.NDArray[Any]) -> str:
    """Return three numbers to 255 as a colour of SVG."""
    return "#" + "".join(f"{int(part):02x}" for part in colour[:3])
