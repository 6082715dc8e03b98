"""A circuit as pixels, for where no widget can run."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from scope_widgets.circuits import Circuit
from scope_widgets.experiments.circuit.layout import node_coordinates as place

_WIDTH, _HEIGHT, _MARGIN = 480, 320, 16
_MOST_EDGES = 400
_HELPS, _HURTS, _INK = (178, 24, 43), (33, 102, 172), (28, 30, 33)
_FAINT = (214, 216, 220)


def picture(circuit: Circuit) -> npt.NDArray[Any]:
    """Draw the strongest edges that are in, layers up, uint8 [row, column, 3]."""
    graph = circuit.graph
    canvas = np.full((_HEIGHT, _WIDTH, 3), 255, np.uint8)
    names = [*graph.senders, graph.output]
    spots = np.array([_spot(circuit, name) for name in names])
    receiver, sender = graph.edges
    size = np.nan_to_num(np.abs(circuit.scores))
    edges = circuit.order()
    edges = edges[circuit.included[edges]][:_MOST_EDGES][::-1]
    limit = size[edges].max(initial=0) or 1.0
    used: set[int] = set()
    for edge in edges:  # the strongest last, above the others
        for owner in graph.owner[receiver[edge]] or [len(names) - 1]:
            start, end = int(sender[edge]), int(owner)
            used |= {start, end}
            _curve(canvas, spots[start], spots[end], circuit.scores[edge], float(size[edge] / limit))
    for at, spot in enumerate(spots):
        _dot(canvas, spot, 3 if at in used else 1, _INK if at in used else _FAINT)
    return canvas


def _spot(circuit: Circuit, name: str) -> tuple[float, float]:
    columns, rows = circuit.graph.n_columns + 0.5, circuit.graph.n_layers + 1.0
    column, row = place(circuit.graph, name)
    x = _MARGIN + column / columns * (_WIDTH - 2 * _MARGIN)
    return x, _HEIGHT - _MARGIN - (row + 1) / rows * (_HEIGHT - 2 * _MARGIN)


def _curve(canvas: npt.NDArray[Any], start: Any, end: Any, score: float, size: float) -> None:
    t = np.linspace(0, 1, 640)[:, None]
    rise = np.array([0, (end[1] - start[1]) * 0.45])
    points = (
        (1 - t) ** 3 * start + 3 * (1 - t) ** 2 * t * (start + rise) + 3 * (1 - t) * t**2 * (end - rise) + t**3 * end
    )
    # the weaker the nearer to the ground; an edge without a score is grey
    full = np.array((128, 128, 128) if score != score else _HELPS if score >= 0 else _HURTS)
    colour = 255 - (255 - full) * (0.25 + 0.75 * np.sqrt(size))
    x, y = points.round().astype(int).T
    for shift in range(1 + (size > 0.3)):
        canvas[np.clip(y, 0, _HEIGHT - 1), np.clip(x + shift, 0, _WIDTH - 1)] = colour.round()


def _dot(canvas: npt.NDArray[Any], spot: Any, radius: int, colour: Any) -> None:
    x, y = (round(at) for at in spot)
    rows, columns = np.ogrid[:_HEIGHT, :_WIDTH]
    canvas[(rows - y) ** 2 + (columns - x) ** 2 <= radius**2 + 1] = colour
