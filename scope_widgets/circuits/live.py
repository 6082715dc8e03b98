"""`Live`: a circuit that is measured again and again while a person edits it."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from scope_widgets.circuits.circuit import Circuit
from scope_widgets.circuits.evaluation import trial_of
from scope_widgets.models.microscope import Microscope
from scope_widgets.models.tokens import token_texts

Array = np.ndarray[Any, Any]
#: pairs that are run at every touch
_PAIRS = 8


class Live:
    """A circuit on some of its task's pairs, ready to be measured at every touch.

    Attributes
    ----------
    full, empty : float
        Mean metric of the whole model and of no edges, on those pairs.
    n_pairs : int
    tokens : list of str
        Of the first clean prompt.
    ablation : str
        What an edge carries that is out, as a sentence.
    """

    def __init__(self, scope: Microscope, circuit: Circuit, n_pairs: int = _PAIRS) -> None:
        self._scope = scope
        self._trial = trial_of(scope, circuit, circuit.task[:n_pairs], None, 0)
        self.full = float(self._trial.full.mean())
        self.empty = float(self._trial.empty.mean())
        self.n_pairs = len(self._trial.task)
        self.tokens = token_texts(scope.tokenizer, circuit.task.clean[0])
        self.ablation = self._trial.sentence

    def measure(self, included: Array) -> tuple[float, float]:
        """Run the circuit of these edges `[edge]`; gives its faithfulness and its mean metric."""
        metric = self._trial.measure(included)[0]
        return float(self._trial.faithfulness(metric)), float(metric.mean())

    def attention(self, layer: int) -> Array:
        """Give the patterns of a layer on the first clean prompt, `[head, query, key]`."""
        pattern: Array = self._trace.attention(layer).float().cpu().numpy()
        return pattern

    @cached_property
    def _trace(self) -> Any:
        return self._scope.trace(self._trial.task.clean[0], capture=("attention",))
