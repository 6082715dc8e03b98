"""What a circuit, and the whole model, lose with sets of nodes: what completeness and minimality have in common."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from scope_widgets.circuits.evaluation.evaluation_run import EvaluationRun
from scope_widgets.experiments.circuit.circuit import touching


def circuit_without(evaluated: EvaluationRun, sets: Sequence[Sequence[str]]) -> list[float]:
    """Return the mean metric of the circuit without each set of nodes."""
    if not sets:
        return []
    gone = np.array([touching(evaluated.run.graph, nodes) for nodes in sets])
    means: list[float] = evaluated.measure(evaluated.circuit.included & ~gone).mean(-1).tolist()
    return means


def circuit_and_model_without(evaluated: EvaluationRun, sets: Sequence[Sequence[str]]) -> list[tuple[float, float]]:
    """Return the mean metrics of the circuit and of the whole model, both without each set of nodes."""
    gone = np.array([touching(evaluated.run.graph, nodes) for nodes in sets])
    means = evaluated.measure(np.concatenate([evaluated.circuit.included & ~gone, ~gone])).mean(-1)
    return [(float(circuit), float(model)) for circuit, model in means.reshape(2, -1).T]
