"""`Target`: the number of each prompt whose causes are looked for."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from scope_widgets.experiments.circuit.latent_graph import LatentNode
from scope_widgets.experiments.latent_attribution.dictionaries import activations_of, place_in_forward
from scope_widgets.experiments.latent_attribution.latent_run import LatentRun
from scope_widgets.models.execution.activation_edits import HookPoint


@dataclass(frozen=True, eq=False)
class Target:
    """A node whose causes are looked for, and what is measured of it in each prompt.

    Of a latent its activation at one position; of a head or an MLP what it adds to its child there, by the gradient
    of the child in the clean run.

    Attributes
    ----------
    node : LatentNode
    prompts : Tensor of int [prompt]
        Those in which there is something to explain: the latent fires.
    positions : Tensor of int [prompt of the run], optional
        Of a latent: where it is measured.
    direction : Tensor [prompt of the run, position, d], optional
        Of a head (`d` of its `z`) or an MLP: the gradient of the child.
    """

    node: LatentNode
    prompts: Tensor
    positions: Tensor | None = None
    direction: Tensor | None = None

    @property
    def reads(self) -> HookPoint:
        """The hook point at which it is measured."""
        if self.node.kind == "head":
            return "z", self.node.layer
        return ("mlp_out" if self.node.kind == "mlp" else self.node.site), self.node.layer

    @property
    def end(self) -> int:
        """The layer after which nothing is needed."""
        return self.node.layer

    @property
    def entered(self) -> tuple[int, int]:
        """The place in the forward before which its causes are."""
        kind, layer = self.node.kind, self.node.layer
        if kind == "head":
            return layer, 1
        return place_in_forward(("mlp_out", layer) if kind == "mlp" else (self.node.site, layer))

    def before_activation(self, run: LatentRun, value: Tensor, rows: Tensor) -> Tensor:
        """Return the pre-activation of a latent, or what `measure` returns, `[row]`, with a gradient."""
        if self.node.kind != "latent":
            return self.measure(run, value, rows)
        sae = run.saes[self.reads]
        return sae.pre_activations(self._at(value, rows).to(sae.W_enc.dtype))[:, self.node.number]

    def measure(self, run: LatentRun, value: Tensor, rows: Tensor) -> Tensor:
        """Return the number of each row, `[row]`.

        Parameters
        ----------
        run : LatentRun
        value : Tensor [row, position, d]
            What is at `reads`.
        rows : Tensor of int [row]
            The prompts of the rows.
        """
        if self.node.kind == "latent":
            sae = run.saes[self.reads]
            at = self._at(value, rows).to(sae.W_enc.dtype)
            return activations_of(sae, at, [self.node.number])[:, 0]
        assert self.direction is not None
        changed = (value - run.instead(run.clean[self.reads])[rows].to(value.dtype)).float()
        if self.node.kind == "head":
            changed = changed[:, :, self.node.number]
        return (changed * self.direction[rows].float()).sum((1, 2))

    def _at(self, value: Tensor, rows: Tensor) -> Tensor:
        assert self.positions is not None
        return value[torch.arange(len(rows), device=value.device), self.positions[rows]]
