"""What each component of a model writes to the residual stream: the embeddings, every head, every MLP."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from scope_widgets.models.architecture.anatomy import Block, UnsupportedModelError
from scope_widgets.models.architecture.qkv_projections import matrix
from scope_widgets.models.architecture.unembedding import freeze_norm
from scope_widgets.models.attention.causality import require_causal
from scope_widgets.models.execution.recorder import unwrap
from scope_widgets.models.input_device import input_device
from scope_widgets.models.microscope import Microscope, loaded
from scope_widgets.models.run_arguments import check_token_ids
from scope_widgets.models.tokens import pad


@dataclass(frozen=True, eq=False)
class ComponentOutputs:
    """What each component wrote in one run of prompts.

    Attributes
    ----------
    token_ids : Tensor of int [prompt, position]
        Padded on the right.
    last : Tensor of int [prompt]
        The last position of each prompt.
    of : Tensor [sender, prompt, position, d_model]
        In the order of `Graph.senders`.
    bias : Tensor [layer, prompt, position, d_model]
        What attention writes beside its heads.
    logits : Tensor [prompt, vocabulary]
        Of the last positions.
    in_tuple : bool
        Whether the model's blocks return their output in a tuple (GPT-Neo).
    alone : bool
        Whether they return nothing else that the model may need, so that they can be left out.
    """

    token_ids: Tensor
    last: Tensor
    of: Tensor
    bias: Tensor
    logits: Tensor
    in_tuple: bool
    alone: bool


def component_outputs(
    scope: Microscope,
    prompts: list[list[int]],
    whole: Collection[int] = (),
    on_layer: Callable[[], object] = lambda: None,
) -> ComponentOutputs:
    """Return what each component writes when prompts are run.

    Parameters
    ----------
    scope : Microscope
    prompts : list of list of int
        Token ids.
    whole : collection of int, default ()
        Layers whose block is one component, as `Graph.whole`: it takes the place of the MLP.
    on_layer : callable
        Called when a layer has been run.

    Raises
    ------
    ValueError
        For prompts longer than the model reads, and for a model in training mode.
    UnsupportedModelError
        Where the parts do not sum to the residual stream.
    """
    check_token_ids(scope, prompts)
    if scope.model.training:
        raise ValueError("The model is in training mode, so dropout would change every run: call model.eval().")
    # To the right: no mask is needed, for nothing looks at what is later. With a token of the prompt: transformers
    # warns of what looks like padding without a mask.
    longest = max(map(len, prompts))
    ids, _ = pad([row + row[-1:] * (longest - len(row)) for row in prompts], input_device(scope.model))
    last = torch.tensor([len(row) - 1 for row in prompts], device=ids.device)
    anatomy = scope.anatomy
    parts: list[Tensor] = []
    biases: list[Tensor] = []
    final: list[Any] = []

    def body() -> None:
        for layer, block in enumerate(anatomy.blocks):
            on_layer()
            envoy = wrapped.envoy(block.block)
            if layer == 0 or layer in whole:
                entering = envoy.input.detach()
            if layer == 0:
                parts.append(entering[None])
            if layer in whole:
                written = unwrap(envoy.output).detach() - entering
                nothing = torch.zeros_like(written)
                parts.extend((nothing.expand(anatomy.n_heads, *nothing.shape), written[None]))
                biases.append(nothing)
                continue
            assert block.out is not None  # else it is in `whole`
            z = wrapped.envoy(block.out).input
            heads, bias = by_head(block, anatomy.n_heads, z.detach())
            mlp = unwrap(wrapped.envoy(block.mlp_out).output).detach() * block.mlp_scale
            parts.extend((heads, mlp.reshape(heads.shape[1:])[None]))
            biases.append(bias)
        final.append(wrapped.envoy(anatomy.blocks[-1].block).output)

    with loaded(scope).wrapped() as wrapped:
        require_causal(scope.model, lambda rows: wrapped.logits({"input_ids": rows}))
        logits = wrapped.logits({"input_ids": ids}, body, at=last, lengths=last + 1)[:, 0]
    of, bias = torch.cat(parts), torch.stack(biases)
    _check_sum(scope, of.sum(0) + bias.sum(0), unwrap(final[0]))
    wrapped_in = isinstance(final[0], tuple | list)
    return ComponentOutputs(ids, last, of, bias, logits, wrapped_in, not wrapped_in or len(final[0]) == 1)


def by_head(block: Block, n_heads: int, z: Tensor) -> tuple[Tensor, Tensor]:
    """Return what each head of a block writes, and what attention writes beside its heads.

    Where a norm follows attention (Gemma 2, Gemma 3, OLMo 2) its scale is held as it is for all heads together.

    Parameters
    ----------
    block : Block
    n_heads : int
    z : Tensor [..., head * d_head]

    Returns
    -------
    heads : Tensor [head, ..., d_model]
    bias : Tensor [..., d_model]
        The rest; exactly 0 where there is no bias, for after zero ablation it may be all that a norm gets.
    """
    assert block.out is not None
    per_head, weights = z.reshape(*z.shape[:-1], n_heads, -1), matrix(block.out)
    heads = torch.einsum("...hk,hkd->h...d", per_head, weights.reshape(n_heads, -1, weights.shape[-1]))
    added = getattr(block.out, "bias", None)
    bias = torch.zeros_like(heads[0]) if added is None else added.detach().expand_as(heads[0])
    if block.attention_norm is not None:
        gain = freeze_norm(block.attention_norm, type(block.out).forward(block.out, z))
        heads, bias = gain(heads.cpu().double()).to(heads), (gain(bias.cpu().double()) + gain.bias).to(heads)
    scale = block.attention_scale
    return (heads, bias) if scale == 1.0 else (heads * scale, bias * scale)


def _check_sum(scope: Microscope, parts: Tensor, stream: Tensor) -> None:
    off = float((parts - stream).abs().max())
    if off > (1e-3 if stream.dtype == torch.float32 else 5e-2) * float(stream.abs().max()):
        raise UnsupportedModelError(
            f"What the parts of this {type(scope.model).__name__} write does not sum to its residual stream (off by "
            f"{off:.3g}): it does something in between, such as a norm after each sum, so there are no edges to cut."
        )
