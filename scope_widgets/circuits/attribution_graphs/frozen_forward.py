"""A forward whose attention patterns and norms' scales are held: what reaches an MLP or the logits is a sum."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from scope_widgets.experiments.latent_attribution.dictionaries import Dictionary
from scope_widgets.models.architecture.unembedding import freeze_norm
from scope_widgets.models.execution.activation_edits import Editor, HookPoint
from scope_widgets.models.guards.restore_on_exit import PutBack, putting_back, recording_gradients
from scope_widgets.models.input_device import input_device
from scope_widgets.models.microscope import LocalMicroscope


class FrozenForward:
    """One prompt, recorded so that autograd goes back from any MLP's input and from the final stream to what was added.

    Attention weights have no gradient, norms have that of their scale as it is, and what each MLP writes is a leaf (of
    a transcoder with a linear path, what it writes beside that path): gradients are of direct effects.

    Attributes
    ----------
    leaves : dict of (site, layer) to Tensor [position, d]
        The embeddings ("residual", 0) and what each MLP writes.
    inputs : dict of int to Tensor [position, d]
        What the MLP of each layer gets, with autograd's record.
    final : Tensor [position, d]
        What the final norm gets.

    Raises
    ------
    UnsupportedModelError
        Where attention cannot be seen.
    """

    def __init__(
        self, scope: LocalMicroscope, row: list[int], skips: Mapping[int, Dictionary], layers: list[int]
    ) -> None:
        self.leaves: dict[HookPoint, Tensor] = {}
        self.inputs: dict[int, Tensor] = {}
        self._constants: list[Tensor] = []
        self._skips = skips
        self.final = torch.empty(0)
        anatomy = scope.anatomy
        edits: dict[HookPoint, Any] = {("residual", 0): lambda value: self._leaf(("residual", 0), value)}
        for layer, block in enumerate(anatomy.blocks):
            if block.attention is not None:
                edits["attention", layer] = lambda value: value.detach()
            if layer in layers:
                edits["mlp_in", layer] = lambda value, layer=layer: self._input(layer, value)
            if anatomy.has("mlp_out", layer):
                edits["mlp_out", layer] = lambda value, layer=layer: self._written(layer, value)
        edits["residual", anatomy.n_layers] = self._end
        ids = torch.tensor([row], device=input_device(scope.model))
        with putting_back() as back, scope.wrapped() as wrapped:
            self._hold_norms(back, anatomy.blocks, anatomy.d_model)
            self._record_biases(back, anatomy.blocks)
            editor = Editor(wrapped, scope.model, anatomy, edits)
            self.logits = editor.logits({"input_ids": ids}, gradients=True)[0, -1].detach().float()

    def back(self, of: Tensor, along: Tensor) -> tuple[dict[HookPoint, Tensor], float]:
        """Return the gradient of `<of, along>` at each leaf `[position, d]`, and what biases add to that number."""
        leaves = list(self.leaves)
        with recording_gradients(True):
            given = torch.autograd.grad(
                of,
                [*(self.leaves[point] for point in leaves), *self._constants],
                grad_outputs=along.to(of),
                retain_graph=True,
                allow_unused=True,
            )
        at = {point: one.double() for point, one in zip(leaves, given, strict=False) if one is not None}
        pairs = zip(self._constants, given[len(leaves) :], strict=True)
        constant = sum(float((one.detach().double() * g.double()).sum()) for one, g in pairs if g is not None)
        return at, constant

    # --- the forward --------------------------------------------------------------------------------------------------

    def _leaf(self, point: HookPoint, value: Tensor) -> Tensor:
        leaf: Tensor = value.detach()[0].clone().requires_grad_()
        self.leaves[point] = leaf
        return leaf[None]

    def _input(self, layer: int, value: Tensor) -> Tensor:
        kept: Tensor = value.clone()
        self.inputs[layer] = kept[0]
        return kept

    def _written(self, layer: int, value: Tensor) -> Tensor:
        sae = self._skips.get(layer)
        if sae is None:
            return self._leaf(("mlp_out", layer), value)
        path = (self.inputs[layer].to(sae.W_enc.dtype) @ sae.W_skip.T).to(value.dtype)  # type: ignore[attr-defined]
        beside: Tensor = self._leaf(("mlp_out", layer), value - path.detach()) + path
        return beside

    def _end(self, value: Tensor) -> Tensor:
        kept: Tensor = value.clone()
        self.final = kept[0]
        return kept

    def _hold_norms(self, back: PutBack, blocks: Any, width: int) -> None:
        """Let norms of the residual stream's width be linear, with what they add beside as a constant."""

        def hold(norm: nn.Module, given: Any, output: Tensor) -> Tensor:
            frozen = freeze_norm(norm, given[0].detach())
            gain = frozen.gain.to(output.device)
            x = given[0].double()
            linear = ((x - x.mean(-1, keepdim=True) if frozen.centres else x) * gain).to(output.dtype)
            constant = (output - linear).detach().requires_grad_()
            self._constants.append(constant)
            held: Tensor = linear + constant
            return held

        for norm in _norms(blocks, width):
            back.hook(norm.register_forward_hook, hold)

    def _record_biases(self, back: PutBack, blocks: Any) -> None:
        """Let biases of attention have gradients, whether the model's weights do or not."""
        for block in blocks:
            for name, parameter in block.attention.named_parameters() if block.attention is not None else ():
                if name.endswith("bias"):
                    back.later(parameter.requires_grad_, parameter.requires_grad)
                    parameter.requires_grad_(True)
                    self._constants.append(parameter)


def _norms(blocks: Any, width: int) -> Iterator[nn.Module]:
    """Yield the norms in blocks that act on vectors of the residual stream; not those after an MLP: a leaf is there."""
    for block in blocks:
        for module in block.block.modules():
            weight = getattr(module, "weight", None)
            if module is block.mlp_norm:
                continue
            if "norm" in type(module).__name__.lower() and (weight is None or weight.shape == (width,)):
                yield module
