"""The induction circuit: previous-token heads that tell induction heads where to look."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from tqdm.auto import tqdm

from scope_widgets.circuits.circuit import Circuit
from scope_widgets.circuits.circuit_run import CircuitRun
from scope_widgets.circuits.discovery import circuit_of, nothing_to_find
from scope_widgets.circuits.edge_scores import by_cutting
from scope_widgets.circuits.tasks import induction
from scope_widgets.experiments.t_test import t_test
from scope_widgets.experiments.task import Task
from scope_widgets.models.edges.graph import Graph
from scope_widgets.models.microscope import Microscope, loaded
from scope_widgets.models.remote_dispatch import remotable

Array = np.ndarray[Any, Any]


@remotable
def induction_circuit(
    scope: Microscope,
    task: Task | None = None,
    *,
    min_attention: float = 0.4,
    min_effect: float = 0.01,
    alpha: float = 0.05,
) -> Circuit:
    """Find the edges by which previous-token heads feed the keys of induction heads (Olsson et al. 2022).

    An edge counts where its sender attends to the token before, its receiver attends from the last token to the one
    that is to come again, and cutting it, exactly, costs the answer.

    Parameters
    ----------
    scope : Microscope
    task : Task, optional
        `circuits.induction(scope, 20)` where nothing is said. Answers must stand in the prompts.
    min_attention : float
        Of both heads, mean over the prompts; 0.4 is customary, not a finding.
    min_effect : float
        The share of the effect that an edge must cost.
    alpha : float
        Level of a one-sided t-test over the pairs, Bonferroni's correction for the edges cut.

    Returns
    -------
    Circuit
        With the scores of the edges that were cut; the others are NaN.

    Raises
    ------
    ValueError
        For a task whose answers do not stand in its prompts.
    UnsupportedModelError
        Where the model's attention cannot be looked into.
    """
    task = induction(scope, 20) if task is None else task
    trial = CircuitRun(scope, task)
    n_edges = trial.graph.n_edges
    scores, included = np.full(n_edges, np.nan), np.zeros(n_edges, dtype=bool)
    why = nothing_to_find(trial)
    if why:
        return circuit_of(trial, "induction", scores, included, why)
    previous, repeated = (found >= min_attention for found in _attention(scope, task))
    edges = np.array([edge for edge in range(n_edges) if _joins(trial.graph, edge, previous, repeated)], dtype=int)
    note = f"{previous.sum()} previous-token and {repeated.sum()} induction heads by attention, {len(edges)} edges cut"
    if not len(edges):
        return circuit_of(trial, "induction", scores, included, note)
    with tqdm(total=len(edges), desc="Cutting edges", unit="edge", leave=False) as bar:
        effects = by_cutting(trial, edges, bar)
    p = np.minimum(1.0, len(edges) * t_test(effects, "greater"))
    scores[edges] = effects.mean(1)
    included[edges] = (p < alpha) & (scores[edges] >= min_effect * abs(trial.scale))
    return circuit_of(trial, "induction", scores, included, f"{note}, {included.sum()} matter")


def _joins(graph: Graph, edge: int, previous: Array, repeated: Array) -> bool:
    """Say whether an edge goes from a previous-token head into the keys of an induction head."""
    at, sender = graph.edges[0][edge], int(graph.edges[1][edge])
    keys = graph.receivers[at].endswith("<k>")
    return keys and _of(graph, previous, sender) and any(_of(graph, repeated, one) for one in graph.owner[at])


def _of(graph: Graph, heads: Array, sender: int) -> bool:
    layer, head = divmod(sender - 1, graph.n_heads + 1)
    return sender > 0 and head < graph.n_heads and bool(heads[layer, head])


def _attention(scope: Microscope, task: Task) -> tuple[Array, Array]:
    """Give the mean attention to the token before, and from the last token to the answer's place, `[layer, head]`."""
    places = []
    for row, answer in zip(task.clean, task.answer, strict=True):
        if answer[0] not in row:
            raise ValueError(f"The task {task.name!r} asks for a token that its prompt does not hold: repeat one.")
        places.append(len(row) - 1 - row[::-1].index(answer[0]))
    run = loaded(scope).run(task.clean, ("attention",))
    rows, at, last = torch.arange(len(run)), torch.tensor(places), run.last.cpu()
    previous, repeated = [], []
    for layer in range(scope.n_layers):
        pattern = run.values["attention"][layer].cpu().float()  # [prompt, head, query, key]
        before = pattern.diagonal(-1, 2, 3)  # [prompt, head, query less one]
        there = torch.arange(before.shape[-1]) < last[:, None]
        previous.append(((before * there[:, None]).sum(-1) / last[:, None]).mean(0).numpy())
        repeated.append(pattern[rows, :, last, at].mean(0).numpy())
    return np.stack(previous), np.stack(repeated)
