"""The final norm and unembedding that make logits of the residual stream, and what each head adds to that stream.

No family is known by name: norms and output matrices are tried on chosen vectors.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from scope_widgets.models.architecture.anatomy import Anatomy, UnsupportedModelError
from scope_widgets.models.architecture.model_parts import ModelParts
from scope_widgets.models.guards.locks import held
from scope_widgets.models.guards.restore_on_exit import recording_gradients, without_gradients

#: numbers of the unembedding that are brought to float32 at a time
_AT_ONCE = 2**24


@dataclass(frozen=True)
class FrozenNorm:
    """A norm whose scale is held as it was at some vectors: linear, so that it can be applied to their parts.

    Attributes
    ----------
    gain : Tensor of float64 [..., d_model]
        What each component is multiplied by, one row for each vector.
    centres : bool
        Whether the mean is subtracted first (LayerNorm) or not (RMSNorm).
    bias : Tensor of float64 [d_model]
    """

    gain: Tensor
    centres: bool
    bias: Tensor

    def __call__(self, part: Tensor) -> Tensor:
        """Return one part of each vector after the norm, without its bias."""
        return (part - part.mean(-1, keepdim=True) if self.centres else part) * self.gain


def freeze_norm(norm: nn.Module | None, at: Tensor) -> FrozenNorm:
    """Return a LayerNorm or RMSNorm with its scale as it is at the vectors `at` `[..., d_model]`; None is no norm.

    `frozen(at) + frozen.bias` is `norm(at)`.
    """
    exact = at.cpu().double()
    if norm is None:
        return FrozenNorm(torch.ones_like(exact), False, torch.zeros(at.shape[-1], dtype=torch.float64))
    ones = torch.ones_like(at[(0,) * (at.ndim - 1)])
    signs = ones.clone()
    signs[::2] = -1
    with recording_gradients(False):
        bias, of_ones, of_signs, output = (
            type(norm).forward(norm, x).cpu().double()  # not a call of the module: its hooks are not to run
            for x in (0 * ones, ones, signs, at)
        )
    # Gains up to one factor, whatever the norm's epsilon; the factor goes into the scale, fitted to the real output.
    of_signs = of_signs - bias
    centres = bool((of_ones - bias).abs().sum() < 0.01 * of_signs.abs().sum())
    signs = signs.cpu().double()
    gain = of_signs / (signs - signs.mean() if centres else signs)
    unscaled = FrozenNorm(gain, centres, bias)(exact)
    scale = (unscaled * (output - bias)).sum(-1, keepdim=True) / unscaled.square().sum(-1, keepdim=True).clamp_min(
        1e-300
    )
    return FrozenNorm(gain * scale, centres, bias)


class Unembedding:
    """The final norm, the unembedding, and the scale and soft-cap of the logits of a model.

    Attributes
    ----------
    softcap : float or None
        Logits are `softcap * tanh(raw / softcap)` (Gemma 2); None: as they come from the unembedding.
    """

    def __init__(self, model: Any, anatomy: Anatomy) -> None:
        self._model = model
        self._norm = anatomy.final_norm
        self._unembed = anatomy.unembed
        self._scale = anatomy.logit_scale
        self.softcap = anatomy.softcap
        self._added: Tensor | None = model.get_buffer(anatomy.logit_bias).flatten() if anatomy.logit_bias else None
        if self._weight.is_meta:
            raise UnsupportedModelError(f"The weights of this {type(model).__name__} are not in this process.")
        if any(self._unembed.children()) or not self._weight.is_floating_point():
            raise UnsupportedModelError(
                f"The unembedding of this {type(model).__name__} is no plain matrix (quantised, or with an adapter on "
                "it), so that what single tokens read is not known: merge the adapter, or load it without quantisation."
            )
        if self._weight.shape[-1] != anatomy.d_model:
            raise UnsupportedModelError(
                f"{type(model).__name__} has a residual stream of {anatomy.d_model} numbers and an unembedding of "
                f"{self._weight.shape[-1]}: what is between them is not known to this package."
            )

    @property
    def _weight(self) -> Tensor:
        weight: Tensor = self._unembed.weight  # type: ignore[assignment]
        return weight

    @without_gradients
    def raw(self, residual: Tensor) -> Tensor:
        """Return the logits `[..., vocabulary]` of a residual stream `[..., d_model]`, before any soft-cap."""
        residual = residual.to(self._weight.device, self._weight.dtype)
        with held(self._model):
            raw: Tensor = self._unembed(residual if self._norm is None else self._norm(residual))
        raw = raw if self._scale == 1.0 else raw * self._scale
        return raw if self._added is None else raw + self._added

    def logits(self, residual: Tensor) -> Tensor:
        """Return the logits `[..., vocabulary]` of a residual stream `[..., d_model]`, soft-capped if the model is."""
        raw = self.raw(residual)
        return raw if self.softcap is None else torch.tanh(raw / self.softcap) * self.softcap

    def of_tokens(self, residual: Tensor, ids: Tensor) -> Tensor:
        """Return the logits `[row, k]` of some tokens only, `ids` `[row, k]`, of residual streams `[row, d_model]`."""
        residual = residual if self._norm is None else self._norm(residual)
        rows = self._weight[ids]
        bias = getattr(self._unembed, "bias", None)
        raw = ((rows @ residual[..., None]).squeeze(-1) + (0 if bias is None else bias[ids])) * self._scale
        raw = raw if self._added is None else raw + self._added[ids]
        return raw if self.softcap is None else torch.tanh(raw / self.softcap) * self.softcap

    def frozen(self, residual: Tensor) -> FrozenNorm:
        """Return the final norm with its scale held as it is at these residual streams `[..., d_model]`."""
        with held(self._model):
            return freeze_norm(self._norm, residual.to(self._weight.device))

    def directions(self, ids: Tensor) -> tuple[Tensor, Tensor]:
        """Return the rows of the unembedding `[token, d_model]` and its biases `[token]` (0 without), in float64.

        Times the factor that the family multiplies logits by.
        """
        bias = getattr(self._unembed, "bias", None)
        rows, biases = (
            torch.zeros(len(ids)) if values is None else values.detach()[ids.to(values.device)]
            for values in (self._weight, bias)
        )
        biases = biases.cpu().double() * self._scale
        if self._added is not None:
            biases = biases + self._added[ids.to(self._added.device)].cpu().double()
        return rows.cpu().double() * self._scale, biases

    @without_gradients
    def products(self, vectors: Tensor) -> Tensor:
        """Return `<vector, W_U[token]>` of every token `[..., vocabulary]` in float64, times the factor of logits.

        The matrix is gone through in pieces: no copy of it is made in another dtype.
        """
        found = vectors.to(self._weight.device, torch.float32)
        rows = max(1, _AT_ONCE // self._weight.shape[-1])
        pieces = [found @ piece.float().T for piece in torch.split(self._weight.detach(), rows)]
        return torch.cat(pieces, -1).cpu().double() * self._scale

    def mean_direction(self) -> Tensor:
        """Return the mean of `W_U` over the vocabulary `[d_model]` in float64, times the factor of logits."""
        return self._weight.detach().mean(0, dtype=torch.float32).cpu().double() * self._scale

    def mean_bias(self) -> float:
        """Return the mean over the vocabulary of what is added to logits beside the stream."""
        bias = getattr(self._unembed, "bias", None)
        found = 0.0 if bias is None else float(bias.detach().double().mean()) * self._scale
        return found if self._added is None else found + float(self._added.detach().double().mean())

    def check(self, residual: Tensor, logits: Tensor) -> None:
        """Raise UnsupportedModelError where the last residual stream `[..., d_model]` does not make these logits."""
        there = ~logits.isnan().all(-1).cpu()  # padding, and what a call left out, has none
        expected, found = (x.float().cpu()[there] for x in (logits, self.logits(residual)))
        if there.any() and not agree(expected, found, logits.dtype):
            raise UnsupportedModelError(
                f"The final norm and unembedding of this {type(self._model).__name__} do not make the trace's logits "
                "from its residual stream: either the trace is of other weights (give scope= the model that made it), "
                "or this family does something between them that this package does not know."
            )


def agree(expected: Tensor, found: Tensor, dtype: torch.dtype) -> bool:
    """Return whether values of a model of some dtype are those expected up to rounding; NaN agrees with nothing else.

    What is expected to be `-inf` is ruled out after it was computed, and not compared.
    """
    known = expected != -torch.inf
    finite = expected.isfinite()
    if not torch.equal(finite & known, found.isfinite() & known):
        return False
    off, size = (torch.where(finite, x, 0.0).abs().max() for x in (expected - found, expected))
    return bool(off <= (1e-3 if dtype == torch.float32 else 5e-2) * size)


def head_writes(scope: ModelParts, z: Tensor, layer: int) -> tuple[Tensor, Tensor]:
    """Return what each head adds to the residual stream, and what the attention's biases add.

    Where a norm follows attention (Gemma 2, Gemma 3, OLMo 2) its scale is held as it is for all heads together.

    Parameters
    ----------
    scope : Microscope
    z : Tensor [..., head, d_head]
        Outputs of the heads.
    layer : int

    Returns
    -------
    heads : Tensor of float64 [..., head, d_model]
    bias : Tensor of float64 [..., d_model]
        All heads and the bias together are `attention_out`.
    """
    block, out = scope.anatomy.blocks[layer], output_matrix(scope.anatomy, layer)
    each = torch.eye(z.shape[-2], dtype=torch.bool, device=z.device)[:, :, None]
    with recording_gradients(False), held(scope.model):
        joined = z.flatten(-2).reshape(-1, z.shape[-2] * z.shape[-1])  # matrices of 8 bits take no single vector
        whole, nothing = (out(one).reshape(*z.shape[:-2], -1) for one in (joined, torch.zeros_like(joined)))
        heads = out(torch.where(each, z[..., None, :, :], 0.0).flatten(-2)) - nothing[..., None, :]
        frozen = freeze_norm(block.attention_norm, whole[..., None, :])
    bias = frozen(nothing[..., None, :].cpu().double()) + frozen.bias
    return frozen(heads.cpu().double()) * block.attention_scale, bias.squeeze(-2) * block.attention_scale


def one_head_writes(scope: ModelParts, z: Tensor, layer: int, head: int) -> Tensor:
    """Return what the output matrix makes of outputs of one head alone, `[..., d_model]`, without its bias.

    Before the norm after attention and the factor on what attention writes, where there are these.

    Parameters
    ----------
    scope : Microscope
    z : Tensor [..., d_head]
    layer, head : int
    """
    out = output_matrix(scope.anatomy, layer)
    with recording_gradients(False), held(scope.model):
        inputs = torch.zeros(*z.shape[:-1], n_inputs(out)).to(scope.model.device, scope.model.dtype)
        inputs[..., head * z.shape[-1] : (head + 1) * z.shape[-1]] = z.to(inputs)
        written: Tensor = out(inputs) - out(torch.zeros_like(inputs[(slice(0, 1),) * (inputs.ndim - 1)]))
    return written


def output_matrices(scope: ModelParts, layer: int) -> Tensor:
    """Return the output matrix of each head, `[head, d_head, d_model]` in float64.

    Where a norm follows attention its gain is folded in, so that they are known up to one factor for the layer.
    """
    block, out = scope.anatomy.blocks[layer], output_matrix(scope.anatomy, layer)
    with recording_gradients(False), held(scope.model):
        basis = torch.eye(n_inputs(out)).to(scope.model.device, scope.model.dtype)
        rows = (out(basis) - out(torch.zeros_like(basis[:1]))).cpu().double()
        frozen = freeze_norm(block.attention_norm, torch.ones_like(basis[0, :1].expand(scope.d_model)))
    return frozen(rows).reshape(scope.n_heads, -1, scope.d_model) * block.attention_scale


def output_matrix(anatomy: Anatomy, layer: int) -> nn.Module:
    """Return the module of the matrix that the heads of a layer write with.

    Raises
    ------
    UnsupportedModelError
        Where there is none.
    """
    out = anatomy.blocks[layer].out
    if out is None:
        raise UnsupportedModelError(f"What heads write is not known. {anatomy.missing('out', layer)}")
    return out


def n_inputs(module: Any) -> int:
    """Return how many numbers a Linear, or GPT-2's Conv1D, gets."""
    return int(getattr(module, "in_features", None) or len(module.weight))
