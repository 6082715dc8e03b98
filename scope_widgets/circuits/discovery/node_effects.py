"""What each node of a circuit does, measured by cutting it out, and what its edges get of that."""

from __future__ import annotations

from typing import Any

import numpy as np

from scope_widgets._progress import tqdm
from scope_widgets._types import Array
from scope_widgets.circuits.evaluation.circuit_run import CircuitRun, Mask
from scope_widgets.experiments.circuit.circuit import touching

_NODES_AT_ONCE = 32


def node_effects(run: CircuitRun, included: Mask, bar: tqdm[Any]) -> Array:
    """Return how much of the metric is lost when each node is cut out of a circuit, `[node]`, the mean over pairs.

    NaN where a Ctrl-C came before.
    """
    names = run.graph.senders
    found = np.full(len(names), np.nan)
    circuits = np.stack([included, *(included & ~touching(run.graph, [name]) for name in names)])
    bar.set_description("Circuit: nodes")
    try:
        whole = run.measure(circuits[:1])[0].mean()
        for start in range(0, len(names), _NODES_AT_ONCE):
            some = run.measure(circuits[1:][start : start + _NODES_AT_ONCE]).mean(-1)
            found[start : start + len(some)] = whole - some
            bar.update(len(some) * run.layers)
    except KeyboardInterrupt:
        run.interrupted = f"Interrupted: {np.isfinite(found).sum():,} of {len(names):,} nodes were measured."
    return found


def edge_scores_of_nodes(run: CircuitRun, effects: Array, candidates: Mask) -> Array:
    """Return each edge the smaller effect of its two nodes; an input that heads share counts as the largest of them."""
    receiver, sender = run.graph.edges
    size = np.abs(effects)
    into = np.array([max((size[one] for one in owners), default=np.inf) for owners in run.graph.owner])
    scores = np.minimum(size[sender], into[receiver]) * np.sign(effects[sender])
    return np.where(candidates, scores, np.nan)
