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
from scope_widgets.report.verification.claims import Donated, claim_evidence
from scope_widgets.report.verification.effects import Effects, ablation_evidence

#: edges that are looked at, and the level at which one changes the metric more than others do
MOST, ALPHA = 48, 0.03
#: what must be kept on discovery prompts: other prompts may show less
KEPT: Final = 0.84


def write_wiring(
    scope: Microscope,
    pool: Task,
    n: int,
    nodes: Iterable[str],
    depends_on: Iterable[str],
    *,
    seed: int,
    run: RecoveryRun | None = None,
) -> tuple[tuple[Entry, ...], Circuit]:
    """Return entries of edges that are needed beside those between nodes, none where none are; and a circuit.

    They are one group: many edges each do a little, and without all of them much is lost.

    Edges are ranked by attribution patching (EAP-IG) under each of three ablations, the largest share of the metric
    counting: what is needed under one of them is needed. Those of the first whose effect and claim hold on these
    prompts are tried together, and, the last first, each without which `R (1 - |C| / |all|)` is no less is left out.

    Parameters
    ----------
    scope : Microscope
    pool : Task
        Discovery pairs: the first `n` are looked at, all give activations.
    n : int
    nodes : iterable of str
        Heads and MLPs that have entries of their own.
    depends_on : iterable of str
        Roles of the claim.
    seed : int
    run : RecoveryRun, optional
        On the first `n`, where there is one.
    """
    task = pool[:n]
    run = run or RecoveryRun(scope, task, seed)
    graph = run.graph
    circuits = [discover(scope, task, "eap-ig", ablation=ablation, seed=seed) for ablation in ABLATIONS]
    scores = np.max([_shares(circuit) for circuit in circuits], axis=0)
    start = documented_edges(graph, nodes)
    order = [int(edge) for edge in np.argsort(-np.where(start, -1.0, scores), kind="stable")[:MOST] if not start[edge]]
    claim = {"depends_on": list(depends_on)}
    group = f"edges of {task.name} beside those between its heads and MLPs"
    entries = {edge: Entry("edge", (edge_name(graph, edge),), task.name, claim, group=group) for edge in order}
    chosen = _needed(run, start, _holding(scope, pool, n, run, entries, seed))
    mask = _with(start, chosen)
    shown = circuits[0].keep(n_edges=max(1, int(mask.sum())))
    return tuple(entries[edge] for edge in sorted(chosen)), shown


def worth(run: RecoveryRun, masks: Mask) -> Array:
    """Return what sets of edges are worth as a documentation, `R (1 - |C| / |all|)`, `[set]`."""
    values: Array = run.measure(masks).R() * (1 - masks.sum(1) / run.graph.n_edges)
    return values


def _holding(
    scope: Microscope, pool: Task, n: int, run: RecoveryRun, entries: dict[int, Entry], seed: int
) -> list[int]:
    """Return the edges whose entries pass the tests of effect and claim on the discovery pairs."""
    if not entries:
        return []
    donated = Donated(scope, pool, n, next(iter(entries.values())).parsed.roles, seed)
    if not donated.enough:
        return []
    effects = [Effects(one, lambda name, compute: compute(), seed) for one in run.runs[:2]]
    for one in effects:
        one.measure(entries.values())
    found = []
    for edge, entry in entries.items():
        evidence, which = ablation_evidence(effects, entry, seed)
        if evidence.p >= ALPHA:
            continue
        said = claim_evidence(donated, entry, effects[which].of(entry), seed)
        if all(one.passed and (one.test != "agree" or one.effect >= KEPT) for one in said):
            found.append(edge)
    return found


def _needed(run: RecoveryRun, start: Mask, edges: list[int]) -> list[int]:
    """Return the edges without those that are worth nothing beside the others, the last tried first."""
    left = list(edges)
    for edge in reversed(edges):
        rest = [one for one in left if one != edge]
        with_it, without = worth(run, np.array([_with(start, left), _with(start, rest)]))
        if without >= with_it:
            left = rest
    return left


def _with(start: Mask, edges: list[int]) -> Mask:
    mask = start.copy()
    mask[edges] = True
    return mask


def _shares(circuit: Circuit) -> Array:
    scores: Array = np.abs(np.nan_to_num(circuit.scores, nan=0.0)).astype(np.float64)
    shares: Array = scores / max(float(scores.max()), 1e-30)
    return shares
