"""Circuits as the graph JSON that Neuronpedia shows: heads, MLPs and edges in place of features."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from scope_widgets._untrusted import json_text
from scope_widgets.experiments.circuit.circuit import Circuit
from scope_widgets.models.edges.graph import Graph

_KINDS = {"i": "embedding", "a": "attention head", "m": "mlp", "l": "logit"}


def to_neuronpedia_graph(circuit: Circuit, *, slug: str = "circuit", scan: str = "") -> str:
    """Return the edges of a circuit that are in as Neuronpedia's graph JSON.

    Nodes are components, at the last position of the first prompt, as a circuit is of all positions; links have the
    edges' scores, those of a head's queries, keys and values added. Graphs of features of one prompt are
    `circuits.to_circuit_tracer`.

    Parameters
    ----------
    circuit : Circuit
        Of heads and MLPs.
    slug : str, default "circuit"
        Its name.
    scan : str, default ""
        What tells a viewer which model this is; by default its id.

    Raises
    ------
    ValueError
        For a circuit of latents.

    Examples
    --------
    >>> from scope_widgets import circuits, report
    >>> circuit = circuits.discover(scope, circuits.task(scope, "ioi", n=6), "eap").keep(20)
    >>> report.to_neuronpedia_graph(circuit)[:32]
    '{"metadata": {"slug": "circuit",'
    """
    graph = circuit.graph
    if not isinstance(graph, Graph):
        raise ValueError("The nodes of this circuit are latents: circuits.to_circuit_tracer writes graphs of these.")
    tokens = circuit.question.clean if circuit.question is not None else [""]
    last = len(tokens) - 1
    links: dict[tuple[str, str], float] = {}
    receiver, sender = graph.edges
    for edge in np.flatnonzero(circuit.included).tolist():
        targets = [graph.senders[owner] for owner in graph.owner[int(receiver[edge])]] or [graph.output]
        for target in targets:
            pair = (graph.senders[int(sender[edge])], target)
            links[pair] = links.get(pair, 0.0) + float(np.nan_to_num(circuit.scores[edge]))
    names = [name for name in [*graph.senders, graph.output] if any(name in pair for pair in links)]
    whole = {
        "metadata": {
            "slug": slug,
            "scan": scan or circuit.model_id,
            "prompt_tokens": list(tokens),
            "prompt": "".join(tokens),
            "schema_version": 1,
        },
        "qParams": {"pinnedIds": [], "supernodes": [], "linkType": "both", "clickedId": "", "sg_pos": ""},
        "nodes": [_node(graph, name, last, circuit.labels.get(name, "")) for name in names],
        "links": [
            {"source": _id(graph, source, last), "target": _id(graph, target, last), "weight": weight}
            for (source, target), weight in links.items()
        ],
    }
    return json_text(whole, "This circuit", "Keep fewer edges: circuit.keep(200).")


def _layer(graph: Graph, name: str) -> str:
    if name == "input":
        return "E"
    return str(graph.n_layers) if name == graph.output else re.findall(r"\d+", name)[0]


def _id(graph: Graph, name: str, last: int) -> str:
    number = graph.senders.index(name) if name != graph.output else len(graph.senders)
    return f"{_layer(graph, name)}_{number}_{last}"


def _node(graph: Graph, name: str, last: int, label: str) -> dict[str, Any]:
    node = _id(graph, name, last)
    return {
        "node_id": node,
        "feature": int(node.split("_")[1]),
        "layer": _layer(graph, name),
        "ctx_idx": last,
        "feature_type": _KINDS[name[0]],
        "jsNodeId": node,
        "clerp": f"{name} {label}".strip(),
        "is_target_logit": name == graph.output,
        "token_prob": 0.0,
        "run_idx": 0,
        "reverse_ctx_idx": 0,
    }
