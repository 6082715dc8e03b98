"""The logit lens on paper: the top token in each cell, in the colours of the view."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from scope_widgets.widgets.core.drawing.colours import MAGNITUDE, coloured
from scope_widgets.widgets.core.drawing.picture_svg import Axes, draw_cells, visible
from scope_widgets.widgets.core.drawing.svg_sheet import Paper
from scope_widgets.widgets.figures.captions import number

_FLOOR = 1e-4


def draw_lens(paper: Paper, view: Any) -> None:
    """Draw what a `LogitLensView` shows, the deepest layer on top."""
    lens = view.lens
    values, words = _quantity(view)
    log = view.colour == "rank" or view.scale == "log"
    low, high = view.limits or _fitted(values, view.colour)
    ends = number(low), number(high)
    above = int((values > high).sum())
    if view.colour == "rank":  # of reciprocal ranks
        low = max(low, _FLOOR)
        ends = f"{round(1 / low):,}", f"{round(1 / high):,}"
    values = np.where(np.abs(values) < view.threshold, low, values)
    if log:
        low = max(low, _FLOOR)
        ends = ends if view.colour == "rank" else (number(low), number(high))
        with np.errstate(divide="ignore", invalid="ignore"):
            values, low, high = np.maximum(np.log(values), np.log(low)), float(np.log(low)), float(np.log(high))
        words += ", logarithmic"
    if above:
        words += f"; {above:,} above"
    clipped = np.where(np.isposinf(values), high, values)
    top = np.asarray(lens.top_ids)[::-1, :, 0]
    names = {int(token): visible(str(lens.texts.get(str(int(token)), f"#{token}")), 16) for token in np.unique(top)}
    axes = Axes(
        ["output" if layer == view.layers[-1] else str(layer) for layer in reversed(view.layers)],
        [visible(token) for token in view.tokens],
        "layer",
        "token of the prompt",
        (MAGNITUDE, *ends, words),
        undefined=np.isnan(values)[::-1],
        words=[[names[int(token)] for token in row] for row in top],
    )
    draw_cells(paper, coloured(clipped[::-1], low, high, MAGNITUDE), axes)


def _quantity(view: Any) -> tuple[npt.NDArray[np.float64], str]:
    """Return what the colours show, [layer, position], and its name."""
    lens = view.lens
    if view.colour == "entropy":
        return np.asarray(lens.entropy, np.float64), "entropy of the next token, in nats"
    if view.colour == "kl":
        return np.asarray(lens.kl, np.float64), "KL divergence of the output from the layer, in nats"
    if view.colour == "probability":
        return np.asarray(lens.top_probabilities, np.float64)[..., 0], "probability of the top token"
    at = [int(token) for token in lens.watched].index(view.token)
    name = visible(str(lens.texts.get(str(view.token), f"#{view.token}")), 16)
    if view.colour == "rank":
        return 1 / (1 + np.asarray(lens.watched_ranks[at], np.float64)), f"rank of {name}, 1 is the top"
    return np.asarray(lens.watched_probabilities[at], np.float64), f"probability of {name}"


def _fitted(values: npt.NDArray[np.float64], colour: str) -> tuple[float, float]:
    """Return where the colours end, as js/src/logit_lens_view/state.ts has it."""
    if "probability" in colour:
        return 0.0, 1.0
    if colour == "rank":
        return max(_FLOOR, 1 / _nice(1 / min(0.1, float(np.nanmin(values))))), 1.0
    finite = np.sort(values[np.isfinite(values)])
    if not len(finite):
        return 0.0, 1.0
    most, largest = _nice(float(finite[int(0.95 * len(finite))])), _nice(float(finite[-1]))
    return 0.0, most if largest > 2.5 * most else largest


def _nice(value: float) -> float:
    if not value > 0:
        return 1.0
    power = 10.0 ** np.floor(np.log10(value))
    return float(next(step for step in (1, 2, 5, 10) if step * power >= value * (1 - 1e-9)) * power)
