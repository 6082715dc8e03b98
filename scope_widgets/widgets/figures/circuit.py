"""A circuit on paper: layers up, heads and MLPs across, edges by their scores, the strongest above the others."""

from __future__ import annotations

import numpy as np

from scope_widgets.circuits import Circuit
from scope_widgets.experiments.circuit.layout import node_coordinates
from scope_widgets.widgets.core.drawing.colours import SIGNED
from scope_widgets.widgets.core.drawing.svg_sheet import DIM, INK, TEXT, Paper, hex_of, measured
from scope_widgets.widgets.figures.captions import counted, number

MOST_EDGES = 400
_ROW, _LEAST_ROW, _TALLEST, _PITCH = 44.0, 15.0, 520.0, 84.0
_THIN, _THICK = 0.4, 2.6
_FAINT, _NO_SCORE = "#d6d8dc", "#8a8f98"


def draw_circuit(paper: Paper, circuit: Circuit) -> None:
    """Draw the strongest edges that are in, and how many more there are."""
    graph = circuit.graph
    gutter = 10 + measured("embeddings") * 0.6
    pitch = min(_PITCH, (paper.width - gutter - 22) / (graph.n_columns + 0.5))
    rise = max(_LEAST_ROW, min(_ROW, _TALLEST / (graph.n_layers + 1)))
    top = paper.y + 14

    def place(name: str) -> tuple[float, float]:
        column, row = node_coordinates(graph, name)
        return gutter + 8 + column * pitch, top + (graph.n_layers - row) * rise

    names = [*graph.senders, graph.output]
    spots = {name: place(name) for name in names}
    size = np.nan_to_num(np.abs(circuit.scores))
    included = circuit.order()
    included = included[circuit.included[included]]
    edges = included[:MOST_EDGES][::-1]
    limit = float(size[edges].max(initial=0.0)) or 1.0
    used = set()
    for edge in edges:
        sender = graph.senders[graph.edges[1][edge]]
        for owner in [graph.senders[at] for at in graph.owner[graph.edges[0][edge]]] or [graph.output]:
            used |= {sender, owner}
            _draw_edge(paper, spots[sender], spots[owner], float(circuit.scores[edge]), limit, pitch, rise)
    for layer in range(graph.n_layers):
        if rise * 2 > 17 or layer % 2 == 0:
            paper.text(gutter - 10, top + (graph.n_layers - layer) * rise + 2.5, str(layer), anchor="end", fill=DIM)
    middle = top + graph.n_layers * rise / 2
    paper.text(TEXT, middle + rise / 2, "layer", anchor="middle", fill=DIM, turned=-90)
    for name, spot in spots.items():
        if name not in used:
            paper.dot(*spot, 0.9, _FAINT)
    for name, spot in spots.items():
        if name in used:
            _draw_node(paper, name, spot, circuit.labels.get(name, ""), pitch, graph.output)
    paper.y = top + (graph.n_layers + 1) * rise + 8
    some = np.concatenate([SIGNED[14:96], SIGNED[160:242]])
    paper.scale(
        some,
        [f"−{number(limit)}", "0", number(limit)],
        f"score of an edge, in {circuit.task.metric_name.replace('_', ' ')}; the thicker the larger",
    )
    keys = [(f'<circle cx="4" cy="4" r="3.6" fill="#f4f5f7" stroke="{INK}" stroke-width=".5"/>', "head (layer.head)")]
    keys += [(f'<rect y="1" width="8" height="6" fill="#f4f5f7" stroke="{INK}" stroke-width=".5"/>', "m: MLP")]
    if np.isnan(circuit.scores[edges]).any():
        keys.append((f'<path d="M0 4h8" stroke="{_NO_SCORE}" stroke-width="1"/>', "edge without a score"))
    paper.keys([*keys, (f'<circle cx="4" cy="4" r="1" fill="{_FAINT}"/>', "not in the circuit")])
    if len(included) > len(edges):
        paper.paragraph(f"The {counted(len(included) - len(edges), 'weakest edge')} of it are not drawn.", fill=DIM)


def _draw_edge(
    paper: Paper,
    start: tuple[float, float],
    end: tuple[float, float],
    score: float,
    limit: float,
    pitch: float,
    rise: float,
) -> None:
    (x0, y0), (x1, y1) = start, end
    away = y0 - y1
    handle = max(abs(away) * 0.42, min(14, rise * 0.6))
    upright = max(0.0, 1 - abs(x1 - x0) / (pitch * 0.75))
    bend = upright * min(pitch * 0.62, 5 + abs(away) * 0.12) if abs(away) > rise * 1.2 else 0.0
    share = 0.0 if score != score else min(1.0, abs(score) / limit)
    colour = _NO_SCORE
    if score == score:
        depth = (0.35 + 0.5 * share) * 127.5  # from faint, but to be seen, to the last that shows its sign
        colour = hex_of(SIGNED[round(127.5 + depth if score >= 0 else 127.5 - depth)])
    path = f"M{x0:.1f} {y0:.1f}C{x0 + bend:.1f} {y0 - handle:.1f} {x1 + bend:.1f} {y1 + handle:.1f} {x1:.1f} {y1:.1f}"
    paper.line(path, colour, _THIN + (_THICK - _THIN) * share)


def _draw_node(paper: Paper, name: str, spot: tuple[float, float], label: str, pitch: float, output: str) -> None:
    x, y = spot
    boxed = name in ("input", output)
    text = {"input": "embeddings"}.get(name, name)
    if name.startswith("a"):
        text = name[1:].replace(".h", ".")
    elif name.startswith("m"):
        text = f"m{name[1:]}"
    half = measured(text) / 2 + 2.5
    if not boxed:
        half = min(half, pitch / 2 - 0.5)
    look = f' stroke="{INK}" stroke-width=".5"' + ("" if name.startswith("m") or boxed else ' rx="5.5"')
    paper.rect(x - half, y - 5.5, 2 * half, 11, "#f4f5f7", look)
    paper.text(x, y + 2.5, text, anchor="middle")
    if label:
        paper.text(x + half + 2, y - 4, label, halo=True, bold=True)
