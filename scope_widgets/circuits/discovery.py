"""`discover`: the circuit of a task, by one of several methods."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from tqdm.auto import tqdm

from scope_widgets._provenance import Provenance
from scope_widgets.circuits.circuit import Circuit, touching
from scope_widgets.circuits.circuit_run import CircuitRun
from scope_widgets.circuits.edge_scores import by_cutting, by_gradient, passes
from scope_widgets.circuits.pruning import thinned
from scope_widgets.experiments.t_test import t_test
from scope_widgets.experiments.task import Task
from scope_widgets.models.microscope import Microscope
from scope_widgets.models.remote_dispatch import remotable

Array = np.ndarray[Any, Any]
METHODS = {
    "eap": "edge attribution patching: a gradient at the clean run (Syed et al. 2023)",
    "eap-ig": "edge attribution patching, gradients averaged from corrupted to clean embeddings (Hanna et al. 2024)",
    "edge-patching": "each edge cut by itself, exactly",
    "acdc": "edges taken out from the logits down, as long as each costs less than a threshold (Conmy et al. 2023)",
    "prune": "nodes taken out, the least important first, as long as the circuit stays faithful",
    "patching": "each node cut by itself, exactly",
}


@remotable
def discover(
    scope: Microscope,
    task: Task,
    method: str = "eap-ig",
    *,
    ablation: str = "counterfactual",
    min_effect: float = 0.01,
    steps: int = 5,
    threshold: float | None = None,
    target: float = 0.9,
    within: Circuit | None = None,
    seed: int = 0,
) -> Circuit:
    """Find the circuit of a task.

    Parameters
    ----------
    scope : Microscope
    task : Task
    method : str
        "eap-ig" and "eap" (estimates from a few passes), "edge-patching" and "acdc" (exact, a run an edge), "prune" and
        "patching" (exact, a run a node).
    ablation : str
        What an edge carries that is out: "counterfactual" (its value on the pair's corrupted prompt), "mean",
        "resample" or "zero".
    min_effect : float
        Edges (for "patching": nodes) with a smaller share of the effect are out; `.keep` chooses otherwise.
    steps : int
        Of EAP-IG.
    threshold : float, optional
        Of ACDC: how much an edge may cost, in units of the metric; 1 % of the effect where nothing is said.
    target : float
        Of "prune": how faithful the circuit must stay.
    within : Circuit, optional
        Only edges of this circuit are cut or taken out; the others are left in (edge-patching) or out (acdc, prune).
    seed : int
        Of resampling.

    Returns
    -------
    Circuit
        With the scores of all edges that were looked at. Empty, with a note, where the metric does not differ between
        clean and corrupted prompts by more than chance. Of "acdc" and "prune" scores are how much was lost when an edge
        was tried; of methods on nodes, the smaller effect of the edge's two nodes.

        Interrupted (Ctrl-C): with what was done until then.

    Raises
    ------
    ValueError
        For an unknown method or ablation, a task of another model, a metric without a gradient where one is needed.
    MemoryError
        Where the pairs do not fit; says how many do.
    """
    if method not in METHODS:
        known = "; ".join(f"{name!r}: {what}" for name, what in METHODS.items())
        raise ValueError(f"method= got {method!r}; the known ones are {known}.")
    if method == "eap-ig" and steps < 1:
        raise ValueError(f"steps= is a number of gradients, 1 or more; got {steps}.")
    trial = CircuitRun(scope, task, ablation, seed)
    if within is not None and within.graph != trial.graph:
        raise ValueError(f"within= is a circuit of {within.model_id}, which has other edges than {scope.model_id}.")
    candidates = np.ones(trial.graph.n_edges, dtype=bool) if within is None else within.included
    why = nothing_to_find(trial)
    if why:
        scores, included, note = np.full(trial.graph.n_edges, np.nan), np.zeros(trial.graph.n_edges, dtype=bool), why
    elif method == "acdc":
        limit = abs(trial.scale) * min_effect if threshold is None else threshold
        scores, included, note = _acdc(trial, candidates, limit)
    elif method == "prune":
        scores, included, note = _prune(trial, candidates, target)
    else:
        scores, note = _SCORERS[method](trial, candidates, steps)
        included = np.nan_to_num(np.abs(scores)) >= min_effect * abs(trial.scale)
    return circuit_of(trial, method, scores, included, f"{METHODS[method]}; {note}")


def circuit_of(trial: CircuitRun, method: str, scores: Array, included: Array, note: str) -> Circuit:
    """Make the circuit that a method found on a trial."""
    return Circuit(
        graph=trial.graph,
        scores=scores,
        included=included,
        task=trial.task,
        method=method,
        exact=method not in ("eap", "eap-ig"),
        ablation=trial.ablation,
        provenance=Provenance(
            model=trial.scope.model_id,
            revision=trial.scope.revision,
            prompts=trial.texts,
            seed=trial.seed,
            ablation=trial.sentence,
            note=f"{trial.task.metric_name} {trial.full.mean():.3f} of the whole model, {trial.empty.mean():.3f} of no "
            f"edges; {note}",
        ),
    )


def nothing_to_find(trial: CircuitRun) -> str:
    """Say why there can be no circuit: the metric does not differ by more than chance; else give an empty text."""
    difference = trial.full - trial.empty
    size = max(np.abs(trial.full).max(), np.abs(trial.empty).max(), 1e-6)
    if np.abs(difference).max() < 1e-4 * size:
        return "clean and corrupted prompts have the same metric, so no edge was looked for"
    if len(difference) > 2:
        p = float(t_test(difference))
        if p > 0.01:
            return (
                f"the metric differs by {difference.mean():.3g} between the whole model and no edges, which chance "
                f"does too (p = {p:.2g}), so no edge was looked for"
            )
    return ""


def _gradient(trial: CircuitRun, candidates: Array, steps: int) -> tuple[Array, str]:
    with tqdm(total=passes(trial, steps), desc="Edge attribution", unit="pass", leave=False) as bar:
        scores = by_gradient(trial, steps, bar)
    # what rounding leaves of the gradient by a divergence is none
    if (trial.task.metric == "kl" and not steps) or not np.abs(scores).max() > 1e-6 * abs(trial.scale):
        raise ValueError(
            f"The gradient of {trial.task.metric_name} is 0 at the clean run (the KL divergence from it has its "
            f"minimum there), so no edge is seen: use method='{'edge-patching' if steps else 'eap-ig'}', or another "
            "metric."
        )
    return np.where(candidates, scores, np.nan), f"{steps or 1} gradient{'s' if steps > 1 else ''}"


def _edges(trial: CircuitRun, candidates: Array, steps: int) -> tuple[Array, str]:
    edges = np.flatnonzero(candidates)
    scores = np.full(trial.graph.n_edges, np.nan)
    with tqdm(total=len(edges), desc="Edge patching", unit="edge", leave=False) as bar:
        scores[edges] = by_cutting(trial, edges, bar).mean(1)
    return scores, f"{np.isfinite(scores).sum():,} of {len(edges):,} edges, a run of all pairs each"


def _nodes(trial: CircuitRun, candidates: Array, steps: int) -> tuple[Array, str]:
    effects = node_effects(trial, candidates)
    return edge_scores(trial, effects, candidates), f"{np.isfinite(effects).sum()} of {len(effects)} nodes, a run each"


_SCORERS: dict[str, Callable[[CircuitRun, Array, int], tuple[Array, str]]] = {
    "eap": lambda trial, candidates, steps: _gradient(trial, candidates, 0),
    "eap-ig": _gradient,
    "edge-patching": _edges,
    "patching": _nodes,
}


def node_effects(trial: CircuitRun, included: Array) -> Array:
    """Measure how much of the metric is lost when each node is cut out of a circuit, `[node]`, the mean over pairs.

    NaN where a Ctrl-C came before.
    """
    names = trial.graph.senders
    found = np.full(len(names), np.nan)
    circuits = np.stack([included, *(included & ~touching(trial.graph, [name]) for name in names)])
    with tqdm(total=len(names), desc="Node patching", unit="node", leave=False) as bar:
        try:
            whole = trial.measure(circuits[:1])[0].mean()
            for start in range(0, len(names), 32):
                some = trial.measure(circuits[1 + start : 33 + start]).mean(-1)
                found[start : start + len(some)] = whole - some
                bar.update(len(some))
        except KeyboardInterrupt:
            tqdm.write(f"Interrupted after {np.isfinite(found).sum():,} of {len(names):,} nodes.")
    return found


def edge_scores(trial: CircuitRun, effects: Array, candidates: Array) -> Array:
    """Give each edge the smaller effect of its two nodes; an input that heads share counts as the largest of them."""
    receiver, sender = trial.graph.edges
    size = np.abs(effects)
    into = np.array([max((size[one] for one in owners), default=np.inf) for owners in trial.graph.owner])
    scores = np.minimum(size[sender], into[receiver]) * np.sign(effects[sender])
    return np.where(candidates, scores, np.nan)


def _acdc(trial: CircuitRun, candidates: Array, threshold: float) -> tuple[Array, Array, str]:
    graph = trial.graph
    # from the logits down, the latest senders first, as in the paper
    edges = np.flatnonzero(candidates)[::-1]
    scores = np.full(graph.n_edges, np.nan)
    tried = iter(edges)

    def spared(before: Array, after: Array) -> bool:
        cost = float(before.mean() - after.mean())
        scores[next(tried)] = cost
        return abs(cost) < threshold

    with tqdm(total=len(edges), desc="ACDC", unit="edge", leave=False) as bar:
        included, _, done, runs = thinned(candidates, list(edges[:, None]), trial.measure, spared, bar)
    note = f"threshold {threshold:.3g}, {done:,} of {len(edges):,} edges tried in {runs:,} runs of all pairs"
    return scores, included, note


def _prune(trial: CircuitRun, candidates: Array, target: float) -> tuple[Array, Array, str]:
    """Take nodes out in the order of their effect, again and again until none can be spared."""
    graph = trial.graph
    effects = node_effects(trial, candidates)
    included, left, runs = candidates, list(np.argsort(np.abs(effects), kind="stable")), len(effects)

    def spared(before: Array, after: Array) -> bool:
        return bool(trial.faithfulness(after) >= target)

    while True:
        parts = [np.flatnonzero(touching(graph, [graph.senders[node]])) for node in left]
        with tqdm(total=len(parts), desc="Pruning", unit="node", leave=False) as bar:
            included, needed, done, more = thinned(included, parts, trial.measure, spared, bar)
        runs += more
        if len(needed) == len(left) or done < len(left):
            break
        left = [left[at] for at in needed]
    whole = len(needed) == len(left)
    note = f"no node of {len(left)} can be spared" if whole else "interrupted before all nodes were tried"
    note += f" at faithfulness {target}, {runs:,} runs of all pairs"
    return edge_scores(trial, effects, included), included, note
