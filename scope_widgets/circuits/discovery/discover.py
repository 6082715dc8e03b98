"""`discover`: the circuit of a task, by one of several methods."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from scope_widgets._check_choice import checked_count
from scope_widgets._partial_result import Interrupted, result_or_interrupt
from scope_widgets._progress import tqdm
from scope_widgets._reproducing_calls import python_call
from scope_widgets._seeds import seed_of
from scope_widgets.circuits.discovery.found_circuit import circuit_of, empty_circuit, why_nothing_to_find
from scope_widgets.circuits.discovery.methods import METHODS, Method, apply_method, work_of
from scope_widgets.circuits.evaluation.circuit_run import CircuitRun
from scope_widgets.circuits.latents.discover import discover_latents
from scope_widgets.experiments.circuit.circuit import Circuit
from scope_widgets.experiments.circuit.circuit_ablation import CircuitAblation
from scope_widgets.experiments.named_tasks import TaskName, as_task
from scope_widgets.experiments.task import Task
from scope_widgets.models.microscope import Microscope
from scope_widgets.models.remote_dispatch import remotable


@remotable
def discover(
    scope: Microscope,
    task: Task | TaskName,
    method: Method = "eap-ig",
    *,
    ablation: CircuitAblation = "counterfactual",
    min_effect: float = 0.01,
    steps: int = 5,
    threshold: float | None = None,
    target: float = 0.9,
    within: Circuit | None = None,
    saes: Any = None,
    n_nodes: int = 50,
    seed: int | None = 0,
) -> Circuit:
    """Find the circuit of a task.

    Parameters
    ----------
    scope : Microscope
    task : Task or str
        Or the name of one, of which 50 pairs are made: "ioi", "greater_than", "induction", "agreement", "capitals".
    method : {"eap-ig", "eap", "edge-patching", "acdc", "prune", "patching"}, default "eap-ig"
        "eap-ig" (Hanna et al. 2024) and "eap" (Syed et al. 2023) are estimates from a few passes; "edge-patching" and
        "acdc" (Conmy et al. 2023) are exact, a run an edge; "prune" and "patching" are exact, a run a node.
    ablation : {"counterfactual", "mean", "resample", "zero"}, default "counterfactual"
        What an edge that is out carries: "counterfactual": its value on the pair's corrupted prompt; "mean": the mean
        over the corrupted prompts of the same template and length; "resample": its value on another of these; "zero".
    min_effect : float, default 0.01
        Edges (for "patching": nodes) with a smaller share of the effect are out; `.keep` chooses otherwise.
    steps : int, default 5
        Number of gradients of "eap-ig".
    threshold : float, optional
        For "acdc": how much an edge may cost, in units of the metric; `min_effect` of the effect by default.
    target : float, default 0.9
        For "prune": how faithful the circuit must stay.
    within : Circuit, optional
        Only edges of this circuit are cut or taken out; the others are left in (edge-patching) or out (acdc, prune).
    saes : SAE, list of SAE, or dict of layer to SAE, optional
        For "eap-ig" among latents and errors (Marks et al. 2024, sparse feature circuits) in the place of heads and
        MLPs: nodes have indirect effects by `steps` gradients (`node_scores`), edges between the `n_nodes` strongest of
        these by one; all are estimates. `ablation` is then "counterfactual" or "zero";
        `circuits.latent_faithfulness` measures what was found.
    n_nodes : int, default 50
        Of a circuit of latents: how many nodes it has at most.
    seed : int or None, default 0
        Of "resample", and of the pairs of a task that is given by its name.

    Returns
    -------
    Circuit
        With the scores of all edges that were looked at. Empty, with a note, where the metric does not differ between
        clean and corrupted prompts by more than chance. Of "acdc" and "prune" scores are how much was lost when an edge
        was tried; of methods on nodes, the smaller effect of the edge's two nodes.

        Interrupted (Ctrl-C) in a notebook: with what was done until then, as its note says.

    Raises
    ------
    TypeError
        For a task that is neither a `Task` nor a name.
    ValueError
        For an unknown task, method or ablation, a task of another model, a metric without a gradient where one is
        needed.
    MemoryError
        Where the pairs do not fit; says how many do.
    KeyboardInterrupt
        Interrupted outside a notebook, or before an edge had a score: its `result` is what was done, or None.

    Examples
    --------
    >>> from scope_widgets import Microscope, circuits
    >>> scope = Microscope.load("demo")
    >>> circuit = circuits.discover(scope, "ioi", "eap").keep(n_edges=20)
    >>> circuit.n_edges, circuit.task.name
    (20, 'ioi')
    """
    seed = seed_of(seed)
    if method not in METHODS:
        known = "; ".join(f"{name!r}: {what}" for name, what in METHODS.items())
        raise ValueError(f"method= got {method!r}; the known ones are {known}.")
    if method == "eap-ig" and steps < 1:
        raise ValueError(f"steps= is a number of gradients, 1 or more; got {steps}.")
    pairs = as_task(scope, task, seed=seed)
    if saes is not None:
        n_nodes = checked_count("n_nodes", n_nodes)
        circuit = _among_latents(scope, pairs, saes, method, ablation, steps, n_nodes, min_effect, within)
        if not isinstance(task, Task):
            circuit = replace(circuit, provenance=replace(circuit.provenance, seed=seed))
        given = {"ablation": ablation, "min_effect": min_effect, "steps": steps, "n_nodes": n_nodes, "seed": seed}
        return _with_calls(circuit, _calls(scope, task, method, saes=saes, **given))
    task_seed = None if isinstance(task, Task) else seed
    options = {"ablation": ablation, "min_effect": min_effect, "steps": steps, "threshold": threshold}
    calls = _calls(scope, task, method, **options, target=target, within=within, seed=seed)
    # one bar over all stages: the work is counted in layers that run
    work = work_of(scope, pairs, method, within, steps)
    with tqdm(total=work, desc="Circuit: running the pairs", unit="layer", leave=False) as bar:
        run = _run(scope, pairs, ablation, seed, bar)
        if within is not None and within.graph != run.graph:
            raise ValueError(f"within= is a circuit of {within.model_id}, which has other edges than {scope.model_id}.")
        if why := why_nothing_to_find(run):
            return _with_calls(empty_circuit(run, method, f"{METHODS[method]}; {why}", task_seed), calls)
        candidates = np.ones(run.graph.n_edges, dtype=bool) if within is None else within.included
        scores, included, note = apply_method(
            method, run, candidates, min_effect=min_effect, steps=steps, threshold=threshold, target=target, bar=bar
        )
    said = "; ".join(one for one in (METHODS[method], note, run.interrupted) if one)
    found = circuit_of(run, method, scores, included, said, task_seed)
    return result_or_interrupt(found if run.interrupted else _with_calls(found, calls), run.interrupted)


def _among_latents(
    scope: Microscope,
    task: Task,
    saes: Any,
    method: Method,
    ablation: CircuitAblation,
    steps: int,
    n_nodes: int,
    min_effect: float,
    within: Circuit | None,
) -> Circuit:
    if method != "eap-ig" or within is not None:
        raise ValueError(
            "With saes= nodes are latents, for which there is the method 'eap-ig' without within=; got "
            f"method={method!r}{'' if within is None else ' and within='}. What makes one latent fire, confirmed by "
            "ablations, is features.provenance."
        )
    if ablation not in ("counterfactual", "zero"):
        raise ValueError(f"With saes= ablation= is 'counterfactual' or 'zero'; got {ablation!r}.")
    return discover_latents(scope, task, saes, ablation, steps, n_nodes, min_effect)


def _run(scope: Microscope, task: Task, ablation: CircuitAblation, seed: int, bar: tqdm[Any]) -> CircuitRun:
    try:
        return CircuitRun(scope, task, ablation, seed, bar)
    except KeyboardInterrupt as interrupt:
        said = (
            f"Interrupted while the {len(task)} pairs were run: no edge has a score yet, so there is nothing to return."
        )
        raise Interrupted(said, None) from interrupt


def _calls(scope: Microscope, task: Task | TaskName, method: Method, **options: Any) -> tuple[str, ...]:
    """Return the calls that make the circuit again; a task is written out, as it may be of any prompts."""
    made: tuple[str, ...] = ()
    given: str | tuple[str, Any] = ("task", task)
    if isinstance(task, Task):
        made, given = task.calls, "task"
    return (*scope.calls, *made, python_call("circuits.discover", "scope", given, ("method", method), **options))


def _with_calls(circuit: Circuit, calls: tuple[str, ...]) -> Circuit:
    return replace(circuit, provenance=replace(circuit.provenance, calls=calls))
