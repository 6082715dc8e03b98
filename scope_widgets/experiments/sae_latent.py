"""`Latent`: one latent of a sparse autoencoder, with no more of it than is needed to read and to write that latent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

#: pre-activations that are made at once
_AT_ONCE = 2**25
#: added to the standard deviation of a row, as SAELens does
_EPSILON = 1e-5


@dataclass(frozen=True, eq=False, repr=False)
class Latent:
    """One latent: how a row is encoded to it, and what it adds to the reconstruction.

    Few vectors where whether it fires is a matter of its own pre-activation ("relu", "jumprelu", "gated"); of "topk",
    where it is one of the others too, the whole encoder.

    Attributes
    ----------
    index, n_latents : int
        Which latent of how many.
    layer : int
    site, output_site : str
        What is encoded, and what the output is compared with; they differ for a transcoder.
    model : str
        The model that the autoencoder is of; empty where it does not say.
    sae : str
        A digest of the autoencoder: latents with the same one are of one.
    encoder : Tensor [d]
    bias : float
    decoder : Tensor [d_out]
    activation : "relu", "topk", "jumprelu" or "gated"
    taken_off : Tensor [d] or None
        What is subtracted from a row before it is encoded.
    normalisation : "none", "layer_norm" or "norm"
    threshold : float or None
        Of "jumprelu".
    gate : (float, float) or None
        Of "gated": `b_gate` and `r_mag`.
    k : int or None
        Of "topk"; `encoders` [d, latent] and `biases` [latent] are then those of all latents.
    known : Tensor [position] or None
        Of "topk": what it is on each token of the prompt at hand, where that was measured; the encoder is then left
        away.
    label : str
        What it stands for, where an index of features knows that; "dead" of one that never fired there.
    largest : float
        The largest activation that an index knows; 0 where there is none.
    """

    index: int
    n_latents: int
    layer: int
    site: str
    output_site: str
    model: str
    sae: str
    encoder: Tensor
    bias: float
    decoder: Tensor
    activation: str = "relu"
    taken_off: Tensor | None = None
    normalisation: str = "none"
    threshold: float | None = None
    gate: tuple[float, float] | None = None
    k: int | None = None
    encoders: Tensor | None = None
    biases: Tensor | None = None
    known: Tensor | None = None
    label: str = ""
    largest: float = 0.0

    def latent(self, j: int) -> Latent:
        """Return itself, the only latent that it knows: so it can stand where an autoencoder is expected."""
        if j != self.index:
            raise ValueError(f"This is latent {self.index} alone, and no latent {j!r}: give the autoencoder.")
        return self

    @property
    def d_in(self) -> int:
        """The width of what is encoded."""
        return len(self.encoder)

    def __repr__(self) -> str:
        """Say which it is."""
        of = f" of {self.model}" if self.model else ""
        return f"Latent({self.index} of {self.n_latents:,}, {self.site} of layer {self.layer}{of}, SAE {self.sae})"

    def activations(self, x: Tensor) -> Tensor:
        """Return what it is in rows `[row, d]`: `[row]`, 0 where it does not fire, as `sae.encode` has it."""
        return activations([self], x)[0]


class HasLatents(Protocol):
    """What has latents that can be read and written one by one: `features.SAE`, `features.FeatureIndex`."""

    def latent(self, j: int) -> Latent:
        """Return latent `j`."""


def activations(latents: Sequence[Latent], x: Tensor) -> list[Tensor]:
    """Return what each of several latents of one autoencoder is in rows `[row, d]`: `[row]` each.

    Those of "topk" are ranked among all of a row, of equal ones the smaller index first, in one product for all.
    """
    first = latents[0]
    rows = x.to(first.encoder.dtype)
    if first.normalisation != "none":
        shift, scale = shift_and_scale(rows, first.normalisation)
        rows = (rows - shift) / (scale + _EPSILON if first.normalisation == "layer_norm" else scale)
    if first.taken_off is not None:
        rows = rows - first.taken_off.to(rows.device)
    return _ranked(latents, rows) if first.activation == "topk" else [_alone(one, rows) for one in latents]


def shift_and_scale(x: Tensor, normalisation: str) -> tuple[Tensor | float, Tensor]:
    """Return what is taken off each row `[row, d]`, and what the rest is then divided by, `[row, 1]`.

    Parameters
    ----------
    x : Tensor [row, d]
    normalisation : "layer_norm" or "norm"
        To mean 0 and standard deviation 1, or to a norm of `sqrt(d)`.
    """
    if normalisation == "layer_norm":
        return x.mean(1, keepdim=True), x.std(1, keepdim=True)
    return 0.0, x.norm(dim=1, keepdim=True) / x.shape[1] ** 0.5


def _alone(latent: Latent, rows: Tensor) -> Tensor:
    product = rows @ latent.encoder.to(rows.device)
    p = product + latent.bias
    if latent.gate is not None:
        b_gate, r_mag = (torch.tensor(one, dtype=rows.dtype, device=rows.device) for one in latent.gate)
        return torch.where(product + b_gate > 0, (product * r_mag.exp() + latent.bias).relu(), 0.0)
    return p.relu() if latent.threshold is None else torch.where(p > latent.threshold, p.relu(), 0.0)


def _ranked(latents: Sequence[Latent], rows: Tensor) -> list[Tensor]:
    encoders, biases, k = latents[0].encoders, latents[0].biases, latents[0].k
    assert encoders is not None  # of "topk"
    assert biases is not None
    assert k is not None
    encoders, biases = encoders.to(rows.device), biases.to(rows.device)
    parts: list[list[Tensor]] = []
    for part in torch.split(rows, max(1, _AT_ONCE // len(biases))) if len(rows) else [rows]:
        p = part @ encoders + biases
        found = []
        for one in latents:
            own = p[:, one.index, None]
            before = (p > own).sum(1) + (p[:, : one.index] == own).sum(1)
            found.append(torch.where(before < k, own[:, 0].relu(), 0.0))
        parts.append(found)
    return [torch.cat(some) for some in zip(*parts, strict=True)]
