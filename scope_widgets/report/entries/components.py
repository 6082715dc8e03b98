"""Components of a model by their names, and the edges that documenting them puts into a circuit."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal, TypeAlias

import numpy as np

from scope_widgets._untrusted import opening
from scope_widgets.circuits.evaluation.circuit_run import Mask
from scope_widgets.experiments.circuit.circuit import touching
from scope_widgets.models.edges.graph import Graph

#: what an entry is about
EntryKind: TypeAlias = Literal["head", "mlp", "edge", "circuit", "feature"]

ARROW = "->"
_NODE = {"head": re.compile(r"a\d{1,4}\.h\d{1,4}"), "mlp": re.compile(r"m\d{1,4}")}
_FEATURE = re.compile(r"\d{1,4}\.([a-z_]+\.)?\d{1,9}")
_EDGE = re.compile(
    rf"(input|a\d{{1,4}}\.h\d{{1,4}}|m\d{{1,4}}){ARROW}(logits|m\d{{1,4}}|a\d{{1,4}}\.(h|kv)\d{{1,4}}<[qkv]>)"
)
#: names of one entry: a circuit may be all edges of a small model
MOST_COMPONENTS = 100_000


def check_names(kind: EntryKind, names: object) -> tuple[str, ...]:
    """Return the names of an entry's components, each once; raise ValueError where they are not of its kind."""
    form = _NODE.get(kind) or (_FEATURE if kind == "feature" else _EDGE)
    example = {"head": "a3.h1", "mlp": "m2", "feature": "3.27"}.get(kind, "a1.h2->a2.h3<q>")
    if not isinstance(names, list | tuple) or not 0 < len(names) <= MOST_COMPONENTS:
        raise ValueError(f"components= is a list of 1 to {MOST_COMPONENTS:,} names such as {example!r}.")
    for name in names:
        if not isinstance(name, str) or not form.fullmatch(name):
            raise ValueError(f"{opening(name)} is no {kind}: one is named as {example!r}.")
    if kind == "edge" and len(names) > 1:
        raise ValueError(f"An entry of kind 'edge' has one edge; several are a 'circuit'. Got {len(names)}.")
    return tuple(dict.fromkeys(names))


def edge_name(graph: Graph, edge: int) -> str:
    """Return the name of an edge, such as "a1.h2->a2.h3<q>"."""
    return ARROW.join(graph.names(edge))


def edges_of(graph: Graph, names: Iterable[str]) -> Mask:
    """Return the edges that are named, `[edge]` of bool.

    Raises
    ------
    ValueError
        Where the model has no such edge.
    """
    mask = np.zeros(graph.n_edges, dtype=bool)
    for name in names:
        sender, _, receiver = name.partition(ARROW)
        mask[graph.find(sender, receiver)] = True
    return mask


def documented_edges(graph: Graph, components: Iterable[str]) -> Mask:
    """Return the edges of a documentation of these components, `[edge]` of bool.

    Of heads and MLPs those between any two of them, from the embeddings and to the logits; and the edges that are named
    themselves. Features have none.
    """
    nodes, mask = set(), np.zeros(graph.n_edges, dtype=bool)
    named = []
    for name in components:
        if ARROW in name:
            named.append(name)
        elif name.startswith(("a", "m")):
            nodes.add(graph.sender(name))
    if nodes:
        receiver, sender = graph.edges
        writes = np.isin(sender, sorted(nodes | {graph.sender("input")}))
        reads = np.array([not owners or bool(nodes & set(owners)) for owners in graph.owner])
        mask = writes & reads[receiver]
    return mask | edges_of(graph, named)


def taken_out(graph: Graph, kind: EntryKind, components: Iterable[str]) -> Mask:
    """Return the edges that are cut where the components of an entry are taken out, `[edge]` of bool."""
    return edges_of(graph, components) if kind in ("edge", "circuit") else touching(graph, components)


def layers_of(graph: Graph, components: Iterable[str]) -> tuple[int, int]:
    """Return the first and the last layer of components; of edges that of what they go into, `n_layers` for logits."""
    found = []
    for name in components:
        target = name.partition(ARROW)[2] or name
        found.append(graph.n_layers if target == graph.output else int(re.findall(r"\d+", target)[0]))
    return min(found), max(found)


def kinds_of_edges(graph: Graph) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Return for each edge a number of its layer and kind, `[edge]`.

    The layer is that of the receiver; kinds are told apart by what is written (embeddings, a head, an MLP) and what is
    read (query, key, value, the input of an MLP, the logits).
    """
    wrote = np.array([{"i": 0, "a": 1, "m": 2}[name[0]] for name in graph.senders])
    reads = []
    for name in graph.receivers:
        layer = graph.n_layers if name == graph.output else int(re.findall(r"\d+", name)[0])
        site = "qkv".index(name[-2]) if name.endswith(">") else 3
        reads.append(4 * layer + site)
    receiver, sender = graph.edges
    numbers: np.ndarray[tuple[int], np.dtype[np.int64]] = 3 * np.array(reads)[receiver] + wrote[sender]
    return numbers


def random_alike(graph: Graph, mask: Mask, draws: int, seed: int) -> Mask:
    """Return random sets of as many edges of each layer and kind as a set has, `[draw, edge]` of bool."""
    rng = np.random.default_rng(seed)
    kinds = kinds_of_edges(graph)
    found = np.zeros((draws, graph.n_edges), dtype=bool)
    for kind in np.unique(kinds[mask]):
        all_of_it = np.flatnonzero(kinds == kind)
        n = int(mask[all_of_it].sum())
        for row in found:
            row[rng.permutation(all_of_it)[:n]] = True
    return found
