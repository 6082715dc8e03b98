"""`LatentRuns`: what the latents of an autoencoder do on some prompts, each computed once."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import torch

from scope_widgets._types import Array
from scope_widgets.models.input_device import input_device
from scope_widgets.models.microscope import Microscope
from scope_widgets.steering.apply_interventions import edits_of
from scope_widgets.steering.latent_interventions import ScaleFeature

if TYPE_CHECKING:
    from scope_widgets.features.sae.sae import SAE


class LatentRuns:
    """What the latents of an autoencoder do on some prompts, each computed once.

    Parameters
    ----------
    scope : Microscope
    sae : SAE
    rows : list of list of int
        Token ids of the prompts.
    """

    def __init__(self, scope: Microscope, sae: SAE, rows: list[list[int]]) -> None:
        self.scope, self.sae, self.rows = scope, sae, rows
        self._loss: dict[int, float] = {}
        self._lost: dict[tuple[int, int], float] = {}

    @cached_property
    def active(self) -> list[Array]:
        """The activations of all latents, of each prompt `[token, latent]`; 0 on the first token, like no other."""
        return [self._activations(row) for row in self.rows]

    @cached_property
    def fires(self) -> Array:
        """Whether a latent fires on a prompt, `[prompt, latent]`."""
        return np.array([one.any(0) for one in self.active])

    def lost_without(self, latent: int, prompt: int) -> float:
        """Return by how much the mean loss of a prompt's tokens rises without a latent, in nats."""
        if (latent, prompt) not in self._lost:
            if prompt not in self._loss:
                self._loss[prompt] = self._loss_of(self.rows[prompt], None)
            self._lost[latent, prompt] = self._loss_of(self.rows[prompt], latent) - self._loss[prompt]
        return self._lost[latent, prompt]

    def _activations(self, row: list[int]) -> Array:
        point = self.sae.site, self.sae.layer
        x = self.scope.read_activations([row], [point])[point].flatten(2)[0].float()  # type: ignore[index, list-item]
        found: Array = np.array(self.sae.encode(x.to(self.sae.W_enc)).to_dense().detach().float().cpu().numpy())
        found[0] = 0.0
        return found

    @torch.no_grad()
    def _loss_of(self, row: list[int], without: int | None) -> float:
        device = input_device(self.scope.model)
        ids, edits = torch.tensor([row], device=device), None
        if without is not None:
            positions = torch.arange(len(row), device=device)[None]
            off = [ScaleFeature(self.sae, without, 0.0, positions=(1, len(row)))]
            edits = edits_of(off, torch.zeros(1, 1, device=device), positions, torch.tensor([len(row)], device=device))
        log_p = self.scope.logits(ids, edits)[0, :-1].float().log_softmax(-1)
        return -float(log_p.gather(-1, ids[0, 1:, None]).double().mean())
