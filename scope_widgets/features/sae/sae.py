"""`SAE`: a sparse autoencoder, or a transcoder, of one place of a model."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from scope_widgets import _kernels
from scope_widgets._files import check_folder
from scope_widgets._types import Array
from scope_widgets._untrusted import opening
from scope_widgets.experiments.direction import Direction
from scope_widgets.experiments.sae_latent import Latent, shift_and_scale
from scope_widgets.features.formats import write_saelens, write_sparsify
from scope_widgets.features.sae import one_latent
from scope_widgets.features.sae.ranked_encoder import RankedEncoder
from scope_widgets.features.sae.sparse_codes import SparseCodes
from scope_widgets.features.sae.weights import Weights

#: numbers of pre-activations that are made at once
_AT_ONCE = 2**25
#: added to the standard deviation of a row, as SAELens does
_EPSILON = 1e-5


@dataclass(frozen=True, eq=False, repr=False)
class SAE(Weights):
    """A sparse autoencoder: `x` is encoded to few latents, and decoded to about `x` (of a transcoder: another place).

    With `p = (x - b_dec) W_enc + b_enc` (without `- b_dec` where `subtracts_b_dec` is false) a latent is `max(p, 0)`
    ("relu"), that of the `k` largest of a row ("topk"), where `p` is above its threshold ("jumprelu"), or where its
    gate is open ("gated"); the output is `latents W_dec + b_dec`.

    Attributes
    ----------
    W_enc : Tensor [d, latent]
    W_dec : Tensor [latent, d_out]
    b_enc : Tensor [latent]
    b_dec : Tensor [d_out]
    activation : "relu", "topk", "jumprelu" or "gated"
    k : int or None
        Of "topk".
    threshold : Tensor [latent] or None
        Of "jumprelu".
    gate : Tensor [2, latent] or None
        Of "gated": `b_gate` and `r_mag`; `b_enc` is then `b_mag`.
    subtracts_b_dec : bool
    W_skip : Tensor [d_out, d] or None
        Of a transcoder with a linear path beside its latents.
    normalisation : "none", "layer_norm" or "norm"
        What is done to each row before, and undone after: mean 0 and standard deviation 1, or a norm of `sqrt(d)`.
    layer : int or None
        The block, as a trace counts; `site` of it is what is encoded.
    site : str
    output_site : str
        What the output is compared with; of an autoencoder `site`.
    model : str
        The model that it is of.
    history : dict of str to list of float
        The measures of its training by step, where it was trained here.
    metadata : dict
        What else its file says.

    Examples
    --------
    >>> sae = features.train(torch.randn(256, 8), d_sae=16, k=2, steps=5)
    >>> codes = sae.encode(torch.randn(3, 8))
    >>> sae.decode(codes).shape
    torch.Size([3, 8])
    """

    def to(self, *args: Any) -> SAE:
        """Return it on another device, or in another dtype, as `Tensor.to` takes them."""
        tensors: dict[str, Any] = {name: one.to(*args) for name, one in vars(self).items() if isinstance(one, Tensor)}
        return replace(self, **tensors)

    def _as_it_travels(self) -> SAE:
        """Return it without what its file and its training say, for a model elsewhere."""
        return replace(self, history={}, metadata={}) if self.history or self.metadata else self

    def save(self, folder: str | Path) -> Path:
        """Write it to a folder in SAELens's layout, which `features.load` and SAELens read, and return the folder.

        A transcoder with the activation "topk", for which SAELens has no layout, is written in sparsify's.

        Raises
        ------
        ValueError
            For a transcoder that neither has a layout for: a gated one.
        """
        folder = check_folder(folder)
        (write_sparsify if self.is_transcoder and self.activation == "topk" else write_saelens).write(self, folder)
        return folder

    # --- one latent -------------------------------------------------------------------------------------------------

    def latent(self, j: int) -> Latent:
        """Return what reads and writes latent `j`: what `steering.ClampFeature` and `ScaleFeature` are made of.

        Raises
        ------
        ValueError
            For a latent that there is not, or where it is not known of which layer the SAE is.
        """
        return one_latent.latent_of(self, j)

    def direction(self, j: int) -> Direction:
        """Return the direction that latent `j` writes along, in the residual stream and in its units.

        That of an SAE of "attention_out" or "mlp_out", or a transcoder to one of them, is of the stream that enters the
        next block. A strength of 1 adds what an activation of 1 writes (where rows are normalised, what it writes for
        a row whose scale is 1).

        Parameters
        ----------
        j : int

        Returns
        -------
        Direction
            Its `scale` is the norm of the latent's decoder row.

        Raises
        ------
        ValueError
            For a latent that there is not or that writes nothing, an SAE that does not say its layer, or one of a place
            that is not added to the residual stream as it is ("z", "mlp_in").

        Examples
        --------
        >>> sae = features.load("demo")
        >>> sae.direction(3).layer == sae.layer
        True
        """
        return one_latent.direction_of(self, j)

    # --- what it computes -------------------------------------------------------------------------------------------

    def encode(self, x: Tensor | Array) -> SparseCodes:
        """Return the latents that fire in each row of `x` `[row, d]`; nothing dense of all rows is made.

        Raises
        ------
        TypeError
            For what are no rows of numbers.
        ValueError
            For rows of another width.
        """
        return SparseCodes.joined([self._codes(part) for part in _parts(self._checked(x), self.d_sae)])

    def pre_activations(self, x: Tensor | Array) -> Tensor:
        """Return what the activation function gets, dense `[row, latent]`."""
        x = self._checked(x)
        x = self._normalised(x)
        return (x - self.b_dec if self.subtracts_b_dec else x) @ self.W_enc + self.b_enc

    def decode(self, codes: SparseCodes, x: Tensor | Array | None = None) -> Tensor:
        """Return what the latents stand for `[row, d_out]`.

        `x` `[row, d]`, what they were encoded from, is needed where there is a skip path, or rows are normalised.

        Raises
        ------
        TypeError
            For what are no `SparseCodes`.
        ValueError
            For codes of another number of latents, or without an `x` that is needed.
        """
        if not isinstance(codes, SparseCodes):
            raise TypeError(
                f"decode() takes the SparseCodes that encode() returns; got a {type(codes).__name__}. Of activations "
                "[row, latent] they are features.SparseCodes.from_dense(activations)."
            )
        if codes.n_latents != self.d_sae:
            raise ValueError(f"{self!r} decodes codes of {self.d_sae:,} latents; these are of {codes.n_latents:,}.")
        if x is None and (self.W_skip is not None or self.normalisation != "none"):
            raise ValueError(f"{self!r} does not reconstruct from its latents alone: give decode() the input as x=.")
        values = codes.values.to(self.W_dec.dtype)
        sums = functional.embedding_bag(
            codes.indices,
            self.W_dec,
            codes.indptr[:-1],
            mode="sum",
            per_sample_weights=values,
        )
        sums = sums + self.b_dec
        if x is None:
            return sums
        x = self._checked(x)
        if self.W_skip is not None:
            sums = sums + self._normalised(x) @ self.W_skip.T
        if self.normalisation == "none":
            return sums
        shift, scale = shift_and_scale(x, self.normalisation)
        return sums * scale + shift

    def __call__(self, x: Tensor | Array) -> Tensor:
        """Return the reconstruction of rows `[row, d]`, or with more axes before the last."""
        x = _tensor(x)
        rows = x.reshape(-1, x.shape[-1])
        return self.decode(self.encode(rows), rows).reshape(*x.shape[:-1], -1).to(x.dtype)

    def _normalised(self, x: Tensor) -> Tensor:
        if self.normalisation == "none":
            return x
        shift, scale = shift_and_scale(x, self.normalisation)
        return (x - shift) / (scale + _EPSILON if self.normalisation == "layer_norm" else scale)

    def _codes(self, x: Tensor) -> SparseCodes:
        if self.activation == "topk":
            return self._strongest(x)
        p = self.pre_activations(x)
        if self.activation == "jumprelu":
            assert self.threshold is not None
            return _codes_where((p > self.threshold) & (p > 0), p)
        if self.activation == "gated":
            assert self.gate is not None
            plain = p - self.b_enc
            b_gate, r_mag = self.gate
            magnitude = (plain * r_mag.exp() + self.b_enc).relu()
            return _codes_where((plain + b_gate > 0) & (magnitude > 0), magnitude)
        return _codes_where(p > 0, p)

    def _strongest(self, x: Tensor) -> SparseCodes:
        """Return the `k` largest of each row."""
        assert self.k is not None
        found = None
        weights = x, self.W_enc, self.b_enc, self.b_dec
        differentiable = torch.is_grad_enabled() and any(one.requires_grad for one in weights)
        ranked = self._ranked() if not differentiable and RankedEncoder.is_worth_it(len(x), self.W_enc) else None
        if ranked is not None:
            rows = self._normalised(x)
            found = ranked.strongest(rows - self.b_dec if self.subtracts_b_dec else rows, self.b_enc, self.k)
        if found is None:
            p = self.pre_activations(x)
            found = None if differentiable else _kernels.strongest(p, self.k)
        if found is not None:
            return SparseCodes(*found, self.d_sae)
        values, indices = p.topk(self.k, dim=1)
        return SparseCodes.of_equal_rows(indices, values.relu(), self.d_sae)

    def _ranked(self) -> RankedEncoder | None:
        """Return the rounded encoder, kept as long as nobody writes into `W_enc`."""
        if self.W_enc.is_inference():  # nobody counts writes there
            return None
        state = self.W_enc.data_ptr(), self.W_enc._version
        known = self.__dict__.get("_kept")
        if known is None or known[0] != state:
            known = state, RankedEncoder.of(self.W_enc.T)
            object.__setattr__(self, "_kept", known)
        ranked: RankedEncoder = known[1]
        return ranked

    def _checked(self, x: Tensor | Array) -> Tensor:
        x = _tensor(x)
        if x.ndim != 2 or x.shape[1] != self.d_in:
            raise ValueError(
                f"{self!r} encodes rows of width {self.d_in}, [row, {self.d_in}]; got a tensor of shape "
                f"{tuple(x.shape)}. Is it of another model or place?"
            )
        return x.to(self.W_enc.device, self.W_enc.dtype)


def _tensor(x: Any) -> Tensor:
    """Return rows as a tensor."""
    if isinstance(x, Tensor):
        return x
    try:
        return torch.as_tensor(np.asarray(x))
    except (TypeError, ValueError, RuntimeError):
        raise TypeError(
            f"An SAE reads numbers [row, d], a tensor or an array; got {opening(x)}. Those of a text are in a trace: "
            "scope.trace(text).residual(layer)."
        ) from None


def _codes_where(fires: Tensor, values: Tensor) -> SparseCodes:
    return SparseCodes.from_dense(torch.where(fires, values, 0.0))


def _parts(x: Tensor, n_latents: int) -> Iterator[Tensor]:
    rows = max(1, _AT_ONCE // n_latents)
    yield from torch.split(x, rows) if len(x) else [x]
