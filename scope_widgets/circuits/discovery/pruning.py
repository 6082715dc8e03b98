"""Taking edges out of a circuit one after the other, as long as it can spare them: ACDC, and pruning of nodes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from scope_widgets._progress import extend, tqdm
from scope_widgets._types import Array
from scope_widgets.circuits.discovery.node_effects import edge_scores_of_nodes, node_effects
from scope_widgets.circuits.evaluation.circuit_run import CircuitRun, Mask
from scope_widgets.experiments.circuit.circuit import touching
from scope_widgets.experiments.statistics.rounding import rank


def take_out(
    included: Mask,
    parts: Sequence[Array],
    measure: Callable[[Array], Array],
    spared: Callable[[Array, Array], bool],
    update: Callable[[], object],
    at_once: int = 32,
) -> tuple[Array, list[int], int, int]:
    """Take parts out in their order; each stays out where the circuit could spare it, given all that is out before it.

    Several steps are measured at once, as if each part before would be spared; what was measured after the first that
    is not is thrown away. The result is that of one part after the other.

    Parameters
    ----------
    included : ndarray of bool [edge]
        To begin with.
    parts : sequence of ndarray of int
        The edges of each part.
    measure : callable
        Circuits `[circuit, edge]` -> metric `[circuit, pair]`.
    spared : callable
        Metric `[pair]` before a part was taken out, and after -> bool.
    update : callable
        Called after each part.
    at_once : int, default 32
        Steps measured together at the most; fewer after a part that could not be spared.

    Returns
    -------
    included : ndarray of bool [edge]
    needed : list of int
        The parts that could not be spared.
    done : int
        Number of parts that were tried: all, or up to a Ctrl-C.
    runs : int
        Number of circuits that were measured.
    """
    included, needed, runs, step, width = included.copy(), [], 0, 0, 1
    try:
        before = measure(included[None])[0]
        while step < len(parts):
            ahead = parts[step : step + width]
            circuits = np.repeat(included[None], len(ahead), 0)
            for at, part in enumerate(ahead):
                circuits[at:, part] = False
            after = measure(circuits)
            runs += len(ahead)
            width = min(2 * width, at_once)
            for at in range(len(ahead)):
                kept = not spared(before, after[at])
                if kept:
                    needed.append(step)
                    width = max(1, at)
                else:
                    included, before = circuits[at], after[at]
                step += 1
                update()
                if kept:
                    break
    except KeyboardInterrupt:
        if step == len(parts):  # nothing is missing by which the caller would see it
            raise
    return included, needed, step, runs


def acdc(run: CircuitRun, candidates: Mask, threshold: float, bar: tqdm[Any]) -> tuple[Array, Mask, str]:
    """Take edges out from the logits down, as long as each costs less than a threshold (Conmy et al. 2023).

    Returns
    -------
    scores : ndarray [edge]
        How much was lost when the edge was tried; NaN where it was not.
    included : ndarray of bool [edge]
    note : str
    """
    graph = run.graph
    # from the logits down, the latest senders first, as in the paper
    edges = np.flatnonzero(candidates)[::-1]
    scores = np.full(graph.n_edges, np.nan)
    tried = iter(edges)

    def spared(before: Array, after: Array) -> bool:
        cost = float(before.mean() - after.mean())
        scores[next(tried)] = cost
        return abs(cost) < max(threshold, run.floor)

    bar.set_description("Circuit: ACDC")
    included, _, done, runs = take_out(
        candidates, list(edges[:, None]), run.measure, spared, lambda: bar.update(run.layers)
    )
    _note_interrupt(run, done, len(edges))
    note = f"threshold {threshold:.3g}, {done:,} of {len(edges):,} edges tried in {runs:,} runs of all pairs"
    return scores, included, note


def prune_nodes(run: CircuitRun, candidates: Mask, target: float, bar: tqdm[Any]) -> tuple[Array, Mask, str]:
    """Take nodes out in the order of their effect, again and again until none can be spared.

    Returns
    -------
    scores : ndarray [edge]
        The smaller effect of the edge's two nodes.
    included : ndarray of bool [edge]
    note : str
    """
    graph = run.graph
    effects = node_effects(run, candidates, bar)
    included, left, runs = candidates, rank(-np.abs(effects), run.floor).tolist(), len(effects)
    least = target - run.floor / abs(run.scale)

    def spared(before: Array, after: Array) -> bool:
        return bool(run.faithfulness(after) >= least)

    while True:
        parts = [np.flatnonzero(touching(graph, [graph.senders[node]])) for node in left]
        bar.set_description("Circuit: pruning")
        if runs > len(effects):  # another round, of which nobody could know
            extend(bar, len(parts) * run.layers)
        included, needed, done, more = take_out(included, parts, run.measure, spared, lambda: bar.update(run.layers))
        runs += more
        _note_interrupt(run, done, len(left))
        if len(needed) == len(left) or done < len(left):
            break
        left = [left[at] for at in needed]
    whole = len(needed) == len(left)
    note = f"no node of {len(left)} can be spared" if whole else "interrupted before all nodes were tried"
    note += f" at faithfulness {target}, {runs:,} runs of all pairs"
    return edge_scores_of_nodes(run, effects, included), included, note


def _note_interrupt(run: CircuitRun, done: int, n: int) -> None:
    if done < n:
        run.interrupted = f"Interrupted: {done:,} of {n:,} steps were tried; the rest is left in."
