"""One step of training: the codes of a batch, what they reconstruct, and the gradients, sparse where latents are."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from scope_widgets import _kernels
from scope_widgets.features.sae.ranked_encoder import RankedEncoder

#: times `k` latents of one row that may be among the strongest of a batch, at most, where they are ranked
_ROOM = 8


@dataclass
class Weights:
    """What is trained; the encoder by latents, as the decoder is.

    Attributes
    ----------
    encoder : Tensor [latent, d]
    decoder : Tensor [latent, d_out]
    b_enc : Tensor [latent]
    b_dec : Tensor [d_out]
    skip : Tensor [d_out, d] or None
        Of a transcoder: a linear path beside its latents.
    transcodes : bool
        Whether the output is another place, so that `b_dec` is not taken off the input.
    """

    encoder: Tensor
    decoder: Tensor
    b_enc: Tensor
    b_dec: Tensor
    skip: Tensor | None = None
    transcodes: bool = False

    def all(self) -> list[Tensor]:
        """Return them in one order."""
        return [self.encoder, self.decoder, self.b_enc, self.b_dec, *([] if self.skip is None else [self.skip])]

    def encoded(self, x: Tensor) -> Tensor:
        """Return what the encoder gets of inputs `[row, d]`."""
        return x if self.transcodes else x - self.b_dec

    def without_latents(self, x: Tensor) -> Tensor:
        """Return what the output is where no latent fires, `[row, d_out]` or the same for all `[d_out]`."""
        return self.b_dec if self.skip is None else torch.addmm(self.b_dec, x, self.skip.T)


@dataclass
class Fired:
    """The latents that fire in a batch.

    Attributes
    ----------
    rows, latents : Tensor of int [non-zero]
        Rows do not fall.
    values : Tensor [non-zero]
    """

    rows: Tensor
    latents: Tensor
    values: Tensor

    def where(self, kept: Tensor) -> Fired:
        """Return those for which `kept` `[non-zero]` is true."""
        return Fired(self.rows[kept], self.latents[kept], self.values[kept])

    def starts(self, n_rows: int) -> Tensor:
        """Return where each row begins."""
        return torch.searchsorted(self.rows, torch.arange(n_rows, device=self.rows.device))


def pre_activations(weights: Weights, centred: Tensor, latents: Tensor | None = None) -> Tensor:
    """Return what the activation function gets `[row, latent]`, of all latents or some."""
    if latents is None:
        return torch.addmm(weights.b_enc, centred, weights.encoder.T)
    return torch.addmm(weights.b_enc[latents], centred, weights.encoder[latents].T)


def strongest_of_each(weights: Weights, centred: Tensor, k: int) -> Fired:
    """Return the `k` largest pre-activations of each row that are above 0."""
    found = None
    if RankedEncoder.is_worth_it(len(centred), weights.encoder):
        found = RankedEncoder.of(weights.encoder).strongest(centred, weights.b_enc, k)
    if found is None:
        p = pre_activations(weights, centred)
        found = _kernels.strongest(p, k)
    if found is not None:
        return _fired(found)
    values, latents = p.topk(k, dim=1)
    fires = values > 0
    return Fired(fires.nonzero()[:, 0], latents[fires], values[fires])


def strongest_of_all(p: Tensor, k: int, guess: float) -> Fired:
    """Return the `k` times rows largest pre-activations of a batch that are above 0.

    `guess` is a number above which there probably are so many and few more: those below need not be sorted then.
    """
    wanted = k * len(p)
    rows, latents = (p > max(guess, 0.0)).nonzero(as_tuple=True)
    if len(rows) < wanted and guess > 0:
        rows, latents = (p > 0).nonzero(as_tuple=True)
    return _strongest(Fired(rows, latents, p[rows, latents]), wanted)


def strongest_of_all_ranked(weights: Weights, centred: Tensor, k: int, guess: float) -> Fired | None:
    """Return the same of what the encoder makes of rows, without all pre-activations; None where it takes them.

    What may be above `guess` by a product in bfloat16 is made again in float32. Where so many are above it, the
    strongest are among them.
    """
    if guess <= 0 or not RankedEncoder.is_worth_it(len(centred), weights.encoder):
        return None
    most = min(_ROOM * k, len(weights.encoder))
    found = RankedEncoder.of(weights.encoder).above(centred, weights.b_enc, guess, most)
    wanted = k * len(centred)
    return None if found is None or len(found[1]) < wanted else _strongest(_fired(found), wanted)


def _fired(found: _kernels.Rows) -> Fired:
    starts, latents, values = found
    rows = torch.repeat_interleave(torch.arange(len(starts) - 1), starts.diff(), output_size=len(latents))
    return Fired(rows, latents, values)


def _strongest(fired: Fired, wanted: int) -> Fired:
    if len(fired.values) <= wanted:
        return fired
    kept = fired.values.topk(wanted, sorted=False).indices.sort().values
    return Fired(fired.rows[kept], fired.latents[kept], fired.values[kept])


def decode(fired: Fired, decoder: Tensor, base: Tensor, n_rows: int) -> Tensor:
    """Return the reconstruction of a batch `[row, d_out]`, `base` being what it is where no latent fires."""
    sums = functional.embedding_bag(
        fired.latents, decoder, fired.starts(n_rows), mode="sum", per_sample_weights=fired.values
    )
    return sums + base


def write_gradients(weights: Weights, gradients: list[Tensor], fired: Fired, centred: Tensor, error: Tensor) -> None:
    """Write the gradients of a function of the reconstruction, `error` `[row, d_out]` being that by the reconstruction.

    `centred` is what the encoder was given, `Weights.encoded`. Only latents that fire have gradients other than 0; what
    `gradients` held before is lost.
    """
    for one in gradients[3:]:
        one.zero_()
    _add_gradients_of_rest(gradients, centred, error)
    _add_gradients_of_latents(weights, gradients, fired, centred, error, fresh=True)


def write_nested_gradients(
    weights: Weights, gradients: list[Tensor], fired: Fired, centred: Tensor, y: Tensor, ends: list[int]
) -> Tensor:
    """Write the gradients of the mean over `ends` of the error of the first so many latents alone.

    Returns what all of them leave over `[row, d_out]`, the reconstruction less `y`. Each latent that fires is read and
    written once: its error is the sum of the errors of all prefixes that have it.
    """
    group = torch.bucketize(fired.latents, torch.tensor(ends, device=y.device), right=True)
    parts = [fired.where(group == at) for at in range(len(ends))]
    residual = weights.without_latents(centred) - y
    residuals = []
    for part in parts:
        residual = residual + decode(part, weights.decoder, torch.zeros_like(weights.b_dec), len(y))
        residuals.append(residual)
    error = torch.zeros_like(y)
    for one in gradients:
        one.zero_()
    for part, one in zip(reversed(parts), reversed(residuals), strict=True):
        error = error + one * (2 / (len(y) * len(ends)))
        _add_gradients_of_latents(weights, gradients, part, centred, error, fresh=False)
    _add_gradients_of_rest(gradients, centred, error)
    return residual


def _add_gradients_of_rest(gradients: list[Tensor], centred: Tensor, error: Tensor) -> None:
    """Add those of what the output is without latents: the bias, and the linear path where there is one."""
    gradients[3] += error.sum(0)
    for of_skip in gradients[4:]:
        of_skip.addmm_(error.T, centred)


def _add_gradients_of_latents(
    weights: Weights, gradients: list[Tensor], fired: Fired, centred: Tensor, error: Tensor, *, fresh: bool
) -> None:
    """Add them to those of encoder, decoder and biases, of which all but that of `b_dec` are 0 before where `fresh`."""
    of_encoder, of_decoder, of_b_enc, of_b_dec = gradients[:4]
    codes = fired.starts(len(error) + 1), fired.latents, fired.values
    by_latent = _kernels.add_latent_gradients(codes, weights.decoder, error, centred, of_encoder, of_decoder, fresh)
    if fresh:
        of_b_enc.zero_()
    if by_latent is None:
        if fresh:
            of_encoder.zero_()
            of_decoder.zero_()
        given = error[fired.rows]
        of_decoder.index_add_(0, fired.latents, given * fired.values[:, None])
        by_value = (given * weights.decoder[fired.latents]).sum(1)
        of_encoder.index_add_(0, fired.latents, centred[fired.rows] * by_value[:, None])
        by_latent = torch.zeros_like(weights.b_enc).index_add_(0, fired.latents, by_value)
    of_b_enc += by_latent
    if not weights.transcodes:
        of_b_dec -= by_latent @ weights.encoder
