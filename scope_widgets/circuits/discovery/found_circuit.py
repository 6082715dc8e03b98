"""The circuit that a method found, and whether there is anything to find."""

from __future__ import annotations

import numpy as np
import torch

from scope_widgets._provenance import Provenance
from scope_widgets._types import Array
from scope_widgets.circuits.evaluation.circuit_run import CircuitRun, Mask
from scope_widgets.experiments.circuit.circuit import Circuit
from scope_widgets.experiments.statistics.rounding import noise_floor, settled
from scope_widgets.experiments.statistics.t_test import t_test


def circuit_of(
    run: CircuitRun, method: str, scores: Array, included: Mask, note: str, seed: int | None = None
) -> Circuit:
    """Return the circuit that a method found on a run.

    Parameters
    ----------
    run : CircuitRun
    method : str
    scores : ndarray [edge]
    included : ndarray of bool [edge]
    note : str
        What the method did, for the provenance.
    seed : int, optional
        Of the task's pairs, where the task was made by its name.
    """
    exact = method not in ("eap", "eap-ig")
    largest = float(np.nan_to_num(np.abs(scores)).max(initial=0.0))
    return Circuit(
        graph=run.graph,
        scores=scores,
        included=included,
        task=run.task,
        method=method,
        exact=exact,
        ablation=run.ablation,
        provenance=Provenance(
            model=run.scope.model_id,
            revision=run.scope.revision,
            prompts=run.texts,
            seed=run.seed if seed is None else seed,
            ablation=run.sentence,
            note=f"on the {len(run.task)} pairs it was found on: mean {run.task.metric_name} {run.full.mean():.3f} of "
            f"the whole model, {run.empty.mean():.3f} of no edges; {note}",
        ),
        question=run.question,
        floor=run.floor if exact else noise_floor(torch.float32, largest, run.scope.d_model),
    )


def empty_circuit(run: CircuitRun, method: str, why: str, seed: int | None = None) -> Circuit:
    """Return the circuit without edges, of which none has a score, with the reason as its note."""
    n_edges = run.graph.n_edges
    return circuit_of(run, method, np.full(n_edges, np.nan), np.zeros(n_edges, dtype=bool), why, seed)


def why_nothing_to_find(run: CircuitRun) -> str:
    """Return why there can be no circuit, where the metric does not differ by more than chance; else an empty text."""
    difference = settled(run.full - run.empty, run.floor)
    if run.message or not difference.any():
        return "clean and corrupted prompts have the same metric, so no edge was looked for"
    if len(difference) > 2:
        p = float(t_test(difference))
        if p > 0.01:
            return (
                f"the metric differs by {difference.mean():.3g} between the whole model and no edges, which chance "
                f"does too (p = {p:.2g}), so no edge was looked for"
            )
    return ""
