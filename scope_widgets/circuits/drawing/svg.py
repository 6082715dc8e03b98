"""A circuit as an SVG file: layers up, heads across, the strongest edges above the others."""

from __future__ import annotations

from xml.sax.saxutils import escape

import numpy as np

from scope_widgets.experiments.circuit.circuit import Circuit
from scope_widgets.experiments.circuit.layout import HELPS, HURTS, node_coordinates

_COLUMN, _ROW, _LEFT, _TOP = 56, 48, 64, 64
_MOST_EDGES = 2000


def to_svg(circuit: Circuit) -> str:
    """Return a drawing of the strongest 2,000 edges that are in: width by the size of the score, colour by its sign.

    Parameters
    ----------
    circuit : Circuit

    Returns
    -------
    str
        SVG.

    Examples
    --------
    >>> from scope_widgets import Microscope, circuits
    >>> scope = Microscope.load("demo")
    >>> circuit = circuits.discover(scope, circuits.task(scope, "ioi", n=6), "eap").keep(20)
    >>> circuits.to_svg(circuit)[:4]
    '<svg'
    """
    graph = circuit.graph
    width = _LEFT + (graph.n_columns + 1) * _COLUMN + 24
    height = _TOP + (graph.n_layers + 1) * _ROW + 32
    read = np.unique(graph.edges[0][circuit.included])  # also what only reads is drawn
    shown = {
        *[graph.senders[at] for at in graph.sources],
        graph.output,
        *circuit.nodes,
        *(graph.senders[own] for at in read for own in graph.owner[at]),
    }
    coordinates = {name: _pixels(circuit, name) for name in [*graph.senders, graph.output]}
    size = np.nan_to_num(np.abs(circuit.scores))
    edges = circuit.order()
    edges = edges[circuit.included[edges]][:_MOST_EDGES][::-1]
    largest = float(size[edges].max(initial=0.0)) or 1.0
    lines = [
        _curve(
            coordinates[sender],
            coordinates[owner],
            float(circuit.scores[edge]),
            float(size[edge]) / largest,
            f"{sender} → {receiver}",
        )
        for edge in edges
        for sender, receiver in [graph.names(int(edge))]
        for owner in [graph.senders[at] for at in graph.owner[graph.edges[0][edge]]] or [graph.output]
    ]
    nodes = [
        _node(name, *coordinates[name], circuit.labels.get(name, ""), name in shown, graph.output)
        for name in coordinates
    ]
    hidden = circuit.n_edges - len(edges)
    title = (
        f"{circuit.task.name}, {circuit.model_id}: {circuit.n_edges:,} of {graph.n_edges:,} edges ({circuit.method})"
        + (f"; the {hidden:,} weakest are not drawn" if hidden else "")
    )
    text = [f'<text x="16" y="26" font-size="14" font-weight="600">{escape(title)}</text>']
    text += [
        f'<text x="{_LEFT - 28}" y="{y + 4}" text-anchor="end" fill="#62666d">{layer}</text>'
        for layer in range(graph.n_layers)
        for y in [_TOP + (graph.n_layers - layer) * _ROW]
    ]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
            'font-family="system-ui, sans-serif" font-size="11" fill="#1c1e21">',
            f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
            *lines,
            *nodes,
            *text,
            "</svg>",
            "",
        ]
    )


def _pixels(circuit: Circuit, name: str) -> tuple[float, float]:
    column, row = node_coordinates(circuit.graph, name)
    return _LEFT + column * _COLUMN, _TOP + (circuit.graph.n_layers - row) * _ROW


def _curve(start: tuple[float, float], end: tuple[float, float], score: float, share: float, title: str) -> str:
    middle = (start[1] + end[1]) / 2
    colour = "#8a8f98" if score != score else HELPS if score >= 0 else HURTS
    return (
        f'<path d="M{start[0]:.1f},{start[1]:.1f} C{start[0]:.1f},{middle:.1f} {end[0]:.1f},{middle:.1f} '
        f'{end[0]:.1f},{end[1]:.1f}" fill="none" stroke="{colour}" stroke-width="{0.5 + 4 * share:.2f}" '
        f'stroke-opacity="{0.25 + 0.75 * share:.2f}"><title>{escape(title)} {score:+.4g}</title></path>'
    )


def _node(name: str, x: float, y: float, label: str, shown: bool, output: str) -> str:
    if not shown:
        return f'<circle cx="{x}" cy="{y}" r="2" fill="#d6d8dc"/>'
    text = escape(label or {"input": "embeddings"}.get(name, name))
    look = 'fill="#f4f5f7" stroke="#62666d"'
    caption = f'<text x="{x}" y="{y + 4}" text-anchor="middle">{text}</text>'
    if name in ("input", output):
        return f'<rect x="{x - 40}" y="{y - 11}" width="80" height="22" rx="4" {look}/>{caption}'
    if name.startswith("m"):
        return f'<rect x="{x - 14}" y="{y - 11}" width="28" height="22" {look}/>{caption}'
    return f'<rect x="{x - 20}" y="{y - 11}" width="40" height="22" rx="11" {look}/>{caption}'
