"""Where training begins: the scale of the input, its geometric median, weights."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from scope_widgets.features.training.steps.objective import Weights


def input_scale(x: Tensor) -> float:
    """Return what rows are multiplied with so that the mean of their squared norms is their width."""
    mean = float(x.double().square().sum(1).mean())
    if not 0 < mean < float("inf"):
        raise ValueError(
            "The activations are all 0, or hold numbers that are not finite, so nothing can be trained on them: look "
            "at `recording.rows(layer)`."
        )
    return float((x.shape[1] / mean) ** 0.5)


def geometric_median(x: Tensor, n_steps: int = 100, tolerance: float = 1e-6) -> Tensor:
    """Return the point with the least sum of distances to rows `[row, d]` (Weiszfeld's iteration), float64 `[d]`."""
    x = x.double()
    at = x.mean(0)
    for _ in range(n_steps):
        weights = 1 / (x - at).norm(dim=1).clamp_min(1e-12)
        new = weights @ x / weights.sum()
        moved, at = float((new - at).norm()), new
        if moved <= tolerance * float(new.norm()):
            break
    return at


def first_weights(x: Tensor, d_sae: int, generator: torch.Generator) -> Weights:
    """Return weights to begin with: decoder rows of norm 1 in random directions, the encoder alike.

    `x` `[row, d]` are some inputs.
    """
    decoder = functional.normalize(_drawn(d_sae, x, generator), dim=1)
    return Weights(decoder.clone(), decoder, torch.zeros(d_sae, device=x.device), geometric_median(x).float())


def first_weights_of_transcoder(x: Tensor, y: Tensor, d_sae: int, skip: bool, generator: torch.Generator) -> Weights:
    """Return the same of a transcoder: the encoder in random directions, the decoder where targets go along with each.

    `b_enc` takes the median of the inputs off, as `b_dec` does in an autoencoder; the linear path begins with 0.

    `x` `[row, d]` and `y` `[row, d_out]` are some inputs and targets.
    """
    encoder = functional.normalize(_drawn(d_sae, x, generator), dim=1)
    covariance = (x - x.mean(0)).T @ (y - y.mean(0)) / len(x)
    # a little at random, for what no target goes along with
    decoder = functional.normalize(encoder @ covariance + 1e-6 * _drawn(d_sae, y, generator), dim=1)
    b_enc = -encoder @ geometric_median(x).float()
    path = torch.zeros(y.shape[1], x.shape[1], device=x.device) if skip else None
    return Weights(encoder, decoder, b_enc, geometric_median(y).float(), path, transcodes=True)


def _drawn(n: int, x: Tensor, generator: torch.Generator) -> Tensor:
    """Return `n` random directions of the width of `x`, the same ones on every device."""
    return torch.randn(n, x.shape[1], generator=generator, device="cpu").to(x.device)
