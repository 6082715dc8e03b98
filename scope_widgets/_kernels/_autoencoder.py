"""The inner loops of sparse autoencoders, for float32 in this machine's memory.

Each says by None, or False, that it did nothing: where there is no compiled module, or tensors are of another kind or
hold numbers that are not finite. The caller then does the same in torch.
"""

from __future__ import annotations

from typing import TypeAlias

import torch
from torch import Tensor

from . import _compiled
from ._codes import rows_by_latent

#: where rows begin [row + 1] int64, latents [entry] int64, ascending within a row, and values [entry]
Rows: TypeAlias = tuple[Tensor, Tensor, Tensor]


def strongest(p: Tensor, k: int) -> Rows | None:
    """Return the `k` largest entries of each row that are above 0, of equal ones those of the smaller latents.

    Parameters
    ----------
    p
        [row, latent].
    k
        1 to the number of latents.

    Returns
    -------
    starts, latents, values, or None
    """
    if _compiled.autoencoder is None or not _plain(p):
        return None
    return _rows(*_compiled.autoencoder.strongest(p.detach().numpy(), k, 0))


def strongest_scored(
    x: Tensor, weights: Tensor, bias: Tensor, scores: Tensor, norms: Tensor, slack: Tensor, k: int
) -> Rows | None:
    """Return what `strongest` returns of `x weights.T + bias`, of which there are products in bfloat16.

    Only what may be among the largest by these is computed in float32, so that their rounding decides nothing.

    Parameters
    ----------
    x
        [row, d].
    weights
        [latent, d].
    bias
        [latent].
    scores
        [row, latent] bfloat16, about `x weights.T`.
    norms
        [latent], those of `weights`.
    slack
        [row]: before a score was rounded to bfloat16 it was off by at most this times the latent's norm.
    k
        1 to the number of latents.

    Returns
    -------
    starts, latents, values, or None
    """
    if _compiled.autoencoder is None or not _plain(bias, norms, slack, x, weights) or not scores.is_contiguous():
        return None
    bits = scores.detach().view(torch.uint16).numpy()
    given = [one.detach().numpy() for one in (bias, norms, slack, x, weights)]
    return _rows(*_compiled.autoencoder.strongest_scored(bits, given[0], given[1], given[2], given[3], given[4], k, 0))


def above_scored(
    x: Tensor, weights: Tensor, bias: Tensor, scores: Tensor, norms: Tensor, slack: Tensor, bar: float, most: int
) -> Rows | None:
    """Return the entries of `x weights.T + bias` that are above `bar`, which is 0 at least; see `strongest_scored`.

    None, too, where a row has more than `most`.
    """
    given = bias, norms, slack, x, weights
    if not hasattr(_compiled.autoencoder, "above_scored") or not _plain(*given) or not scores.is_contiguous():
        return None
    bits = scores.detach().view(torch.uint16).numpy()
    arrays = [one.detach().numpy() for one in given]
    return _rows(
        *_compiled.autoencoder.above_scored(bits, arrays[0], arrays[1], arrays[2], arrays[3], arrays[4], bar, most, 0)
    )


def add_latent_gradients(
    codes: Rows, decoder: Tensor, error: Tensor, centred: Tensor, of_encoder: Tensor, of_decoder: Tensor, fresh: bool
) -> Tensor | None:
    """Add the gradients of the latents that fire to those of the encoder and the decoder, and return that of the bias.

    Each latent is the work of one thread, so the result does not depend on their number.

    Parameters
    ----------
    codes
        What fires in each row.
    decoder
        [latent, d].
    error
        [row, d], the gradient by the reconstruction.
    centred
        [row, d], what was encoded; compiled code takes only one width of both.
    of_encoder, of_decoder
        [latent, d], changed.
    fresh
        Whether they are 0 before, whatever they hold.

    Returns
    -------
    of_bias, or None
        [latent].
    """
    starts, latents, values = codes
    given = values, error, centred, decoder, of_encoder, of_decoder
    if _compiled.autoencoder is None or error.shape != centred.shape or not _plain(*given):
        return None
    order = rows_by_latent(starts.numpy(), latents.int().numpy(), values.detach().numpy(), len(decoder))
    of_bias = torch.empty(len(decoder))
    arrays = [one.detach().numpy() for one in (*given[1:], of_bias)]
    _compiled.autoencoder.gradients(*order, arrays[0], arrays[1], arrays[2], arrays[3], arrays[4], arrays[5], fresh, 0)
    return of_bias


def _plain(*tensors: Tensor) -> bool:
    """Whether compiled code can take them."""
    return all(
        one.device.type == "cpu" and one.dtype == torch.float32 and one.is_contiguous() and one.numel() > 0
        for one in tensors
    )


def _rows(latents: object, values: object, counts: object) -> Rows | None:
    found, strengths, n = (torch.from_numpy(one) for one in (latents, values, counts))
    if (n < 0).any():
        return None
    fires = found >= 0
    starts = torch.cat([torch.zeros(1, dtype=torch.int64), n.long().cumsum(0)])
    return starts, found[fires].long(), strengths[fires]
