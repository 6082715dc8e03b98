"""The null beside the measures of an autoencoder: one of the same shapes that nothing was trained for."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from scope_widgets.features.sae.sae import SAE


def random_latents(sae: SAE, rows: Tensor, mean: Tensor, k: int, seed: int) -> SAE:
    """Return an autoencoder with random unit rows, of which the `k` strongest of a row of data fire.

    Parameters
    ----------
    sae : SAE
        Whose shapes it has.
    rows : Tensor [row, d]
        On which the one factor of its decoder is fitted, without which rows that overlap add up to too much.
    mean : Tensor [d]
        Its bias.
    k : int
    seed : int
    """
    generator = torch.Generator().manual_seed(seed)
    directions = torch.nn.functional.normalize(torch.randn(sae.d_sae, sae.d_in, generator=generator), dim=1)
    mean = mean.float()
    null = SAE(directions.T.contiguous(), directions, torch.zeros(sae.d_sae), mean, "topk", k)
    centred, made = rows.float() - mean, null(rows.float()) - mean
    factor = (centred * made).sum() / made.square().sum().clamp_min(1e-30)
    return replace(null, W_dec=directions * factor)
