"""The strongest paths through a circuit."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

import numpy as np

from scope_widgets._aliases import former_options
from scope_widgets.circuits.circuit import Circuit

if TYPE_CHECKING:
    import pandas as pd


@former_options("n")
def strongest_paths(circuit: Circuit, *, n: int = 10) -> pd.DataFrame:
    """Return the paths from the embeddings to the logits whose weakest edge is the strongest.

    Parameters
    ----------
    circuit : Circuit
        Only edges that are in count.
    n : int
        Number of paths.

    Returns
    -------
    pandas.DataFrame
        path ("input > m0 > a2.h2<v> > a3.h1<q> > logits"), weakest (the smallest absolute score on it), nodes.

    Examples
    --------
    >>> from scope_widgets import Microscope, circuits
    >>> scope = Microscope.load("demo")
    >>> circuit = circuits.discover(scope, circuits.task(scope, "ioi", 6), "eap").keep(40)
    >>> circuits.strongest_paths(circuit, n=3)["weakest"].is_monotonic_decreasing
    True
    """
    import pandas as pd

    graph = circuit.graph
    receiver, sender = graph.edges
    size = np.nan_to_num(np.abs(circuit.scores), nan=-1.0)
    leaving: dict[int, list[int]] = {}
    for edge in np.argsort(-size, kind="stable"):
        if circuit.included[edge] and size[edge] >= 0:
            leaving.setdefault(int(sender[edge]), []).append(int(edge))
    # from each node on: (weakest, names of what reads on the way); what reads is always later than what writes
    onward: dict[int, list[tuple[float, tuple[str, ...]]]] = {}
    for node in reversed(range(len(graph.senders))):
        best: list[tuple[float, tuple[str, ...]]] = []
        for edge in leaving.get(node, ()):
            if len(best) == n and size[edge] <= best[-1][0]:
                break  # no path over this edge or a weaker one can be among the best
            best = heapq.nlargest(
                n, [*best, *_paths_over(circuit, int(receiver[edge]), float(size[edge]), onward)], key=_weakest
            )
        onward[node] = best
    paths = onward[0]
    return pd.DataFrame(
        {
            "path": [" > ".join(("input", *names)) for _, names in paths],
            "weakest": [weakest for weakest, _ in paths],
            "nodes": [len(names) - 1 for _, names in paths],
        }
    )


def _paths_over(
    circuit: Circuit, receiver: int, size: float, onward: dict[int, list[tuple[float, tuple[str, ...]]]]
) -> list[tuple[float, tuple[str, ...]]]:
    """Return the paths over an edge into a receiver."""
    graph = circuit.graph
    owners, name = graph.owner[receiver], graph.receivers[receiver]
    if not owners:
        return [(size, (name,))]
    # keys and values that heads share go on from each of them
    names = [name] if len(owners) == 1 else [f"{graph.senders[owner]}<{name[-2]}>" for owner in owners]
    return [
        (min(size, weakest), (own, *rest))
        for owner, own in zip(owners, names, strict=True)
        for weakest, rest in onward[owner]
    ]


def _weakest(path: tuple[float, tuple[str, ...]]) -> float:
    return path[0]
