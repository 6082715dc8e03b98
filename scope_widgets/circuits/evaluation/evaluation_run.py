"""`EvaluationRun`: the runs that all measures of one circuit share."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import numpy as np

from scope_widgets._provenance import Provenance
from scope_widgets.circuits.evaluation.circuit_run import Array, CircuitRun, Mask
from scope_widgets.experiments.circuit.circuit import Circuit
from scope_widgets.experiments.circuit.circuit_ablation import CircuitAblation
from scope_widgets.experiments.circuit.latent_graph import LatentGraph
from scope_widgets.experiments.named_tasks import TaskName, as_task
from scope_widgets.experiments.task import Task
from scope_widgets.models.microscope import Microscope


class EvaluationRun:
    """A circuit on the pairs of a task, run once for all that is measured of it.

    Nothing runs before something is measured. Then the clean and the corrupted prompts run once, and each circuit once,
    as long as the model's weights stay as they are.

    Attributes
    ----------
    scope : Microscope
    circuit : Circuit
    task : Task
        The circuit's own, or another that was given.
    ablation : str
        The circuit's own, or another that was given.
    seed : int
    """

    def __init__(
        self,
        scope: Microscope,
        circuit: Circuit,
        task: Task | TaskName | None = None,
        ablation: CircuitAblation | None = None,
        seed: int = 0,
    ) -> None:
        if isinstance(circuit.graph, LatentGraph):
            raise ValueError(
                f"The nodes of this circuit are latents ({', '.join(circuit.graph.nodes[:2])}, ...), and what is "
                "measured here cuts edges between heads and MLPs. See circuits.latent_faithfulness()."
            )
        self.scope, self.circuit, self.seed = scope, circuit, seed
        self.task = circuit.task if task is None else as_task(scope, task, seed=seed)
        self.ablation: CircuitAblation = ablation or circuit.ablation
        self._run: CircuitRun | None = None
        self._version = 0
        self._metrics: dict[bytes, Array] = {}

    @property
    def run(self) -> CircuitRun:
        """The model on the pairs, run anew where its weights have changed.

        Raises
        ------
        ValueError
            Where the circuit is of another model.
        """
        version = self.scope.weights_version()
        if self._run is None or version != self._version:
            self._run = circuit_run(self.scope, self.circuit, self.task, self.ablation, self.seed)
            self._metrics, self._version = {}, version
        return self._run

    def measure(self, included: Mask) -> Array:
        """Return the metric of circuits `[circuit, edge]` of bool: `[circuit, pair]`; none runs twice."""
        run = self.run
        digests = [hashlib.sha256(np.packbits(mask).tobytes()).digest() for mask in included]
        new = {digest: at for at, digest in enumerate(digests) if digest not in self._metrics}
        if new:
            self._metrics |= zip(new, run.measure(included[list(new.values())]), strict=True)
        return np.stack([self._metrics[digest] for digest in digests])

    @property
    def provenance(self) -> Provenance:
        """Where what is measured comes from."""
        run = self.run
        return Provenance(
            model=self.scope.model_id,
            revision=self.scope.revision,
            prompts=run.texts,
            seed=self.seed,
            ablation=run.sentence,
            note=f"a circuit of {self.circuit.n_edges:,} edges found by {self.circuit.method}; "
            f"{self.task.metric_name} on {self.pairs}",
        )

    @property
    def pairs(self) -> str:
        """What is measured on, in words: how many pairs, and whether the circuit was found on them."""
        known = {tuple(prompt) for prompt in self.circuit.task.clean}
        n, n_found = len(self.task), len(self.circuit.task)
        seen = sum(tuple(prompt) in known for prompt in self.task.clean)
        of = f"{n:,} pair{'s' if n != 1 else ''} of {self.task.name}"
        if not seen:
            return f"{of}, held out: it was not found on them"
        if seen < n:
            return f"{of}, {seen:,} of which it was found on"
        return f"{of} that it was found on" if n == n_found else f"{of}, of the {n_found:,} that it was found on"

    def _remade(self) -> tuple[Callable[..., EvaluationRun], tuple[Any, ...], dict[str, Any]]:
        """Return the call that makes this beside the model."""
        return EvaluationRun, (self.scope, self.circuit, self.task, self.ablation, self.seed), {}


def circuit_run(
    scope: Microscope, circuit: Circuit, task: Task | None, ablation: CircuitAblation | None, seed: int
) -> CircuitRun:
    """Return the run that a circuit is measured on.

    Raises
    ------
    ValueError
        Where the circuit is of another model.
    """
    run = CircuitRun(scope, circuit.task if task is None else task, ablation or circuit.ablation, seed)
    if run.graph != circuit.graph:
        raise ValueError(
            f"This circuit is of {circuit.model_id}, a model with other nodes than {scope.model_id}: load that model."
        )
    return run
