"""`LatentTaskRun`: the pairs of a task with autoencoders in both forwards, and what nodes that are out become."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Literal, TypeAlias

import numpy as np
import torch
from torch import Tensor

from scope_widgets._check_choice import check_choice
from scope_widgets._types import Array
from scope_widgets.experiments.circuit.latent_graph import LatentNode
from scope_widgets.experiments.latent_attribution.dictionaries import activations, by_place, output_scale
from scope_widgets.experiments.latent_attribution.latent_run import Edit, LatentRun
from scope_widgets.experiments.task import Task
from scope_widgets.models.execution.activation_edits import HookPoint
from scope_widgets.models.microscope import Microscope

#: what a latent or an error that is out becomes
LatentAblation: TypeAlias = Literal["counterfactual", "zero"]
SENTENCES: Mapping[LatentAblation, str] = {
    "counterfactual": "a latent or error that is out is what it is on the pair's own corrupted prompt",
    "zero": "a latent or error that is out is zero",
}


class LatentTaskRun:
    """The clean and the corrupted prompts of a task, with autoencoders in the forward.

    Attributes
    ----------
    clean : LatentRun
    task : Task
    ablation : str
    metric : Metric
    full : ndarray [pair]
        The metric of the model as it is.

    Raises
    ------
    ValueError
        For a task of another model, SAEs that cannot stand in it, an unknown ablation, a metric that is not finite.
    """

    def __init__(self, scope: Microscope, task: Task, saes: Any, ablation: LatentAblation) -> None:
        check_choice("ablation", ablation, LatentAblation)
        task.check(scope)
        if not len(task):
            raise ValueError(f"The task {task.name!r} has no pairs: give at least one.")
        places = by_place(saes, scope.anatomy)
        if not places:
            raise ValueError("saes= is empty: give at least one SAE.")
        self.scope, self.task, self.ablation = scope, task, ablation
        self.clean = LatentRun(scope, places, task.clean)
        self._corrupted = LatentRun(scope, places, task.corrupted)
        logits = self.clean.last_logits()
        self.metric = task.measure(scope, logits)
        self.full: Array = self.metric.checked(logits, "clean").numpy()
        self.floor = self.metric.floor(scope, logits)
        #: what is at each place when all latents and the error are out, `[pair, position, d]`
        self.out = {point: self._all_out(point) for point in places}

    @property
    def places(self) -> list[HookPoint]:
        """Where autoencoders stand, in the order of the forward."""
        return list(self.clean.saes)

    def strengths_out(self, point: HookPoint) -> tuple[Tensor, Tensor, Tensor]:
        """Return row, latent and strength of what fires at a place when all is out."""
        if self.ablation == "zero":
            return tuple(part[:0] for part in self.clean.codes(point))  # type: ignore[return-value]
        return self._corrupted.codes(point)

    def change(self, node: LatentNode) -> Tensor:
        """Return what a node is in the clean run less what it is when it is out: of a latent its strength.

        `[pair, position]`, of an error `[pair, position, d]`.
        """
        point = self.clean.point(node)
        if node.kind == "error":
            return self.clean.error(point) - self._error_out(point)
        now = self.clean.strength(node)
        return now if self.ablation == "zero" else now - self._corrupted.strength(node)

    def _error_out(self, point: HookPoint) -> Tensor:
        if self.ablation == "zero":
            return torch.zeros_like(self.clean.clean[point])
        return self._corrupted.error(point)

    def _all_out(self, point: HookPoint) -> Tensor:
        if self.ablation == "counterfactual":
            return self._corrupted.clean[point]
        sae, x = self.clean.saes[point], self.clean.clean[point]
        rows = x.reshape(-1, x.shape[-1]).to(sae.W_enc.dtype)
        made = activations(sae, rows) * output_scale(sae, rows) @ sae.W_dec
        return (sae.decode(sae.encode(rows), rows) - made).reshape(x.shape).to(x.dtype)

    def measure(self, latents: Mapping[HookPoint, Collection[int]], errors: Collection[HookPoint]) -> Array:
        """Return the metric `[pair]` when only these latents and errors are in; of an SAE in neither none is."""

        def edits(rows: Tensor) -> dict[HookPoint, list[Edit]]:
            return {
                point: [self._with_only(point, sorted(latents.get(point, ())), point in errors, rows)]
                for point in self.places
            }

        logits = self.clean.last_logits(edits)
        return self.metric.checked(logits, "the circuit on").numpy()

    def _with_only(self, point: HookPoint, latents: list[int], error: bool, rows: Tensor) -> Edit:
        """Return what puts all but some latents, and perhaps the error, to what they are when they are out."""
        sae, base = self.clean.saes[point], self.out[point][rows]
        n, n_positions = len(rows), self.clean.token_ids.shape[1]
        at, of, strength = self.strengths_out(point)
        before = torch.zeros(self.clean.token_ids.numel(), len(latents), device=base.device, dtype=sae.W_dec.dtype)
        column = {latent: index for index, latent in enumerate(latents)}
        known = torch.isin(of, torch.tensor(latents, device=of.device, dtype=of.dtype))
        columns = torch.tensor([column[one] for one in of[known].tolist()], dtype=torch.long, device=of.device)
        before[at[known], columns] = strength[known].to(before.dtype)
        before = before.reshape(*self.clean.token_ids.shape, len(latents))[rows]
        error_out = self._error_out(point)[rows]

        def edit(value: Tensor) -> Tensor:
            x = value.reshape(-1, value.shape[-1]).to(sae.W_enc.dtype)
            made = base.reshape(x.shape).to(x.dtype)
            if latents:
                now = (activations(sae, x) * output_scale(sae, x))[:, latents]
                made = made + (now - before.reshape(n * n_positions, -1)) @ sae.W_dec[latents]
            if error:
                made = made + (x - sae.decode(sae.encode(x), x)) - error_out.reshape(x.shape).to(x.dtype)
            return made.reshape(value.shape).to(value.dtype)

        return edit

    def active(self, point: HookPoint) -> Array:
        """Return the latents that fire in a clean or a corrupted prompt."""
        found = torch.cat([self.clean.codes(point)[1], self.strengths_out(point)[1]])
        return np.unique(found.cpu().numpy())
