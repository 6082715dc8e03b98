"""The strongest paths through a circuit."""

from __future__ import annotations

import heapq
from operator import attrgetter
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from scope_widgets._aliases import former_options
from scope_widgets.experiments.circuit.circuit import Circuit
from scope_widgets.experiments.statistics.rounding import levels

if TYPE_CHECKING:
    import pandas as pd


@former_options("n")
def strongest_paths(circuit: Circuit, *, n: int = 10) -> pd.DataFrame:
    """Return the paths from the embeddings to the logits whose weakest edge is the strongest.

    Parameters
    ----------
    circuit : Circuit
        Only edges that are in count.
    n : int, default 10
        Number of paths.

    Returns
    -------
    pandas.DataFrame
        path ("input > m0 > a2.h2<v> > a3.h1<q> > logits"), weakest (the smallest absolute score on it), nodes.

    Examples
    --------
    >>> from scope_widgets import Microscope, circuits
    >>> scope = Microscope.load("demo")
    >>> circuit = circuits.discover(scope, circuits.task(scope, "ioi", n=6), "eap").keep(40)
    >>> circuits.strongest_paths(circuit, n=3)["weakest"].is_monotonic_decreasing
    True
    """
    import pandas as pd

    graph = circuit.graph
    receiver, sender = graph.edges
    level = levels(np.abs(circuit.scores), circuit.floor)  # scores that differ by rounding only are a tie
    leaving: dict[int, list[int]] = {}
    for edge in np.argsort(-level, kind="stable"):
        if circuit.included[edge] and level[edge] >= 0:
            leaving.setdefault(int(sender[edge]), []).append(int(edge))
    # from each node on; what reads is always later than what writes
    onward: dict[int, list[_Path]] = {}
    for node in reversed(range(len(graph.senders))):
        best: list[_Path] = []
        for edge in leaving.get(node, ()):
            if len(best) == n and level[edge] <= best[-1].level:
                break  # no path over this edge or a weaker one can be among the best
            over = _paths_over(circuit, int(receiver[edge]), int(level[edge]), abs(float(circuit.scores[edge])), onward)
            best = heapq.nlargest(n, [*best, *over], key=attrgetter("level"))
        onward[node] = best
    paths = [(graph.senders[at], path) for at in graph.sources for path in onward[at]]
    paths = heapq.nlargest(n, paths, key=lambda path: path[1].level)
    return pd.DataFrame(
        {
            "path": [" > ".join((start, *path.names)) for start, path in paths],
            "weakest": [path.weakest for _, path in paths],
            "nodes": [len(path.names) - (start == "input") for start, path in paths],
        }
    )


class _Path(NamedTuple):
    """The level and the size of the weakest score, and the names of what reads on the way."""

    level: int
    weakest: float
    names: tuple[str, ...]


def _paths_over(
    circuit: Circuit, receiver: int, level: int, size: float, onward: dict[int, list[_Path]]
) -> list[_Path]:
    """Return the paths over an edge into a receiver."""
    graph = circuit.graph
    owners, name = graph.owner[receiver], graph.receivers[receiver]
    if not owners:
        return [_Path(level, size, (name,))]
    # keys and values that heads share go on from each of them
    names = [name] if len(owners) == 1 else [f"{graph.senders[owner]}<{name[-2]}>" for owner in owners]
    return [
        _Path(min(level, rest.level), min(size, rest.weakest), (own, *rest.names))
        for owner, own in zip(owners, names, strict=True)
        for rest in onward[owner]
    ]
