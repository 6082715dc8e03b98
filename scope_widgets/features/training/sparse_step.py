"""The step of autoencoders whose latents compete: the `k` strongest of a row, or of a batch on average."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from scope_widgets.features.training.objective import (
    Fired,
    Weights,
    add_gradients,
    decode,
    strongest_of_all,
    strongest_of_each,
)
from scope_widgets.features.training.settings import Settings

#: weight of the reconstruction of the error by latents that have died (Gao et al. 2024)
_AUXILIARY = 1 / 32
#: pre-activations that the threshold is set by at the end
_NUMBERS = 2**25
#: how slowly the threshold follows the smallest activation of a batch
_KEPT = 0.999


class SparseStep:
    """Loss and gradients of "topk" and "batch_topk": one dense product, the rest where latents fire.

    Attributes
    ----------
    threshold : float
        The moving mean of the smallest activation of a batch, at which latents of "batch_topk" fire afterwards.
    idle : Tensor of int64 [latent]
        Rows since each latent last fired.
    """

    def __init__(self, settings: Settings, dead_after: int, device: torch.device) -> None:
        self._settings = settings
        self._dead_after = dead_after
        self.threshold = 0.0
        self.idle = torch.zeros(settings.d_sae, dtype=torch.int64, device=device)

    @property
    def dead(self) -> Tensor:
        """The latents that have not fired for long."""
        return (self.idle > self._dead_after).nonzero()[:, 0]

    def gradients(self, weights: Weights, x: Tensor) -> tuple[list[Tensor], dict[str, float]]:
        """Return the gradients of a batch by the weights, and its measures."""
        centred = x - weights.b_dec
        p = torch.addmm(weights.b_enc, centred, weights.encoder.T)
        fired = self._fired(p)
        gradients = [torch.zeros_like(one) for one in weights.all()]
        residual = decode(fired, weights.decoder, weights.b_dec, len(x)) - x
        add_gradients(weights, gradients, fired, centred, residual * (2 / len(x)))
        if len(self.dead):
            self._revive(weights, gradients, p, centred, -residual)
        self.idle += len(x)
        self.idle[fired.latents] = 0
        loss = float(residual.square().sum(1).mean())
        return gradients, {
            "loss": loss,
            "l0": len(fired.values) / len(x),
            "dead": len(self.dead) / len(self.idle),
            "explained": 1 - loss / max(float(x.var(0, correction=0).sum()), 1e-30),
        }

    def activation(self) -> dict[str, Any]:
        """Return how latents fire afterwards, in the units of training."""
        if self._settings.architecture == "topk":
            return {"activation": "topk", "k": self._settings.k}
        return {"activation": "jumprelu", "threshold": torch.full((len(self.idle),), self.threshold)}

    def calibrate(self, weights: Weights, x: Tensor) -> None:
        """Set the threshold so that `k` latents fire on average in rows of `x`, where a batch decided in training."""
        if self._settings.architecture == "topk":
            return
        x = x[: max(1, _NUMBERS // len(self.idle))]
        p = torch.addmm(weights.b_enc, x - weights.b_dec, weights.encoder.T)
        fired = strongest_of_all(p, self._settings.k, 0.5 * self.threshold)
        self.threshold = float(fired.values.min()) * (1 - 1e-6) if len(fired.values) else 0.0

    def state(self) -> dict[str, float]:
        """Return its numbers, for a checkpoint."""
        return {"threshold": self.threshold}

    def set_state(self, state: dict[str, float]) -> None:
        """Put its numbers back."""
        self.threshold = float(state["threshold"])

    def _fired(self, p: Tensor) -> Fired:
        if self._settings.architecture == "topk":
            return strongest_of_each(p, self._settings.k)
        fired = strongest_of_all(p, self._settings.k, 0.5 * self.threshold)
        if len(fired.values):
            least = float(fired.values.min())
            self.threshold = _KEPT * self.threshold + (1 - _KEPT) * least if self.threshold else least
        return fired

    def _revive(self, weights: Weights, gradients: list[Tensor], p: Tensor, centred: Tensor, residual: Tensor) -> None:
        """Let the dead latents that come nearest to firing learn what the others leave over."""
        dead = self.dead
        k = min(len(dead), max(1, weights.decoder.shape[1] // 2))
        values, at = p[:, dead].topk(k, dim=1)
        latents = torch.zeros(len(p), len(dead), device=p.device).scatter_(1, at, values.relu())
        decoder = weights.decoder[dead]
        left = latents @ decoder - residual
        scale = 2 * _AUXILIARY / len(p)
        by_latent = (left @ decoder.T) * (latents > 0) * scale
        gradients[1].index_add_(0, dead, latents.T @ left * scale)
        gradients[0].index_add_(0, dead, by_latent.T @ centred)
        gradients[2].index_add_(0, dead, by_latent.sum(0))
