"""`Live` and `FarLive`: a circuit that is measured again and again while a person edits it."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from scope_widgets.circuits.circuit import Circuit
from scope_widgets.circuits.evaluation import circuit_run
from scope_widgets.models.microscope import Microscope
from scope_widgets.models.remote_dispatch import remotable
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
        self._trial = circuit_run(scope, circuit, circuit.task[:n_pairs], None, 0)
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


class FarLive:
    """`Live` of a model on a server: each measurement is a request, gone through in steps that do not wait.

    Attributes
    ----------
    full, empty : float
        As of `Live`, and ``ablation``; NaN and "" until something was measured.
    n_pairs : int
    tokens : list of str
    """

    def __init__(self, scope: Microscope, circuit: Circuit, n_pairs: int = _PAIRS) -> None:
        self._scope: Any = scope
        self._circuit = circuit
        self.full = self.empty = float("nan")
        self.ablation = ""
        self.n_pairs = min(n_pairs, len(circuit.task))
        self.tokens = token_texts(scope.tokenizer, circuit.task.clean[0])

    def measure(self, included: Array) -> tuple[float, float]:
        """Run the circuit of these edges `[edge]` and wait; gives its faithfulness and its mean metric."""
        return self._take(_measured(self._scope, self._circuit, self.n_pairs, [included]))[0]

    def measure_steps(self, included: Sequence[Array]) -> Generator[Any, None, list[tuple[float, float]]]:
        """Run several circuits with one request; yields `JobStatus`, gives what `measure` gives."""
        asked = (self._scope, self._circuit, self.n_pairs, list(included))
        return self._take((yield from self._scope.far_steps(_measured, asked, {})))

    def attention(self, layer: int) -> Array:
        """Give the patterns of a layer on the first clean prompt, `[head, query, key]`, and wait for them."""
        return _attention(self._scope, self._circuit.task.clean[0], layer)

    def attention_steps(self, layer: int) -> Generator[Any, None, Array]:
        """As `attention`; yields the server's `JobStatus`."""
        asked = (self._scope, self._circuit.task.clean[0], layer)
        pattern: Array = yield from self._scope.far_steps(_attention, asked, {})
        return pattern

    def _take(self, found: tuple[list[tuple[float, float]], float, float, str]) -> list[tuple[float, float]]:
        values, self.full, self.empty, self.ablation = found
        return values


@remotable
def _measured(
    scope: Microscope, circuit: Circuit, n_pairs: int, included: list[Array]
) -> tuple[list[tuple[float, float]], float, float, str]:
    live = Live(scope, circuit, n_pairs)
    return [live.measure(one) for one in included], live.full, live.empty, live.ablation


@remotable
def _attention(scope: Microscope, ids: list[int], layer: int) -> Array:
    pattern: Array = scope.trace(ids, capture=("attention",)).attention(layer).float().cpu().numpy()
    return pattern
