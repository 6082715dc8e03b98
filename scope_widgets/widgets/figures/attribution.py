"""Direct logit attribution on paper: the logit difference as it grows, and the map of heads and other parts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from scope_widgets.widgets.core.drawing.colours import NEGATIVE, POSITIVE, SIGNED, coloured
from scope_widgets.widgets.core.drawing.picture_svg import Axes, draw_cells
from scope_widgets.widgets.core.drawing.plot import round_axis
from scope_widgets.widgets.core.drawing.svg_sheet import DIM, INK, LINE, TEXT, Paper, measured
from scope_widgets.widgets.figures.captions import number

_SHORT = {"attention_bias": "bias", "mlp": "MLP", "cross-attention": "cross"}
#: points of a layer's row at most, and of all rows
_HIGH, _TALLEST = 12.0, 260.0
_PALE = 0.45


@dataclass(frozen=True)
class Parts:
    """The map: layers, the deepest on top, heads and then the other parts of a layer across.

    Attributes
    ----------
    values : ndarray [row, column]
        NaN where there is no such part, or it is not known.
    unknown : ndarray of bool [row, column]
    columns : list of str
    limit : float
    """

    values: npt.NDArray[np.float64]
    unknown: npt.NDArray[np.bool_]
    columns: list[str]
    limit: float

    @classmethod
    def of(cls, view: Any) -> Parts:
        """Return what an `AttributionView` shows."""
        values = np.asarray(view.result.contribution, np.float64)
        layered = [(name, layer, head) for name, layer, head in view.components if layer >= 0]
        written = {name for value, (name, *_) in zip(values, view.components, strict=True) if value}
        heads = [str(head) for head in range(view.n_heads)]
        names = [name for name in dict.fromkeys(name for name, _, head in layered if head < 0) if name in written]
        names = names if heads or names else ["mlp"]  # a map has a column
        sheet = np.full((view.n_layers, len(heads) + len(names)), np.nan)
        unknown = np.zeros(sheet.shape, bool)
        for value, (name, layer, head) in zip(values, view.components, strict=True):
            if layer >= 0 and (head >= 0 or name in names):
                at = view.n_layers - 1 - layer, head if head >= 0 else len(heads) + names.index(name)
                sheet[at], unknown[at] = value, np.isnan(value)
        small = np.abs(sheet) < view.threshold
        limit = float(view.limit or np.nanmax(np.abs(sheet), initial=1e-12))
        return cls(np.where(small, 0.0, sheet), unknown, heads + [_SHORT.get(name, name) for name in names], limit)

    def picture(self) -> npt.NDArray[np.uint8]:
        """Return the colours, uint8 [row, column, 3]."""
        colours = coloured(self.values, -self.limit, self.limit, SIGNED)
        colours[np.isnan(self.values)] = 255
        return np.ascontiguousarray(colours)


def draw_attribution(paper: Paper, view: Any) -> None:
    """Draw the running total, and below it the map."""
    paper.paragraph(view.question(), bold=True)
    paper.y += 2
    _draw_total(paper, view)
    paper.y += 6
    parts = Parts.of(view)
    words = "contribution, in logits"
    if above := int((np.abs(parts.values) > parts.limit * (1 + 1e-9)).sum()):
        words += f"; {above:,} above"
    axes = Axes(
        [str(layer) for layer in reversed(range(view.n_layers))],
        parts.columns,
        "layer",
        "head or part",
        (SIGNED, f"−{number(parts.limit)}", number(parts.limit), words),
        undefined=parts.unknown,
    )
    draw_cells(paper, parts.picture(), axes)


def _draw_total(paper: Paper, view: Any) -> None:
    """Draw a bar a step from the total before it to the total after it, layers up, as the view has them."""
    steps = [(layer, part, value, total) for layer, part, value, total in view.steps if layer >= 0 or value]
    places = _places(steps)
    rows = list(dict.fromkeys(place for place, _ in places))
    high = min(_HIGH, _TALLEST / max(1, len(rows)))
    gutter = max(measured(name) for name in rows) + 6
    numbers = 34.0
    axis = round_axis("", [0.0, view.whole, *(total for *_, total in steps)])
    wide, top = paper.width - gutter - numbers, paper.y + 4
    bottom = top + high * len(rows)

    def x(value: float) -> float:
        return gutter + axis.share(value) * wide

    for value, text in axis.ticks:
        paper.line(f"M{x(value):.1f} {top:.1f}V{bottom:.1f}", LINE if value else DIM)
        paper.text(x(value), bottom + 9, text, anchor="middle", fill=DIM)
    paper.line(f"M{x(view.whole):.1f} {top - 2:.1f}V{bottom:.1f}", INK, 0.7, ' stroke-dasharray="2 2"')
    before, joined = 0.0, ""
    for (row, share), (_, part, value, total) in zip(places, steps, strict=True):
        count = sum(1 for place, _ in places if place == row)
        at = rows.index(row)
        each = high / count
        y = bottom - high * at - each * (share + 1)
        left, right = sorted((x(before), x(total)))
        fill = POSITIVE if value >= 0 else NEGATIVE
        pale = part in ("mlp", "beside") and count > 1
        extra = f' fill-opacity="{_PALE}" stroke="{fill}" stroke-width=".4"' if pale else ""
        paper.rect(left, y + 0.6, max(0.5, right - left), max(0.5, each - 1.2), fill, extra)
        joined += f"M{x(total):.1f} {y + each - 0.6:.1f}V{y - 0.6:.1f}"
        before = total
    paper.line(joined, DIM, 0.4)
    every = max(1, int(np.ceil((TEXT + 1.5) / high)))
    for at, row in enumerate(rows):
        if at % every and not row.isalpha():
            continue
        y = bottom - high * (at + 0.5) + 2.5
        paper.text(gutter - 4, y, row, anchor="end")
        written = sum(step[2] for place, step in zip(places, steps, strict=True) if place[0] == row)
        paper.text(paper.width, y, f"{written:+.2f}".replace("-", "−"), anchor="end", fill=DIM)
    paper.y = bottom + 10
    paper.text(gutter + wide / 2, paper.y + 8, "running total, in logits", anchor="middle")
    paper.y += 10
    if any(part == "mlp" for _, part, *_ in steps):
        outlined = f'fill-opacity="{_PALE}" stroke="{DIM}" stroke-width=".4"'
        box = '<rect y="2" width="8" height="5" fill="{0}" {1}/>'
        paper.keys([(box.format(DIM, ""), "attention"), (box.format(DIM, outlined), "MLP")])


def _places(steps: list[tuple[int, str, float, float]]) -> list[tuple[str, int]]:
    """Return of each step the name of its row, and which it is in that row."""
    found: list[tuple[str, int]] = []
    for layer, part, *_ in steps:
        row = str(layer) if layer >= 0 else "embedding" if part == "embedding" else "biases"
        found.append((row, sum(1 for before, _ in found if before == row)))
    return found
