"""The colours of edges and the coordinates of nodes that all drawings of a circuit share."""

from __future__ import annotations

from scope_widgets.experiments.circuit.latent_graph import LatentGraph
from scope_widgets.models.edges.graph import Graph

#: colours of what helps and what hurts, those of the views
HELPS, HURTS = "#b2182b", "#2166ac"


def node_coordinates(graph: Graph | LatentGraph, name: str) -> tuple[float, float]:
    """Return column (head) and row (layer) of a node: embeddings below, logits above, MLPs beside the heads.

    Latents stand at the height of the place that their SAE reads.
    """
    if isinstance(graph, LatentGraph):
        return graph.places[name]
    if name.startswith("m"):
        return graph.n_heads + 0.5, float(name[1:]) + (0.0 if graph.parallel else 0.4)
    if name.startswith("a"):
        layer, head = name[1:].split(".h")
        return float(head), float(layer)
    return (graph.n_heads - 1) / 2, -1.0 if name == "input" else float(graph.n_layers)
