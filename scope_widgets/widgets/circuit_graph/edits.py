"""What a person changes in a circuit: how many edges are kept, and nodes and edges that are in or out by hand."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from scope_widgets.circuits import Circuit, Graph
from scope_widgets.experiments.circuit.circuit import touching
from scope_widgets.experiments.circuit.latent_graph import LatentGraph

Mask = npt.NDArray[np.bool_]

_ARROW = "->"


def edge_name(sender: str, receiver: str) -> str:
    """Name an edge as the literature does: "a0.h1->a3.h2<q>"."""
    return f"{sender}{_ARROW}{receiver}"


def edge_of(graph: Graph | LatentGraph, name: str) -> int:
    """Give the index of the edge of this name.

    Raises
    ------
    ValueError
        Where there is none.
    """
    sender, arrow, receiver = name.partition(_ARROW)
    if not arrow:
        raise ValueError(f"An edge is written 'a0.h1->m3' or 'a0.h1->a3.h2<q>', not {name!r}.")
    return graph.find(sender, receiver)


def order_of(circuit: Circuit) -> npt.NDArray[np.intp]:
    """Give the edges from the largest absolute score down, those without a score last, as `Circuit.keep` counts."""
    return circuit.order()


def included(
    circuit: Circuit, order: npt.NDArray[np.intp], kept: int | None, removed: Iterable[str], added: Iterable[str]
) -> Mask:
    """Say which edges are in.

    Parameters
    ----------
    circuit : Circuit
        As it was given.
    order : ndarray [edge]
        See `order_of`.
    kept : int or None
        So many of the strongest edges; None: those of the circuit.
    removed : iterable of str
        Nodes and edges that are out all the same: names of senders, or "sender->receiver".
    added : iterable of str
        Edges that are in all the same, unless a node at their end is out.
    """
    graph = circuit.graph
    if kept is None:
        mask = np.array(circuit.included, dtype=bool)
    else:
        mask = np.zeros(graph.n_edges, dtype=bool)
        mask[order[:kept]] = True
        mask &= ~np.isnan(circuit.scores)
    mask[[edge_of(graph, name) for name in added]] = True
    edges = [name for name in removed if _ARROW in name]
    mask[[edge_of(graph, name) for name in edges]] = False
    return mask & ~touching(graph, [name for name in removed if _ARROW not in name])


def check_removed(graph: Graph | LatentGraph, names: Any) -> list[str]:
    """Tidy names of nodes and edges.

    Raises
    ------
    ValueError
        With a sentence, where one is not in the graph.
    """
    found = _texts(names, "removed")
    for name in found:
        _ = edge_of(graph, name) if _ARROW in name else graph.sender(name)
    return found


def check_added(graph: Graph | LatentGraph, names: Any) -> list[str]:
    """As `check_removed`, of edges only."""
    found = _texts(names, "added")
    for name in found:
        edge_of(graph, name)
    return found


def check_labels(graph: Graph | LatentGraph, labels: Any) -> dict[str, str]:
    """Tidy labels of nodes: those that are empty are none."""
    if not isinstance(labels, Mapping) or not all(isinstance(text, str) for text in labels.values()):
        raise ValueError(f"labels= is a dict of node to text, such as {{'a3.h1': 'copies'}}, not {labels!r}.")
    for name in labels:
        if name != graph.output:
            graph.sender(name)
    return {str(name): text.strip() for name, text in labels.items() if text.strip()}


def check_groups(graph: Graph | LatentGraph, groups: Any) -> dict[str, list[str]]:
    """Tidy groups of nodes: a node is in one of them at most, and a group has another name than any node."""
    if not isinstance(groups, Mapping) or not all(isinstance(nodes, (list, tuple)) for nodes in groups.values()):
        raise ValueError(f"groups= is a dict of name to nodes, such as {{'early': ['a0.h1', 'm0']}}, not {groups!r}.")
    home: dict[str, str] = {}
    for group, nodes in groups.items():
        if not str(group).strip() or group in graph.senders or group == graph.output:
            raise ValueError(f"A group needs a name that is no node's, not {group!r}.")
        for node in nodes:
            graph.sender(node)
            if home.setdefault(node, group) != group:
                raise ValueError(f"{node} is in the groups {home[node]!r} and {group!r}: a node is in one at most.")
    return {str(group): list(dict.fromkeys(nodes)) for group, nodes in groups.items() if nodes}


def check_pins(graph: Graph | LatentGraph, groups: Mapping[str, Any], pins: Any) -> dict[str, list[float]]:
    """Tidy the places of pinned nodes and groups: [column, layer]."""
    if not isinstance(pins, Mapping):
        raise ValueError(f"pins= is a dict of node to [column, layer], not {pins!r}.")
    found = {}
    for name, place in pins.items():
        if name != graph.output and name not in groups:
            graph.sender(name)
        try:
            column, row = (float(at) for at in place)
        except (TypeError, ValueError):
            column = row = math.nan
        if not (math.isfinite(column) and math.isfinite(row)):
            raise ValueError(f"A pin is [column, layer], two numbers, not {place!r}.")
        found[str(name)] = [column, row]
    return found


def check_kept(kept: Any, most: int) -> int | None:
    """Check a number of edges.

    Raises
    ------
    ValueError
        Where it is not one of 0 to `most`.
    """
    if kept is None:
        return None
    try:
        number = operator.index(kept)
    except TypeError:
        number = -1
    if not 0 <= number <= most:
        raise ValueError(f"kept= is a number of edges from 0 to {most:,}, those with a score; got {kept!r}.")
    return number


def _texts(names: Any, what: str) -> list[str]:
    if isinstance(names, str) or not isinstance(names, Iterable):
        raise ValueError(f"{what}= is a list of names such as ['a0.h1->m3'], not {names!r}.")
    return list(dict.fromkeys(str(name) for name in names))
