"""A circuit as DOT, the language of Graphviz."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

from scope_widgets.experiments.circuit.latent_graph import LatentGraph
from scope_widgets.experiments.circuit.layout import HELPS, HURTS
from scope_widgets.models.edges.graph import Graph


def to_dot(
    graph: Graph | LatentGraph, scores: Mapping[tuple[str, str], float], title: str = "", labels: Mapping[str, str] = {}
) -> str:
    """Return edges as DOT: layers from below, width by the size of the score, colour by its sign.

    Parameters
    ----------
    graph : Graph or LatentGraph
    scores : dict of (sender, receiver) to float
    title : str, default ""
    labels : dict of node to str, default {}
        Shown instead of the nodes' names.

    Returns
    -------
    str
        DOT, for `dot -Tsvg`.
    """
    owners = {
        name: [graph.senders[i] for i in own] or [graph.output]
        for name, own in zip(graph.receivers, graph.owner, strict=True)
    }
    shown = {
        graph.output,
        *(sender for sender, _ in scores),
        *(own for _, receiver in scores for own in owners[receiver]),
    }
    layers: dict[float, list[str]] = {}
    for name in [*graph.senders, graph.output]:
        if name in shown:
            layers.setdefault(_height(graph, name), []).append(name)
    rows = [layers[height] for height in sorted(layers)]
    largest = max((abs(score) for score in scores.values() if score == score), default=0) or 1.0
    lines = [
        "digraph circuit {",
        f'  graph [rankdir=BT, ranksep=0.5, nodesep=0.15, fontname="Helvetica", labelloc=t, label={_quoted(title)}];',
        '  node [shape=box, style="filled,rounded", fillcolor="#f4f5f7", fontname="Helvetica", fontsize=11];',
        '  edge [arrowsize=0.5, fontname="Helvetica", fontsize=8];',
    ]
    for row in rows:
        nodes = " ".join(f"{_quoted(name)} [label={_quoted(labels.get(name, name))}];" for name in row)
        lines.append(f"  {{ rank=same; {nodes} }}")
    # rows keep the order of the layers also where no edge says so
    lines += [f"  {_quoted(low[0])} -> {_quoted(high[0])} [style=invis];" for low, high in pairwise(rows)]
    for (sender, receiver), score in scores.items():
        size = abs(score) / largest if score == score else 0.0
        site = receiver[-2] if receiver.endswith(">") else ""
        look = f'penwidth={0.4 + 3.6 * size:.2f}, color="{HURTS if score < 0 else HELPS}", label="{site}"'
        lines += [f"  {_quoted(sender)} -> {_quoted(owner)} [{look}];" for owner in owners[receiver]]
    return "\n".join([*lines, "}", ""])


def _height(graph: Graph | LatentGraph, name: str) -> float:
    if isinstance(graph, LatentGraph):
        return graph.places[name][1]
    if name in ("input", graph.output):
        return -1.0 if name == "input" else float(graph.n_layers)
    return float(name[1:]) + 0.5 if name.startswith("m") else float(name[1:].split(".")[0])


def _quoted(text: str) -> str:
    """Return a text quoted as DOT does."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
