"""A text on paper, each token on the colour of its number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from scope_widgets.widgets.core.drawing.colours import MAGNITUDE, SIGNED, Colours, coloured
from scope_widgets.widgets.core.drawing.picture_svg import visible
from scope_widgets.widgets.core.drawing.svg_sheet import DIM, INK, Paper, cut, hex_of, measured
from scope_widgets.widgets.core.drawing.text_direction import directions, visual_order
from scope_widgets.widgets.figures.captions import number

#: lines of a figure, and characters of a token, at most
_MOST_LINES, _LONGEST = 60, 40
_LINE, _PAD, _GAP = 11.0, 1.2, 0.6
#: of fewer numbers none is an outlier
_FEW = 20
#: where a scale may end, times a power of ten
_STEPS = (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10)
#: where a logarithmic scale that starts at zero starts instead
_FLOOR = 1e-4


@dataclass(frozen=True)
class Shades:
    """Numbers of tokens and the scale of their colours, as js/src/token_view/token_colours.ts has it.

    Attributes
    ----------
    values : ndarray [token]
    name, unit : str
    low, high : float
        Where the colours end; symmetric on a signed scale.
    signed, log : bool
    threshold : float
        Smaller numbers have no colour.
    """

    values: npt.NDArray[np.float64]
    name: str
    unit: str
    low: float
    high: float
    signed: bool
    log: bool
    threshold: float

    @classmethod
    def of(
        cls,
        values: npt.NDArray[np.float64],
        about: dict[str, Any],
        scale: str | None,
        limits: Sequence[float] | None,
        threshold: float,
        signed: bool | None,
    ) -> Shades:
        """Return what a column is drawn with; limits that are not given are what fits."""
        finite = values[np.isfinite(values)]
        below = bool((finite < 0).any())
        is_signed = below if signed is None else signed
        log = (scale == "log" if scale else bool(about["log"])) and not is_signed and not below
        low, high = limits or fitted(finite, is_signed, log, about["fixed"])
        if is_signed:
            high = max(abs(low), abs(high))
            low = -high
        return cls(values, about["label"], about["unit"], low, high, is_signed, log, threshold)

    @property
    def colours(self) -> Colours:
        """The scale, uint8 [n, 3], from its low end to its high one."""
        return SIGNED if self.signed else MAGNITUDE

    def of_tokens(self) -> Colours:
        """Return the colour of each token, uint8 [token, 3]; those of NaN mean nothing."""
        values, low, high = self.values, self.low, self.high
        zero = 0.0 if self.signed else low
        values = np.where(np.abs(values) < self.threshold, zero, values)
        values = np.where(np.isinf(values), np.sign(values) * max(abs(low), abs(high)), values)
        if self.log:
            low = max(low, _FLOOR)
            with np.errstate(divide="ignore", invalid="ignore"):
                values = np.log(np.maximum(values, low))
            low, high = float(np.log(low)), float(np.log(max(high, low * 1.001)))
        return coloured(values, low, high, self.colours)


def fitted(
    finite: npt.NDArray[np.float64], signed: bool, log: bool, fixed: Sequence[float] | None
) -> tuple[float, float]:
    """Return where the colours end: round numbers around nearly all, so that one outlier does not pale the rest."""
    if fixed is not None:
        return fixed[0], fixed[1]
    if not len(finite):
        return (-1.0, 1.0) if signed else (0.0, 1.0)
    size = np.sort(np.abs(finite))
    most, largest = _nice(float(size[int(0.95 * (len(size) - 1))])), _nice(float(size[-1]))
    high = largest if log or len(size) < _FEW or largest <= 2.5 * most else most
    if signed:
        return -high, high
    low = float(finite.min())
    if log:
        return max(low, _FLOOR), max(high, _FLOOR * 10)
    if low < 0 or low > 0.5 * float(size[-1]):  # a scale from 0 would show nothing of them
        return (low, float(finite.max())) if low < float(finite.max()) else (low, low + 1.0)
    return 0.0, high


def _nice(value: float) -> float:
    if not value > 0:
        return 1.0
    power = 10.0 ** np.floor(np.log10(value))
    return float(next(step for step in _STEPS if step * power >= value * (1 - 1e-9)) * power)


def draw_tokens(paper: Paper, tokens: Sequence[str], shades: Shades) -> None:
    """Draw the text and the scale; a text of more lines than fit is cut, and it says so."""
    colours = shades.of_tokens()
    dark = colours @ np.array([0.2126, 0.7152, 0.0722]) < 140
    missing = np.isnan(shades.values)
    hatched = paper.hatching() if missing.any() else ""
    high = shades.high * (1 + 1e-9)
    levels, from_right = directions(tokens)
    words = [_word(paper, token, level) for token, level in zip(tokens, levels, strict=True)]
    lines = _lines(paper, tokens, [wide for _, wide in words])
    y, drawn = paper.y + 2, 0
    for start, end in lines[:_MOST_LINES]:
        order = [start + at for at in visual_order(levels[start:end])]
        whole = sum(words[at][1] + _GAP for at in order) - _GAP
        x = max(0.0, paper.width - whole) if from_right[start] else 0.0
        for at in order:
            word, wide = words[at]
            fill = hatched if missing[at] else hex_of(colours[at])
            if fill != "#ffffff":
                paper.rect(x, y, wide, _LINE - 1, fill, ' fill-opacity=".4"' if missing[at] else "")
            ink = "#ffffff" if dark[at] and not missing[at] else INK
            if abs(shades.values[at]) > high:
                paper.rect(x, y + _LINE - 1.8, wide, 0.7, ink)
            paper.text(x + _PAD, y + 7.4, word, mono=True, fill=ink)
            x += wide + _GAP
        y += _LINE
        drawn = end
    paper.y = y
    if drawn < len(tokens):
        paper.paragraph(f"… and {len(tokens) - drawn:,} more tokens", fill=DIM)
    said = shades.name + (f", in {shades.unit}" if shades.unit else "") + (", logarithmic" if shades.log else "")
    if above := int((np.abs(shades.values) > high).sum()):
        said += f"; {above:,} above"
    paper.y += 2
    middle = [number(0.0)] if shades.signed else []
    paper.scale(shades.colours, [number(shades.low), *middle, number(shades.high)], said)
    if missing.any():
        box = f'<rect width="8" height="8" fill="{paper.hatching()}"/>'
        paper.keys([(box, "no number")])


def _word(paper: Paper, token: str, level: int) -> tuple[str, float]:
    """Return what is written of a token, and how wide it is; the space before a right-to-left word is at its right."""
    word = cut(visible(token, _LONGEST), paper.width - 2 * _PAD, mono=True)
    if level % 2 and word.startswith(visible(" ")):
        word = word[1:] + word[0]
    return word, measured(word, mono=True) + 2 * _PAD


def _lines(paper: Paper, tokens: Sequence[str], widths: Sequence[float]) -> list[tuple[int, int]]:
    """Return the first token of each line and the one after its last; a line end closes its line."""
    ends, x = [], 0.0
    for at, wide in enumerate(widths):
        if x and x + wide > paper.width:
            ends.append(at)
            x = 0.0
        x += wide + _GAP
        if "\n" in tokens[at] and at + 1 < len(tokens):
            ends.append(at + 1)
            x = 0.0
    starts = [0, *ends] if tokens else []
    return list(zip(starts, [*ends, len(tokens)], strict=bool(tokens)))
