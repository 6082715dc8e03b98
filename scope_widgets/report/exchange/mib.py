"""Circuits in the JSON of the Mechanistic Interpretability Benchmark (MIB): written, and read.

`{"cfg": {"n_layers", "n_heads", "parallel_attn_mlp", "d_model"}, "nodes": {name: {"in_graph"}}, "edges":
{"input->a0.h0<q>": {"score", "in_graph"}}}`. Names of nodes and edges are those of this package where each head has
keys and values of its own; GPT-2 small has 158 nodes and 32,491 edges in both.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from scope_widgets._provenance import Provenance
from scope_widgets._untrusted import check_count, json_text, opening, parse_json
from scope_widgets.experiments.circuit.circuit import Circuit
from scope_widgets.experiments.task import Task
from scope_widgets.models.edges.graph import Graph, count_edges

#: float32's largest number: what is more, infinite or NaN is no score
_LARGEST = float(np.finfo(np.float32).max)


def to_mib(circuit: Circuit) -> str:
    """Return a circuit as MIB's JSON: all edges with their scores, and which are in.

    Keys and values that several query heads share are written once for each of these heads, as MIB knows no others.

    Parameters
    ----------
    circuit : Circuit
        Of heads and MLPs.

    Raises
    ------
    ValueError
        For a circuit of latents.

    Examples
    --------
    >>> from scope_widgets import circuits, report
    >>> circuit = circuits.discover(scope, circuits.task(scope, "ioi", n=6), "eap").keep(20)
    >>> report.from_mib(report.to_mib(circuit), circuit.task).edges == circuit.edges
    True
    """
    graph = circuit.graph
    if not isinstance(graph, Graph):
        raise ValueError("MIB's circuits have heads and MLPs for nodes, and those of this circuit are latents.")
    inside = set(circuit.nodes)
    nodes = {name: {"in_graph": name in inside} for name in [*graph.senders, graph.output]}
    nodes[graph.output]["in_graph"] = bool(circuit.n_edges)
    edges: dict[str, Any] = {}
    for edge, score in enumerate(circuit.scores.tolist()):
        sender, receiver = graph.names(edge)
        said = {"score": None if math.isnan(score) else score, "in_graph": bool(circuit.included[edge])}
        for name in _mib_names(graph, int(graph.edges[0][edge]), receiver):
            edges[f"{sender}->{name}"] = said
    config = {"n_layers": graph.n_layers, "n_heads": graph.n_heads, "parallel_attn_mlp": graph.parallel}
    whole = {"cfg": config, "nodes": nodes, "edges": edges}
    return json_text(whole, "This circuit", "Keep it as Circuit.to_json does, which is shorter.")


def from_mib(text: str, task: Task, *, n_kv_heads: int | None = None) -> Circuit:
    """Return the circuit of MIB's JSON.

    Parameters
    ----------
    text : str
    task : Task
        What it is a circuit of, which the file does not say.
    n_kv_heads : int, optional
        Of a model whose query heads share keys and values; an edge is in where one of those it is written as is.

    Raises
    ------
    ValueError
        For what is no such JSON, or edges that no model of its sizes has.

    Examples
    --------
    >>> from scope_widgets import circuits, report
    >>> task = circuits.task(scope, "ioi", n=6)
    >>> circuit = circuits.discover(scope, task, "eap").keep(20)
    >>> report.from_mib(report.to_mib(circuit), task).n_edges
    20
    """
    read = parse_json(text, finite=False)
    if not isinstance(read, dict) or not all(isinstance(read.get(name), dict) for name in ("cfg", "edges")):
        raise ValueError(f"This is no circuit of MIB, which has cfg, nodes and edges: it begins {opening(text)}.")
    config = read["cfg"]
    layers, heads = (check_count(name, config.get(name)) for name in ("n_layers", "n_heads"))
    graph = Graph(layers, heads, n_kv_heads or heads, bool(config.get("parallel_attn_mlp", False)))
    n_edges = count_edges(graph)
    scores, included = np.full(n_edges, np.nan, dtype=np.float32), np.zeros(n_edges, dtype=bool)
    receivers = {
        name: receiver
        for receiver, own in enumerate(graph.receivers)
        for name in _mib_names(graph, receiver, own)
    }  # fmt: skip
    senders = {name: at for at, name in enumerate(graph.senders)}
    for name, said in read["edges"].items():
        sender, _, receiver = name.partition("->")
        at = (receivers.get(receiver), senders.get(sender))
        edge = -1 if None in at else int(graph.edge_of[at])
        if edge < 0 or not isinstance(said, dict):
            raise ValueError(f"A model of {layers} layers of {heads} heads has no edge {opening(name)}.")
        score = said.get("score")
        if isinstance(score, (int, float)) and not isinstance(score, bool) and abs(score) <= _LARGEST:
            scores[edge] = score
        included[edge] |= said.get("in_graph") is True or said.get("in_graph") == 1
    provenance = Provenance(task.model_id, note="read from a file of MIB", versions={})
    return Circuit(graph, scores, included, task, "given", False, "counterfactual", provenance)


def _mib_names(graph: Graph, receiver: int, name: str) -> list[str]:
    """Return what MIB calls a receiver: of keys and values that heads share one name a head."""
    if ".kv" not in name:
        return [name]
    return [f"{graph.senders[owner]}{name[-3:]}" for owner in graph.owner[receiver]]
