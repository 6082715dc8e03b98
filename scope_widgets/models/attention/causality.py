"""Whether a model is causal, which running on from the middle of a prompt needs: measured, not believed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from scope_widgets.models.architecture.anatomy import UnsupportedModelError
from scope_widgets.models.input_device import input_device

_CAUSAL: WeakKeyDictionary[Any, bool] = WeakKeyDictionary()


def require_causal(model: Any, logits: Callable[[Tensor], Tensor]) -> None:
    """Raise UnsupportedModelError where a token changes the logits of positions before it.

    It is tried once for each model, with two short prompts that differ in their last token: `logits` runs token ids.
    """
    if model not in _CAUSAL:
        ids = torch.arange(4, device=input_device(model)).repeat(2, 1)
        ids[1, -1] = 4
        first, second = logits(ids)[:, :-1].float()
        if not bool(first.isfinite().all()):
            return  # nothing can be told of a model that overflows; what is made of its logits refuses them
        _CAUSAL[model] = bool((first - second).abs().max() <= 1e-3 * first.abs().max())
    if not _CAUSAL[model]:
        _refuse(model)


def require_causal_masks(masks: dict[int, Tensor], model: Any) -> None:
    """Raise UnsupportedModelError where an additive mask `[batch, head, query, key]` shows a query what comes later."""
    for mask in {id(one): one for one in masks.values()}.values():
        later = mask.masked_select(torch.ones(mask.shape[-2:], dtype=torch.bool, device=mask.device).triu(1))
        if bool((later > torch.finfo(mask.dtype).min / 2).any()):
            _refuse(model)


def _refuse(model: Any) -> None:
    raise UnsupportedModelError(
        f"{type(model).__name__} is not causal: a token changes what is computed before it, so no run of it can be "
        "gone on from the middle, and prompts of several lengths cannot be run together without a mask. Traces and "
        "scope.logits(ids, edits) run it whole."
    )
