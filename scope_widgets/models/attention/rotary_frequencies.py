"""Rotary frequencies that depend on the length of a prompt: each prompt of a batch gets those that it has alone.

LongRoPE and dynamic NTK choose them by the last position of the batch, and the latter remembers the longest one so far.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from scope_widgets.models.architecture.rotary_types import rotary_by_length
from scope_widgets.models.guards.restore_on_exit import putting_back, with_block


@with_block
def own_frequencies(model: Any, lengths: Tensor | None) -> Iterator[None]:
    """Give each row of the forwards in the block the frequencies of its own prompt.

    Parameters
    ----------
    model : torch.nn.Module
    lengths : Tensor of int [row], optional
        Tokens of the whole prompt of each row; by default all end with the last position.
    """
    if not rotary_by_length(model.config):
        yield
        return
    with putting_back() as back:
        for module in model.modules():
            if hasattr(module, "rope_type") and hasattr(module, "original_max_seq_len"):
                back.later(_remember, module, vars(module).copy(), module._buffers.copy())
                back.hook(module.register_forward_hook, _by_row(lengths), with_kwargs=True)
        yield


def _remember(module: nn.Module, values: dict[str, Any], buffers: dict[str, Tensor | None]) -> None:
    """Give a module the frequencies back that it had, and how long its longest prompt was."""
    for name in _lengths(module):
        setattr(module, name, values.get(name, module.original_max_seq_len))
    module._buffers.update(buffers)


def _lengths(module: nn.Module) -> list[str]:
    return [name for name in vars(module) if name.endswith("max_seq_len_cached")]


def _by_row(lengths: Tensor | None) -> Any:
    def hook(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> Any:
        forward = type(module).forward
        given = inspect.signature(forward).bind(module, *args, **kwargs).arguments
        positions = given["position_ids"]
        rows = positions.max()[None] + 1 if lengths is None else lengths.to(positions.device)
        found: list[Tensor] = []
        for length in rows.unique():
            _forget(module)
            last = positions.new_full((len(positions), 1), int(length) - 1)
            # the last position decides, and what is behind it is padding
            own = torch.cat([positions.clamp(max=int(length) - 1), last], dim=1)
            parts = [part[:, :-1] for part in forward(**{**given, "position_ids": own})]
            if not found:
                found = [part.expand(max(len(rows), len(part)), *part.shape[1:]).clone() for part in parts]
            else:
                here = (rows == length)[:, None, None]
                found = [torch.where(here, part, old) for part, old in zip(parts, found, strict=True)]
        return tuple(found)

    return hook


def _forget(module: nn.Module) -> None:
    """Forget how long the prompts before were."""
    for name, value in list(module._buffers.items()):
        if name.endswith("original_inv_freq") and value is not None:
            module._buffers[name.replace("original_", "")] = value.clone()
    for name in _lengths(module):
        setattr(module, name, module.original_max_seq_len)
