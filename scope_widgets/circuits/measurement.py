"""`CircuitMeasurement`: a circuit that is measured again and again while a person edits it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from scope_widgets._job import JobStatus, Steps
from scope_widgets.circuits.circuit import Circuit
from scope_widgets.circuits.evaluation.circuit_run import CircuitRun
from scope_widgets.circuits.evaluation.evaluation_run import circuit_run
from scope_widgets.models.microscope import Microscope
from scope_widgets.models.remote_dispatch import remotable, stepwise
from scope_widgets.models.tokens import token_texts

Array = np.ndarray[Any, Any]
#: pairs that are run at every touch
_PAIRS = 8


class Measured(NamedTuple):
    """What was measured.

    Attributes
    ----------
    values : list of (float, float)
        Faithfulness and mean metric of each circuit.
    full, empty : float
        Mean metric of the whole model and of no edges, on the same pairs.
    ablation : str
        What an edge carries that is out, as a sentence.
    """

    values: list[tuple[float, float]]
    full: float
    empty: float
    ablation: str


class CircuitMeasurement:
    """A circuit on some of its task's pairs, ready to be measured at every touch.

    The pairs are run beside the model, when something is first measured.

    Attributes
    ----------
    n_pairs : int
    tokens : list of str
        Of the first clean prompt.
    """

    def __init__(self, scope: Microscope, circuit: Circuit, n_pairs: int = _PAIRS) -> None:
        self.scope = scope
        self.circuit = circuit
        self.n_pairs = min(n_pairs, len(circuit.task))
        self.tokens = token_texts(scope.tokenizer, circuit.task.clean[0])

    @cached_property
    def run(self) -> CircuitRun:
        """The runs of the pairs."""
        return circuit_run(self.scope, self.circuit, self.circuit.task[: self.n_pairs], None, 0)

    def _remade(self) -> tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]:
        """Return the call that makes this again beside its model."""
        return CircuitMeasurement, (self.scope, self.circuit, self.n_pairs), {}


@stepwise
def measure(measurement: CircuitMeasurement, included: Sequence[Array]) -> Steps[Measured]:
    """Run circuits of these edges, each `[edge]` of bool; a step a circuit, whose status carries all so far.

    Parameters
    ----------
    measurement : CircuitMeasurement
    included : sequence of ndarray of bool [edge]

    Returns
    -------
    Measured
    """
    run = measurement.run
    found = Measured([], float(run.full.mean()), float(run.empty.mean()), run.sentence)
    for edges in included:
        metric = run.measure(edges)[0]
        found.values.append((float(run.faithfulness(metric)), float(metric.mean())))
        yield JobStatus("running", "circuits", len(found.values), len(included), partial=found)
    return found


@remotable
def attention_on_first_prompt(measurement: CircuitMeasurement, layer: int) -> Array:
    """Return the patterns of a layer on the first clean prompt, `[head, query, key]`."""
    trace = measurement.scope.trace(measurement.circuit.task.clean[0], capture=("attention",))
    pattern: Array = trace.attention(layer).float().cpu().numpy()
    return pattern
