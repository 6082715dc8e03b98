"""What a view measures of a circuit while a person edits it: single circuits, their curve, attention."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from scope_widgets._job import JobStatus, Steps
from scope_widgets.circuits.evaluation.circuit_run import Array, Mask
from scope_widgets.circuits.evaluation.evaluation_run import EvaluationRun
from scope_widgets.circuits.evaluation.faithfulness import interval, random_circuits
from scope_widgets.models.remote_dispatch import remotable, stepwise


class Measured(NamedTuple):
    """What was measured.

    Attributes
    ----------
    values : list of (float, float, float, float)
        Faithfulness of each circuit, the two ends of its 95 % interval (bootstrap over the pairs), and its mean metric.
    full, empty : float
        Mean metric of the whole model and of no edges, on the same pairs.
    ablation : str
        What an edge carries that is out, as a sentence.
    """

    values: list[tuple[float, float, float, float]]
    full: float
    empty: float
    ablation: str


@stepwise
def measure(evaluated: EvaluationRun, included: Sequence[Mask]) -> Steps[Measured]:
    """Run circuits of these edges; a step a circuit, whose status carries all so far.

    Parameters
    ----------
    evaluated : EvaluationRun
        What the circuits are measured on.
    included : sequence of ndarray of bool [edge]

    Returns
    -------
    Measured
    """
    run = evaluated.run
    found = Measured([], float(run.full.mean()), float(run.empty.mean()), run.sentence)
    for edges in included:
        metric = evaluated.measure(edges[None])[0]
        low, high = interval(run, metric, evaluated.seed)
        found.values.append((float(run.faithfulness(metric)), low, high, float(metric.mean())))
        yield JobStatus("running", "circuits", len(found.values), len(included), partial=found)
    return found


@stepwise
def measure_random(evaluated: EvaluationRun, n_edges: int, draws: int) -> Steps[list[float]]:
    """Return the faithfulness of random circuits of so many edges; a step a circuit."""
    run = evaluated.run
    found: list[float] = []
    for edges in random_circuits(n_edges, evaluated.circuit.graph.n_edges, draws, evaluated.seed):
        found.append(float(run.faithfulness(evaluated.measure(edges[None])[0])))
        yield JobStatus("running", "random circuits", len(found), draws)
    return found


@remotable
def attention_on_first_prompt(evaluated: EvaluationRun, layer: int) -> tuple[list[str], Array]:
    """Return the tokens of the first clean prompt and the patterns of a layer on it, `[head, query, key]`."""
    trace = evaluated.scope.trace(evaluated.task.clean[0], capture=("attention",), logits=None)
    return trace.tokens, trace.attention(layer).float().cpu().numpy()
