"""Entries about edges: the fewest beside those of some nodes with which the behaviour is done."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np

from scope_widgets._types import Array
from scope_widgets.circuits.discovery.discover import discover
from scope_widgets.circuits.evaluation.circuit_run import Mask
from scope_widgets.experiments.circuit.circuit import Circuit
from scope_widgets.experiments.statistics.rounding import settled
from scope_widgets.experiments.statistics.t_test import chance
from scope_widgets.experiments.task import Task
from scope_widgets.models.microscope import Microscope
from scope_widgets.report.entries.components import documented_edges, edge_name
from scope_widgets.report.entries.entry import Entry
from scope_widgets.report.scoring.recovery import ABLATIONS, RecoveryRun

#: how many of them are tried
SIZES: Final = (2, 4, 6, 9, 12, 16, 20, 25, 32, 40)
#: edges that are looked at, and the level at which one changes the metric
MOST, ALPHA = 48, 0.05
#: of worth, that more edges than the best number may cost
SLACK: Final = 0.01


def write_wiring(
    scope: Microscope, task: Task, nodes: Iterable[str], depends_on: Iterable[str], *, seed: int
) -> tuple[tuple[Entry, ...], Circuit]:
    """Return entries of edges that are needed beside those between nodes, none where none are; and a circuit.

    They are one group: many edges each do a little, and without all of them much is lost.

    Edges are ranked by attribution patching (EAP-IG) under each of three ablations, the largest share of the metric
    counting: what is needed under one of them is needed. As many are taken as make `R (1 - |C| / |all|)` largest,
    within a hundredth.

    Parameters
    ----------
    scope : Microscope
    task : Task
        Discovery pairs.
    nodes : iterable of str
        Heads and MLPs that have entries of their own.
    depends_on : iterable of str
        Roles of the claim.
    seed : int
    """
    circuits = [discover(scope, task, "eap-ig", ablation=ablation, seed=seed) for ablation in ABLATIONS]
    run = RecoveryRun(scope, task, seed)
    graph = run.graph
    scores = np.max([_shares(circuit) for circuit in circuits], axis=0)
    start = documented_edges(graph, nodes)
    order = np.argsort(-np.where(start, -1.0, scores), kind="stable")[:MOST]
    order = order[_does_something(run, order)]
    chosen = np.sort(_enough(run, start, order))
    mask = start.copy()
    mask[chosen] = True
    shown = circuits[0].keep(n_edges=max(1, int(mask.sum())))
    claim = {"depends_on": list(depends_on)}
    group = f"edges of {task.name} beside those between its heads and MLPs"
    names = [edge_name(graph, int(edge)) for edge in chosen]
    return tuple(Entry("edge", (name,), task.name, claim, group=group) for name in names), shown


def worth(run: RecoveryRun, masks: Mask) -> Array:
    """Return what sets of edges are worth as a documentation, `R (1 - |C| / |all|)`, `[set]`."""
    values: Array = run.measure(masks).R() * (1 - masks.sum(1) / run.graph.n_edges)
    return values


def _with(start: Mask, sets: list[Array]) -> Mask:
    masks = np.repeat(start[None], len(sets), 0)
    for mask, edges in zip(masks, sets, strict=True):
        mask[edges] = True
    return masks


def _enough(run: RecoveryRun, start: Mask, order: Array) -> Array:
    """Return as many of the first edges of an order as are worth most, and more that cost next to nothing.

    What is worth most on these prompts is a chain that breaks where one edge of it is not verified on others.
    """
    sets = [order[:size] for size in (0, *(size for size in SIZES if size < len(order)), len(order))]
    values = worth(run, _with(start, sets))
    return sets[int(np.flatnonzero(values >= values.max() - SLACK)[-1])]


def _does_something(run: RecoveryRun, edges: Array) -> Mask:
    """Return which edges change the metric by more than chance where they are out, `[edge]` of bool."""
    without = np.ones((len(edges), run.graph.n_edges), dtype=bool)
    without[np.arange(len(edges)), edges] = False
    tried = run.runs[:2]
    p = [chance(settled(one.full - one.measure(without), one.floor)) for one in tried]
    found: Mask = len(tried) * np.min(p, axis=0) < ALPHA
    return found


def _shares(circuit: Circuit) -> Array:
    scores: Array = np.abs(np.nan_to_num(circuit.scores, nan=0.0)).astype(np.float64)
    shares: Array = scores / max(float(scores.max()), 1e-30)
    return shares
