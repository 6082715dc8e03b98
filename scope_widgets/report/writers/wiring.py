"""Entries about edges: the fewest beside those of some nodes with which the behaviour is done."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np

from scope_widgets._types import Array
from scope_widgets.circuits.discovery.discover import discover
from scope_widgets.circuits.evaluation.circuit_run import Mask
from scope_widgets.experiments.circuit.circuit import Circuit
from scope_widgets.experiments.task import Task
from scope_widgets.models.microscope import Microscope
from scope_widgets.report.entries.components import documented_edges, edge_name
from scope_widgets.report.entries.entry import Entry
from scope_widgets.report.scoring.recovery import ABLATIONS, RecoveryRun

#: how many edges are tried
SIZES: Final = (2, 4, 7, 12, 18, 25, 32, 40)
#: of R, that an edge must be worth: nobody reads hundreds that do next to nothing
LEAST: Final = 0.002


def write_wiring(
    scope: Microscope, task: Task, nodes: Iterable[str], depends_on: Iterable[str], *, seed: int
) -> tuple[tuple[Entry, ...], Circuit]:
    """Return entries of edges that are needed beside those between nodes, none where none are; and a circuit.

    They are one group: many edges each do a little, and without all of them much is lost.

    Edges are ranked by attribution patching (EAP-IG) under each of three ablations, the largest share of the metric
    counting: what is needed under one of them is needed. As many are taken as make `R (1 - |C| / |all|)` largest.

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
    order = np.argsort(-np.where(start, -1.0, scores), kind="stable")
    sizes = [0, *(size for size in SIZES if size < graph.n_edges)]
    masks = np.repeat(start[None], len(sizes), 0)
    for mask, size in zip(masks, sizes, strict=True):
        mask[order[:size]] = True
    values = run.measure(masks).R() * (1 - masks.sum(1) / graph.n_edges)
    best = int(np.argmax(values))
    chosen = _needed(run, masks[best], np.flatnonzero(masks[best] & ~start))
    shown = circuits[0].keep(n_edges=max(1, int(masks[best].sum())))
    claim = {"depends_on": list(depends_on)}
    group = f"edges of {task.name} beside those between its heads and MLPs"
    names = [edge_name(graph, int(edge)) for edge in chosen]
    return tuple(Entry("edge", (name,), task.name, claim, group=group) for name in names), shown


def _needed(run: RecoveryRun, mask: Mask, edges: Array) -> Array:
    """Return the edges without which less is recovered, `[edge]` of int."""
    if not len(edges):
        return edges
    without = np.repeat(mask[None], len(edges) + 1, 0)
    without[np.arange(len(edges)), edges] = False
    recovered = run.measure(without).R()
    return edges[recovered[-1] - recovered[:-1] >= LEAST]


def _shares(circuit: Circuit) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    scores = np.abs(np.nan_to_num(circuit.scores, nan=0.0)).astype(np.float64)
    return scores / max(float(scores.max()), 1e-30)
