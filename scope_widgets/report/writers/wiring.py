"""An entry about edges: the fewest beside those of some nodes with which the behaviour is done."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np

from scope_widgets.circuits.discovery.discover import discover
from scope_widgets.experiments.circuit.circuit import Circuit
from scope_widgets.experiments.task import Task
from scope_widgets.models.microscope import Microscope
from scope_widgets.report.entries.components import documented_edges, edge_name
from scope_widgets.report.entries.entry import Entry
from scope_widgets.report.scoring.recovery import ABLATIONS, RecoveryRun

#: shares of all edges that are tried
SHARES: Final = (0.002, 0.005, 0.01, 0.02, 0.03, 0.045, 0.06, 0.08, 0.1, 0.13, 0.17, 0.21, 0.25)


def write_wiring(
    scope: Microscope, task: Task, nodes: Iterable[str], depends_on: Iterable[str], *, seed: int
) -> tuple[tuple[Entry, ...], Circuit]:
    """Return an entry of the edges that are needed beside those between nodes, none where none are; and a circuit.

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
    sizes = sorted({0, *(max(1, round(share * graph.n_edges)) for share in SHARES)})
    masks = np.repeat(start[None], len(sizes), 0)
    for mask, size in zip(masks, sizes, strict=True):
        mask[order[:size]] = True
    values = run.measure(masks).R() * (1 - masks.sum(1) / graph.n_edges)
    best = int(np.argmax(values))
    chosen = np.flatnonzero(masks[best] & ~start)
    shown = circuits[0].keep(n_edges=max(1, int(masks[best].sum())))
    if not len(chosen):
        return (), shown
    names = tuple(edge_name(graph, int(edge)) for edge in chosen)
    note = f"{len(names)} edges beside those between {', '.join(nodes)}" if nodes else f"{len(names)} edges"
    entry = Entry("circuit", names, task.name, {"depends_on": list(depends_on)}, id=f"{task.name} wiring", note=note)
    return (entry,), shown


def _shares(circuit: Circuit) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    scores = np.abs(np.nan_to_num(circuit.scores, nan=0.0)).astype(np.float64)
    return scores / max(float(scores.max()), 1e-30)
