"""The induction circuit: previous-token heads whose output the keys of induction heads read."""

from __future__ import annotations

import numpy as np
import torch

from scope_widgets._partial_result import result_or_interrupt
from scope_widgets._progress import tqdm
from scope_widgets._seeds import seed_of
from scope_widgets._types import Array
from scope_widgets.circuits.discovery.edge_scores import score_by_ablation
from scope_widgets.circuits.discovery.found_circuit import circuit_of, empty_circuit, why_nothing_to_find
from scope_widgets.circuits.evaluation.circuit_run import CircuitRun
from scope_widgets.circuits.tasks.induction import induction
from scope_widgets.experiments.circuit.circuit import Circuit
from scope_widgets.experiments.named_tasks import TaskName, as_task
from scope_widgets.experiments.statistics.rounding import settled
from scope_widgets.experiments.statistics.t_test import t_test
from scope_widgets.experiments.task import Task
from scope_widgets.models.edges.graph import Graph
from scope_widgets.models.microscope import Microscope, loaded
from scope_widgets.models.remote_dispatch import remotable


@remotable
def induction_circuit(
    scope: Microscope,
    task: Task | TaskName | None = None,
    *,
    min_attention: float = 0.4,
    min_effect: float = 0.01,
    alpha: float = 0.05,
    seed: int | None = 0,
) -> Circuit:
    """Find the edges by which previous-token heads feed the keys of induction heads (Olsson et al. 2022).

    An edge counts where its sender attends to the token before, its receiver attends from the last token to the one
    that is to come again, and cutting it, exactly, costs the answer.

    Parameters
    ----------
    scope : Microscope
    task : Task or str, optional
        Answers must stand in the prompts; 20 pairs of `circuits.induction` by default.
    min_attention : float, default 0.4
        Of both heads, mean over the prompts; 0.4 is customary, not a finding.
    min_effect : float, default 0.01
        The share of the effect that an edge must cost.
    alpha : float, default 0.05
        Level of a one-sided t-test over the pairs, with Bonferroni's correction for the edges cut.
    seed : int or None, default 0
        Of the pairs where no `Task` is given.

    Returns
    -------
    Circuit
        With the scores of the edges that were cut; the others are NaN.

    Raises
    ------
    ValueError
        For a task whose answers do not stand in its prompts.
    UnsupportedModelError
        Where the model's attention cannot be recorded.

    References
    ----------
    Olsson et al. 2022, "In-context learning and induction heads", arXiv:2209.11895.

    Examples
    --------
    >>> from scope_widgets import Microscope, circuits
    >>> scope = Microscope.load("demo")
    >>> circuits.induction_circuit(scope, circuits.induction(scope, n=6)).method
    'induction'
    """
    seed = seed_of(seed)
    task_seed = None if isinstance(task, Task) else seed
    task = induction(scope, n=20, seed=seed) if task is None else as_task(scope, task, seed=seed)
    run = CircuitRun(scope, task)
    if why := why_nothing_to_find(run):
        return empty_circuit(run, "induction", why, task_seed)
    previous, repeated = (found >= min_attention for found in _mean_attention(scope, task))
    n_edges = run.graph.n_edges
    edges = np.array([edge for edge in range(n_edges) if _joins(run.graph, edge, previous, repeated)], dtype=int)
    note = f"{previous.sum()} previous-token and {repeated.sum()} induction heads by attention, {len(edges)} edges cut"
    if not len(edges):
        return empty_circuit(run, "induction", note, task_seed)
    with tqdm(total=len(edges) * run.layers, desc="Edge patching", unit="layer", leave=False) as bar:
        effects = score_by_ablation(run, edges, bar)
    p = np.minimum(1.0, len(edges) * t_test(settled(effects, run.floor), "greater"))
    scores, included = np.full(n_edges, np.nan), np.zeros(n_edges, dtype=bool)
    scores[edges] = effects.mean(1)
    included[edges] = (p < alpha) & (scores[edges] >= min_effect * abs(run.scale))
    said = f"{note}, {included.sum()} matter. {run.interrupted}".removesuffix(". ")
    return result_or_interrupt(circuit_of(run, "induction", scores, included, said, task_seed), run.interrupted)


def _joins(graph: Graph, edge: int, previous: Array, repeated: Array) -> bool:
    """Return whether an edge goes from a previous-token head into the keys of an induction head."""
    receiver, sender = graph.edges[0][edge], int(graph.edges[1][edge])
    into_keys = graph.receivers[receiver].endswith("<k>")
    return (
        into_keys
        and _is_among(graph, previous, sender)
        and any(_is_among(graph, repeated, owner) for owner in graph.owner[receiver])
    )


def _is_among(graph: Graph, heads: Array, sender: int) -> bool:
    layer, head = divmod(sender - 1, graph.n_heads + 1)
    return sender > 0 and head < graph.n_heads and bool(heads[layer, head])


def _mean_attention(scope: Microscope, task: Task) -> tuple[Array, Array]:
    """Return the mean attention to the token before, and from the last token to the answer's, `[layer, head]`."""
    answers = []
    for row, answer in zip(task.clean, task.answer, strict=True):
        if answer[0] not in row:
            raise ValueError(f"The task {task.name!r} asks for a token that its prompt does not hold: repeat one.")
        answers.append(len(row) - 1 - row[::-1].index(answer[0]))
    run = loaded(scope).run(task.clean, ("attention",))
    rows, keys, last = torch.arange(len(run)), torch.tensor(answers), run.last.cpu()
    previous, repeated = [], []
    for layer in range(scope.n_layers):
        pattern = run.values["attention"][layer].cpu().float()  # [prompt, head, query, key]
        before = pattern.diagonal(-1, 2, 3)  # [prompt, head, query less one]
        in_prompt = torch.arange(before.shape[-1]) < last[:, None]
        previous.append(((before * in_prompt[:, None]).sum(-1) / last[:, None]).mean(0).numpy())
        repeated.append(pattern[rows, :, last, keys].mean(0).numpy())
    return np.stack(previous), np.stack(repeated)
