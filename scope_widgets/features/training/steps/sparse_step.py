"""The step of autoencoders of which few latents are touched: the strongest of a row or a batch, or thresholds."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from scope_widgets.features.training.settings import Settings
from scope_widgets.features.training.steps.dead_latents import Life
from scope_widgets.features.training.steps.objective import (
    Fired,
    Weights,
    decode,
    pre_activations,
    strongest_of_all,
    strongest_of_all_ranked,
    strongest_of_each,
    write_gradients,
    write_nested_gradients,
)

#: weight of the reconstruction of the error by latents that do not fire (Gao et al. 2024)
_AUXILIARY = 1 / 32
#: pre-activations that the threshold is set by at the end
_NUMBERS = 2**25
#: how slowly the threshold follows the smallest activation of a batch
_KEPT = 0.99
#: above this share of the smallest activation of the last batch there are nearly always as many as fire in the next
_NEARLY = 0.9
#: of "matryoshka" the first so many of the latents reconstruct by themselves too
PREFIXES = (1 / 16, 1 / 8, 1 / 4, 1 / 2, 1.0)
#: "jumprelu" begins as "batch_topk" for this share of the steps: one threshold, from which each latent's own departs
_TOGETHER = 0.4
#: the width around a threshold in which it has a gradient, for inputs of norm 1
_BANDWIDTH = 0.03


class SparseStep:
    """Loss and gradients of all but "gated": one dense product, the rest where latents fire.

    Attributes
    ----------
    threshold : float
        The moving mean of the smallest activation of a batch.
    own : list of Tensor
        Of "jumprelu" the thresholds `[latent]`.
    life : Life
    """

    def __init__(self, settings: Settings, dead_after: int, device: torch.device) -> None:
        self._settings = settings
        self.threshold = 0.0
        self._least = 0.0  # of the last batch, where a batch decides
        self.life = Life(settings, dead_after, device)
        jumps = settings.architecture == "jumprelu"
        self.own: list[Tensor] = [torch.zeros(settings.d_sae, device=device)] if jumps else []
        self._memory: list[Tensor] = []

    def gradients(self, weights: Weights, x: Tensor, y: Tensor) -> tuple[list[Tensor], dict[str, float]]:
        """Return the gradients of a batch by the weights and by `own`, and its measures."""
        centred = weights.encoded(x)
        fired, p = self._fired(weights, centred)
        gradients = self._gradients(weights)
        n = len(weights.all())
        if self._settings.architecture == "matryoshka":
            ends = [max(1, round(share * len(weights.encoder))) for share in PREFIXES]
            residual = write_nested_gradients(weights, gradients[:n], fired, centred, y, ends)
        else:
            residual = decode(fired, weights.decoder, weights.without_latents(x), len(x)) - y
            write_gradients(weights, gradients[:n], fired, centred, residual * (2 / len(x)))
        l0 = self.life.processes.mean(len(fired.values) / len(x))
        if self._jumps and p is not None:
            self._add_gradients_of_thresholds(weights, gradients[n], p, residual, l0)
        if len(self.life.ailing):
            self._revive(weights, gradients, p, centred, -residual)
        measures = self.life.note(fired.latents, -residual, x, y)
        return gradients, measures | {"l0": l0}

    def activation(self) -> dict[str, Any]:
        """Return how latents fire afterwards, in the units of training."""
        if self._settings.architecture == "topk":
            return {"activation": "topk", "k": self._settings.k}
        together = torch.full_like(self.life.idle, self.threshold, dtype=torch.float32)
        thresholds = self.own[0] if self._jumps else together
        return {"activation": "jumprelu", "threshold": thresholds.clamp_min(0)}

    def calibrate(self, weights: Weights, x: Tensor) -> None:
        """Set the threshold so that `k` latents fire on average in rows of `x`, where a batch decided in training."""
        if self._settings.architecture == "topk" or self._jumps:
            return
        x = x[: max(1, _NUMBERS // self._settings.d_sae)]
        p = pre_activations(weights, weights.encoded(x))
        fired = strongest_of_all(p, self._settings.k, 0.5 * self.threshold)
        self.threshold = float(fired.values.min()) * (1 - 1e-6) if len(fired.values) else 0.0

    def state(self) -> dict[str, float]:
        """Return its numbers, for a checkpoint."""
        return {"threshold": self.threshold, "least": self._least}

    def set_state(self, state: dict[str, float]) -> None:
        """Put its numbers back."""
        self.threshold, self._least = float(state["threshold"]), float(state["least"])

    @property
    def _jumps(self) -> bool:
        """Whether each latent has a threshold of its own by now."""
        return self._settings.architecture == "jumprelu" and self.life.steps >= _TOGETHER * self._settings.steps

    def _fired(self, weights: Weights, centred: Tensor) -> tuple[Fired, Tensor | None]:
        """Return what fires, and all pre-activations where they were made for that."""
        k = self._settings.k
        if self._settings.architecture == "topk":
            return strongest_of_each(weights, centred, k), None
        p = None
        if self._jumps:
            p = pre_activations(weights, centred)
            rows, latents = ((p > self.own[0]) & (p > 0)).nonzero(as_tuple=True)
            return Fired(rows, latents, p[rows, latents]), p
        least, fired = math.inf, None
        if self.life.processes.number == 1:  # of several none knows how many of its own are among the strongest
            fired = strongest_of_all_ranked(weights, centred, k, _NEARLY * self._least)
        if fired is None:
            p = pre_activations(weights, centred)
            fired, least = self.life.processes.strongest_of_batch(p, k, 0.5 * self.threshold)
        elif len(fired.values):
            least = float(fired.values.min())
        if least < math.inf:
            self._least = least
            self.threshold = _KEPT * self.threshold + (1 - _KEPT) * least if self.threshold else least
            if self.own:
                self.own[0].fill_(self.threshold)
        return fired, p

    def _add_gradients_of_thresholds(
        self, weights: Weights, of_threshold: Tensor, p: Tensor, residual: Tensor, l0: float
    ) -> None:
        """Add those of the error and of `d (L0 / k - 1)^2`, of a box around each threshold (Rajamanoharan 2024)."""
        d, k = residual.shape[1], self._settings.k
        width = _BANDWIDTH * d**0.5
        rows, latents = ((p - self.own[0]).abs() < width / 2).nonzero(as_tuple=True)
        by_value = (residual[rows] * weights.decoder[latents]).sum(1) * (2 / len(p))
        by_firing = 2 * d * (l0 / k - 1) / k / len(p)
        of_threshold.index_add_(0, latents, -(self.own[0][latents] * by_value + by_firing) / width)

    def _gradients(self, weights: Weights) -> list[Tensor]:
        """Return where gradients go, in the same memory at each step; those of thresholds are 0."""
        of = (*weights.all(), *self.own)
        if not self._memory:
            self._memory = [torch.empty_like(one) for one in of]
        for one in self._memory[len(weights.all()) :]:
            one.zero_()
        return list(self._memory)

    def _revive(
        self, weights: Weights, gradients: list[Tensor], p: Tensor | None, centred: Tensor, residual: Tensor
    ) -> None:
        """Let those ailing latents that come nearest to firing learn what the others leave over."""
        dead = self.life.ailing
        k = min(len(dead), max(1, weights.decoder.shape[1] // 2))
        of_dead = pre_activations(weights, centred, dead) if p is None else p[:, dead]
        values, at = of_dead.topk(k, dim=1)
        latents = torch.zeros_like(of_dead).scatter_(1, at, values.relu())
        decoder = weights.decoder[dead]
        left = latents @ decoder - residual
        scale = 2 * _AUXILIARY / len(of_dead)
        by_latent = (left @ decoder.T) * (latents > 0) * scale
        gradients[1].index_add_(0, dead, latents.T @ left * scale)
        gradients[0].index_add_(0, dead, by_latent.T @ centred)
        gradients[2].index_add_(0, dead, by_latent.sum(0))
