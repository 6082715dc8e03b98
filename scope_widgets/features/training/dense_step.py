"""The step of autoencoders whose latents do not compete: gated ones, and ReLU with a penalty."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from scope_widgets.features.training.objective import Weights
from scope_widgets.features.training.settings import Settings
from scope_widgets.features.training.step import Life

#: how fast the weight of the penalty follows the number of latents that fire
_PACE = 0.02


class DenseStep:
    """Loss and gradients of "relu" and "gated", by autograd.

    The weight of the penalty is not told but follows: it grows while more than `k` latents fire in a row on average,
    and shrinks while fewer do.

    Attributes
    ----------
    own : list of Tensor
        Of "gated" the gate's bias and the logarithm of what its magnitudes are scaled with, each `[latent]`.
    life : Life
    """

    def __init__(self, settings: Settings, dead_after: int, device: torch.device) -> None:
        self._settings = settings
        self._weight = 0.1
        self.life = Life(settings, dead_after, device)
        gates = 2 if settings.architecture == "gated" else 0
        self.own: list[Tensor] = [torch.zeros(settings.d_sae, device=device) for _ in range(gates)]

    def gradients(self, weights: Weights, x: Tensor) -> tuple[list[Tensor], dict[str, float]]:
        """Return the gradients of a batch by the weights and by `own`, and its measures."""
        with torch.enable_grad():
            given = [one.detach().requires_grad_() for one in (*weights.all(), *self.own)]
            encoder, decoder, b_enc, b_dec, *own = given
            plain = (x - b_dec) @ encoder.T
            if own:
                gate = plain + own[0]
                acts = (plain * own[1].exp() + b_enc).relu() * (gate > 0)
                opened = gate.relu()
                # the gate reconstructs by itself too, by a decoder that does not learn from it
                # (Rajamanoharan et al. 2024)
                extra = (opened @ decoder.detach() + b_dec.detach() - x).square().sum(1).mean()
            else:
                acts = opened = (plain + b_enc).relu()
                extra = torch.zeros(())
            # of decoder rows of norm 1
            penalty = opened.sum(1).mean()
            residual = x - acts @ decoder - b_dec
            loss = residual.square().sum(1).mean() + extra + self._weight * penalty
            gradients = torch.autograd.grad(loss, given)
        fires = acts.detach() > 0
        l0 = float(fires.sum() / len(x))
        self._weight *= math.exp(_PACE * max(-1.0, min(1.0, math.log(max(l0, 0.01) / self._settings.k))))
        return list(gradients), self.life.note(fires.any(0), residual.detach(), x) | {"l0": l0}

    def activation(self) -> dict[str, Any]:
        """Return how latents fire afterwards, in the units of training."""
        return {"activation": "gated", "gate": torch.stack(self.own)} if self.own else {"activation": "relu"}

    def calibrate(self, weights: Weights, x: Tensor) -> None:
        """Do nothing: latents fire afterwards as in training."""

    def state(self) -> dict[str, float]:
        """Return its numbers, for a checkpoint."""
        return {"weight": self._weight}

    def set_state(self, state: dict[str, float]) -> None:
        """Put its numbers back."""
        self._weight = float(state["weight"])
