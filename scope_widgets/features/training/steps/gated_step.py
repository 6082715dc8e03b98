"""The step of gated autoencoders, whose latents do not compete."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from scope_widgets.features.training.settings import Settings
from scope_widgets.features.training.steps.dead_latents import Life
from scope_widgets.features.training.steps.objective import Weights

#: how fast the weight of the penalty follows the number of latents that fire
_PACE = 0.02


class GatedStep:
    """Loss and gradients of "gated", by autograd.

    The weight of the penalty is not told but follows: it grows while more than `k` latents fire in a row on average,
    and shrinks while fewer do.

    Attributes
    ----------
    own : list of Tensor
        The gate's bias and the logarithm of what its magnitudes are scaled with, each `[latent]`.
    life : Life
    """

    def __init__(self, settings: Settings, dead_after: int, device: torch.device) -> None:
        self._settings = settings
        self._weight = 0.1
        self.life = Life(settings, dead_after, device)
        self.own: list[Tensor] = [torch.zeros(settings.d_sae, device=device) for _ in range(2)]

    def gradients(self, weights: Weights, x: Tensor, y: Tensor) -> tuple[list[Tensor], dict[str, float]]:
        """Return the gradients of a batch by the weights and by `own`, and its measures."""
        with torch.enable_grad():
            given = [one.detach().requires_grad_() for one in (*weights.all(), *self.own)]
            skip = None if weights.skip is None else given[4]
            encoder, decoder, b_enc, b_dec = given[:4]
            of = Weights(encoder, decoder, b_enc, b_dec, skip, weights.transcodes)
            b_gate, r_mag = given[-2:]
            plain = of.encoded(x) @ of.encoder.T
            gate = plain + b_gate
            acts = (plain * r_mag.exp() + of.b_enc).relu() * (gate > 0)
            base = of.without_latents(x)
            opened = gate.relu()
            # the gate reconstructs by itself too, by a decoder that does not learn from it (Rajamanoharan et al. 2024)
            alone = (opened @ of.decoder.detach() + base.detach() - y).square().sum(1).mean()
            # of decoder rows of norm 1
            penalty = opened.sum(1).mean()
            residual = y - acts @ of.decoder - base
            loss = residual.square().sum(1).mean() + alone + self._weight * penalty
            gradients = torch.autograd.grad(loss, given)
        fires = acts.detach() > 0
        l0 = self.life.processes.mean(float(fires.sum() / len(x)))
        self._weight *= math.exp(_PACE * max(-1.0, min(1.0, math.log(max(l0, 0.01) / self._settings.k))))
        return list(gradients), self.life.note(fires.any(0), residual.detach(), x, y) | {"l0": l0}

    def activation(self) -> dict[str, Any]:
        """Return how latents fire afterwards, in the units of training."""
        return {"activation": "gated", "gate": torch.stack(self.own)}

    def calibrate(self, weights: Weights, x: Tensor) -> None:
        """Do nothing: latents fire afterwards as in training."""

    def state(self) -> dict[str, float]:
        """Return its numbers, for a checkpoint."""
        return {"weight": self._weight}

    def set_state(self, state: dict[str, float]) -> None:
        """Put its numbers back."""
        self._weight = float(state["weight"])
