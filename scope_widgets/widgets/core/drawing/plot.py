"""A small plot on a sheet: two axes with names and numbers, and lines, bands and dots between them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from scope_widgets.widgets.core.drawing.svg_sheet import DIM, INK, LINE, TEXT, Paper, measured

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Axis:
    """One axis.

    Parameters
    ----------
    name : str
        What it is, with its unit.
    low, high : float
        Its ends.
    ticks : sequence of (value, text)
    place : callable
        Where a value stands, in any unit; as it is by default.
    """

    name: str
    low: float
    high: float
    ticks: Sequence[tuple[float, str]]
    place: Callable[[float], float] = float

    def share(self, value: float) -> float:
        """Return where a value stands, 0 at the low end and 1 at the high one; what is beyond stands at the end."""
        low, high = self.place(self.low), self.place(self.high)
        return min(1.0, max(0.0, (self.place(value) - low) / ((high - low) or 1)))


def round_axis(name: str, values: npt.ArrayLike, *others: float) -> Axis:
    """Return an axis over all finite values and `others`, with round numbers along it."""
    finite = [float(value) for value in (*np.ravel(values), *others) if np.isfinite(value)]
    low, high = (min(finite), max(finite)) if finite else (0.0, 1.0)
    if low == high:
        low, high = (min(0.0, low), max(0.0, high)) if low else (0.0, 1.0)
    power = 10.0 ** np.floor(np.log10((high - low) / 3))
    step = next(size * power for size in (1, 2, 5, 10) if (high - low) / (size * power) <= 4.5)
    first, last = int(np.ceil(low / step - 1e-9)), int(np.floor(high / step + 1e-9))
    ticks = [(at * step, f"{at * step:.6g}".replace("-", "−")) for at in range(first, last + 1)]
    return Axis(name, low, high, ticks)


def gutter_of(up: Axis) -> float:
    """Return how many points the name and the numbers of an axis that goes up take."""
    return TEXT + 8 + max((measured(text) for _, text in up.ticks), default=0)


class Plot:
    """Axes below what stands on a sheet.

    Parameters
    ----------
    paper : Paper
    across, up : Axis
    height : float
        Points from end to end of the axis that goes up.
    right : sequence of (value, text)
        Numbers on the right, of another unit.
    right_name : str
    gutter : float
        Points left of it at least, so that several stand under each other.
    """

    def __init__(
        self,
        paper: Paper,
        across: Axis,
        up: Axis,
        height: float,
        right: Sequence[tuple[float, str]] = (),
        right_name: str = "",
        gutter: float = 0.0,
    ) -> None:
        self._paper, self._across, self._up = paper, across, up
        self._left = max(gutter, gutter_of(up))
        other = max((measured(text) for _, text in right), default=0)
        self._wide = paper.width - self._left - (other + TEXT + 10 if right else 8)
        self._top, self._high = paper.y + 6, height
        for value, text in up.ticks:
            y = self.y(value)
            paper.line(f"M{self._left:.1f} {y:.1f}h{self._wide:.1f}", LINE)
            paper.text(self._left - 4, y + 2.5, text, anchor="end", fill=DIM)
        for value, text in right:
            paper.text(self._left + self._wide + 4, self.y(value) + 2.5, text, fill=DIM)
        end = self._top + height
        last = -np.inf
        for value, text in across.ticks:
            x, half = self.x(value), measured(text) / 2
            if x - half < last + 4:
                continue
            last = x + half
            paper.line(f"M{x:.1f} {end:.1f}v3", DIM)
            paper.text(x, end + 10, text, anchor="middle", fill=DIM)
        paper.line(f"M{self._left:.1f} {end:.1f}h{self._wide:.1f}", DIM)
        middle = self._top + height / 2
        paper.text(TEXT, middle, up.name, anchor="middle", turned=-90)
        paper.text(paper.width - 2, middle, right_name, anchor="middle", fill=DIM, turned=-90)
        paper.y = end + 12
        if across.name:
            paper.text(self._left + self._wide / 2, end + 19, across.name, anchor="middle")
            paper.y = end + 21

    def x(self, value: float) -> float:
        """Return where a value stands across."""
        return self._left + self._across.share(value) * self._wide

    def y(self, value: float) -> float:
        """Return where a value stands on the sheet, upwards."""
        return self._top + (1 - self._up.share(value)) * self._high

    def line(self, xs: Floats, ys: Floats, stroke: str = INK, width: float = 1.0, dashes: str = "") -> None:
        """Draw a line, broken where a value is missing."""
        path, pen = "", "M"
        for x, y in zip(xs.tolist(), ys.tolist(), strict=True):
            if not np.isfinite(y):
                pen = "M"
                continue
            path += f"{pen}{self.x(x):.1f} {self.y(y):.1f}"
            pen = "L"
        if path:
            self._paper.line(path, stroke, width, f' stroke-dasharray="{dashes}"' if dashes else "")

    def dots(self, xs: Floats, ys: Floats, fill: str = INK, radius: float = 1.6) -> None:
        """Draw a dot a value."""
        for x, y in zip(xs.tolist(), ys.tolist(), strict=True):
            if np.isfinite(x) and np.isfinite(y):
                self._paper.dot(self.x(x), self.y(y), radius, fill)

    def band(self, xs: Floats, low: Floats, high: Floats, fill: str = INK) -> None:
        """Fill what lies between two lines, where both are known at both ends of a piece."""
        known = np.isfinite(low) & np.isfinite(high)
        for at, after in pairwise(range(len(xs))):
            if known[at] and known[after]:
                corners = [(xs[at], low[at]), (xs[after], low[after]), (xs[after], high[after]), (xs[at], high[at])]
                points = "L".join(f"{self.x(float(x)):.1f} {self.y(float(y)):.1f}" for x, y in corners)
                self._paper.add(f'<path d="M{points}Z" fill="{fill}" fill-opacity=".15"/>')

    def upright(self, x: float, stroke: str = DIM, dashes: str = "") -> None:
        """Draw a line from the bottom to the top."""
        extra = f' stroke-dasharray="{dashes}"' if dashes else ""
        self._paper.line(f"M{self.x(x):.1f} {self._top:.1f}v{self._high:.1f}", stroke, 0.5, extra)

    def between(self, low: float, high: float, fill: str) -> None:
        """Shade from one value across to another."""
        start, end = self.x(low), self.x(high)
        self._paper.rect(start, self._top, max(1.0, end - start), self._high, fill, ' fill-opacity=".12"')
