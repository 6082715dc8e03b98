"""The methods that find circuits, by name."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import numpy as np

from scope_widgets._progress import tqdm
from scope_widgets._types import Array
from scope_widgets.circuits.discovery.edge_scores import score_by_ablation, score_by_gradient
from scope_widgets.circuits.discovery.node_effects import edge_scores_of_nodes, node_effects
from scope_widgets.circuits.discovery.pruning import acdc, prune_nodes
from scope_widgets.circuits.evaluation.circuit_run import CircuitRun, Mask, preparation
from scope_widgets.experiments.check_logits import OVERFLOW
from scope_widgets.experiments.circuit.circuit import Circuit
from scope_widgets.experiments.statistics.rounding import noise_floor
from scope_widgets.experiments.task import Task
from scope_widgets.models.edges.graph import Graph, count_edges
from scope_widgets.models.microscope import Microscope

Method: TypeAlias = Literal["eap", "eap-ig", "edge-patching", "acdc", "prune", "patching"]

METHODS: dict[Method, str] = {
    "eap": "edge attribution patching: a gradient at the clean run (Syed et al. 2023)",
    "eap-ig": "edge attribution patching, gradients averaged from corrupted to clean embeddings (Hanna et al. 2024)",
    "edge-patching": "each edge cut by itself, exactly",
    "acdc": "edges taken out from the logits down, as long as each costs less than a threshold (Conmy et al. 2023)",
    "prune": "nodes taken out, the least important first, as long as the circuit stays faithful",
    "patching": "each node cut by itself, exactly",
}


def apply_method(
    method: Method,
    run: CircuitRun,
    candidates: Mask,
    *,
    min_effect: float,
    steps: int,
    threshold: float | None,
    target: float,
    bar: tqdm[Any],
) -> tuple[Array, Mask, str]:
    """Return the scores of all edges, which of them are in, and a note; the options are those of `discover`.

    `bar` is updated a layer after the other, `work_of` in all.
    """
    effect = min_effect * abs(run.scale)
    if method == "acdc":
        return acdc(run, candidates, effect if threshold is None else threshold, bar)
    if method == "prune":
        return prune_nodes(run, candidates, target, bar)
    if method == "edge-patching":
        scores, note = _by_edge(run, candidates, bar)
    elif method == "patching":
        scores, note = _by_node(run, candidates, bar)
    else:
        scores, note = _by_gradient(run, candidates, steps if method == "eap-ig" else 0, bar)
    return scores, np.nan_to_num(np.abs(scores)) >= effect, note


def work_of(scope: Microscope, task: Task, method: Method, within: Circuit | None, steps: int) -> int:
    """Return how many layers run until a circuit is found; of pruning in one round."""
    prepared = preparation(scope, task)
    if method in ("eap", "eap-ig"):
        return prepared + prepared // 3 * 2 * (steps if method == "eap-ig" else 1)
    graph = Graph(scope.n_layers, scope.n_heads, scope.anatomy.n_kv_heads)
    nodes = len(graph.senders if within is None else within.graph.senders)
    edges = count_edges(graph) if within is None else within.n_edges
    circuits = {"prune": 2 * nodes, "patching": nodes}.get(method, edges)
    return prepared + prepared // 3 * circuits


def _by_gradient(run: CircuitRun, candidates: Mask, steps: int, bar: tqdm[Any]) -> tuple[Array, str]:
    bar.set_description("Circuit: edge attribution")
    scores = score_by_gradient(run, steps, bar)
    if not np.isfinite(scores).all():
        raise ValueError(f"The gradient is NaN or infinite at {(~np.isfinite(scores)).sum():,} edges. {OVERFLOW}")
    # what rounding leaves of the gradient by a divergence is none
    floor = noise_floor(run.scope.model.dtype, abs(run.scale), 2 * run.scope.n_layers + 1)
    if (run.task.metric == "kl" and not steps) or not np.abs(scores).max() > floor:
        raise ValueError(
            f"The gradient of {run.task.metric_name} is 0 at the clean run (the KL divergence from it has its "
            f"minimum there), so no edge is seen: use method='{'edge-patching' if steps else 'eap-ig'}', or another "
            "metric."
        )
    return np.where(candidates, scores, np.nan), f"{steps or 1} gradient{'s' if steps > 1 else ''}"


def _by_edge(run: CircuitRun, candidates: Mask, bar: tqdm[Any]) -> tuple[Array, str]:
    edges = np.flatnonzero(candidates)
    scores = np.full(run.graph.n_edges, np.nan)
    bar.set_description("Circuit: edge patching")
    scores[edges] = score_by_ablation(run, edges, bar).mean(1)
    return scores, f"{np.isfinite(scores).sum():,} of {len(edges):,} edges, a run of all pairs each"


def _by_node(run: CircuitRun, candidates: Mask, bar: tqdm[Any]) -> tuple[Array, str]:
    effects = node_effects(run, candidates, bar)
    note = f"{np.isfinite(effects).sum()} of {len(effects)} nodes, a run each"
    return edge_scores_of_nodes(run, effects, candidates), note
