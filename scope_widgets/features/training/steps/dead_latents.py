"""What the steps of all architectures have: which latents are dead, and how those begin anew."""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn import functional

from scope_widgets.features.training.processes import Processes
from scope_widgets.features.training.settings import Settings
from scope_widgets.features.training.steps.objective import Weights

#: dead latents begin anew in this share of the steps; those after it are for all to settle
_BEGIN_ANEW = 0.5
#: latents that have not fired for a part of that time learn from what is left over before they begin anew
_AILING = 3
#: the encoder's row of a latent that begins anew is so long, beside that of others: as long as theirs it took over rows
#: of real activations that were well reconstructed without it
_LENGTH = 0.2


class Step(Protocol):
    """Loss and gradients of an architecture.

    Attributes
    ----------
    own : list of Tensor
        What is trained beside the weights, by latents, and where dead ones begin anew.
    life : Life
    """

    own: list[Tensor]
    life: Life

    def gradients(self, weights: Weights, x: Tensor, y: Tensor) -> tuple[list[Tensor], dict[str, float]]:
        """Return the gradients of a batch by the weights and by `own`, and its measures.

        `x` `[row, d]` are inputs, `y` `[row, d_out]` what the output is to be; of an autoencoder `x` again.
        """

    def activation(self) -> dict[str, Any]:
        """Return how latents fire afterwards, in the units of training."""

    def calibrate(self, weights: Weights, x: Tensor) -> None:
        """Set at the end what a batch decided in training, by rows of training."""

    def state(self) -> dict[str, float]:
        """Return its numbers, for a checkpoint."""

    def set_state(self, state: dict[str, float]) -> None:
        """Put its numbers back."""


class Life:
    """Which latents fire, and the new beginning of those that do not.

    Attributes
    ----------
    idle : Tensor of int64 [latent]
        Rows since each latent last fired.
    steps : int
        Steps done.
    processes : Processes
        That train together: rows are counted, and latents fire, in all of them.
    """

    def __init__(self, settings: Settings, dead_after: int, device: torch.device) -> None:
        self._settings = settings
        self._dead_after = dead_after
        self._residual = self._inputs = torch.empty(0, device=device)
        self.idle = torch.zeros(settings.d_sae, dtype=torch.int64, device=device)
        self.steps = 0
        self.processes = Processes()

    @property
    def dead(self) -> Tensor:
        """The latents that have not fired for long."""
        return (self.idle > self._dead_after).nonzero()[:, 0]

    @property
    def ailing(self) -> Tensor:
        """The latents that have not fired for a part of it."""
        return (self.idle > self._dead_after // _AILING).nonzero()[:, 0]

    def note(self, fired: Tensor, residual: Tensor, x: Tensor, y: Tensor) -> dict[str, float]:
        """Note the latents that fired in a batch and what is left over of `y`, and return measures of it."""
        self.idle += len(x) * self.processes.number
        self.idle[fired] = 0
        self.idle = self.processes.least(self.idle)
        self.steps += 1
        self._residual, self._inputs = residual, x
        loss = self.processes.mean(float(residual.square().sum(1).mean()))
        return {
            "loss": loss,
            "dead": len(self.dead) / len(self.idle),
            "explained": 1 - loss / max(self.processes.variance(y), 1e-30),
        }

    def begin_anew(self, weights: Weights, own: list[Tensor], optimiser: torch.optim.Optimizer) -> None:
        """Turn dead latents to what is left over of rows, drawn by its square, as if they had not been trained.

        What is left over of a row has the features that no latent stands for: two latents of one feature, of which
        one dies, and a feature of none are where training stays otherwise. The encoder of a transcoder turns to the
        inputs of these rows, less the mean of all.
        """
        dead = self.dead
        if not len(dead) or self.steps >= _BEGIN_ANEW * self._settings.steps:
            return
        residual, inputs = self.processes.joined(self._residual), self.processes.joined(self._inputs)
        errors = residual.square().sum(1)
        # of the step's own numbers, so that a run that goes on draws the same
        generator = torch.Generator("cpu").manual_seed(self._settings.seed + self.steps)
        at = torch.multinomial(
            errors.cpu() + 1e-30, len(dead), replacement=len(dead) > len(errors), generator=generator
        )
        at = at.to(errors.device)
        new = functional.normalize(residual[at], dim=1)
        alive = self.idle <= self._dead_after
        length = weights.encoder[alive].norm(dim=1).median() if alive.any() else 1.0
        weights.decoder[dead] = new
        mean = torch.zeros_like(inputs[0])
        if weights.transcodes:
            mean = inputs.mean(0)
            new = functional.normalize(inputs[at] - mean, dim=1)
        weights.encoder[dead] = new * (_LENGTH * length)
        weights.b_enc[dead] = -weights.encoder[dead] @ mean
        for one in own:
            one[dead] = one[alive].median() if alive.any() else one.mean()
        for one in (weights.encoder, weights.decoder, weights.b_enc, *own):
            for name, moment in optimiser.state[one].items():
                if name != "step":
                    moment[dead] = 0.0
        self.idle[dead] = 0
