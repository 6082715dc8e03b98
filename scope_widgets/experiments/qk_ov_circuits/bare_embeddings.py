"""What enters the first block of single tokens, their positions left out."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from scope_widgets.models.architecture.anatomy import UnsupportedModelError
from scope_widgets.models.architecture.unembedding import agree
from scope_widgets.models.guards.locks import held
from scope_widgets.models.guards.restore_on_exit import recording_gradients
from scope_widgets.models.input_device import input_device
from scope_widgets.models.microscope import Microscope

#: tokens of a forward that says what becomes of an embedding
_TOKENS = 8


def bare_embeddings(scope: Microscope) -> Callable[[Tensor], Tensor]:
    """Return a function of ids `[token]` to what enters block 0 of them, `[token, d_model]`, without a position.

    Embeddings times the family's factor or through its norm, without embeddings of positions: what they are made of is
    tried, and held to a forward of a few tokens at two positions.

    Raises
    ------
    UnsupportedModelError
        Where what enters the first block is something else, such as a norm of tokens and positions together.
    """
    vocabulary = min(scope.anatomy.d_vocab, len(scope.tokenizer))
    ids = torch.linspace(0, vocabulary - 1, min(_TOKENS, vocabulary)).long()
    stream = scope.trace([[i, i] for i in ids.tolist()], capture=("residual",), logits=None).residual(0).float().cpu()
    raw = _embedded(scope, ids).float().cpu()
    dtype = scope.model.dtype
    if raw.shape == stream[:, 0].shape:
        # what positions add is the same for all tokens
        streams, embedded = (x - x.mean(0) for x in (stream.flatten(1), raw.repeat(1, 2)))
        factor = float((streams * embedded).sum() / embedded.square().sum().clamp_min(1e-300))
        if agree(streams, factor * embedded, dtype):
            return lambda some: factor * _embedded(scope, some)
        for norm in _norms(scope):
            normed = _after(norm, scope, ids).float().cpu()
            if agree(stream, normed[:, None].expand_as(stream), dtype):
                return lambda some, norm=norm: _after(norm, scope, some)  # type: ignore[misc]
    raise UnsupportedModelError(
        f"What enters the first block of this {type(scope.model).__name__} is not the embedding of a token and that of "
        "a position, added: single tokens without a position are not known."
    )


def _embedded(scope: Microscope, ids: Tensor) -> Tensor:
    with recording_gradients(False), held(scope.model):
        found: Tensor = scope.anatomy.embed(ids.to(input_device(scope.model)))
    return found


def _after(norm: nn.Module, scope: Microscope, ids: Tensor) -> Tensor:
    with recording_gradients(False), held(scope.model):
        found: Tensor = type(norm).forward(norm, _embedded(scope, ids))
    return found


def _norms(scope: Microscope) -> list[nn.Module]:
    """Return the norms that stand beside the blocks, but for the final one."""
    anatomy = scope.anatomy
    stack = next(
        parent
        for parent in scope.model.modules()
        for child in parent.children()
        if isinstance(child, nn.ModuleList) and len(child) and child[0] is anatomy.blocks[0].block
    )
    return [
        child
        for child in stack.children()
        if "norm" in type(child).__name__.lower() and child is not anatomy.final_norm
    ]
