"""One attention function for every family, which shows what happens inside it.

Registered with transformers under `NAME`, it computes what "eager" computes and hands every quantity on its way to the
hook of the running thread, which may replace it: reading and changing attention needs no code of the architecture.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.masking_utils import eager_mask

from scope_widgets.models.architecture.anatomy import UnsupportedModelError

NAME = "scope_widgets"

#: (site, attention module, value) -> the value to go on with; sites in the order of ATTENTION_SITES, with "mask" before
#: "scores"
AttentionHook = Callable[[str, torch.nn.Module, Tensor], Tensor]

#: called with each attention module and how it scales, caps and windows its scores
ScoringHook = Callable[[torch.nn.Module, dict[str, Any]], None]

#: quantities inside an attention function that a hook sees:
#: q [batch, head, query, d_head], k and v [batch, kv_head, key, d_head], both after rotary embedding;
#: scores [batch, head, query, key] with the mask added; attention the same after softmax, in float32 at least;
#: z [batch, query, head, d_head]
ATTENTION_SITES = ("q", "k", "v", "scores", "attention", "z")

_running = threading.local()


def uses_attention_interface(model: Any) -> bool:
    """Whether the model computes attention through transformers' interface (all families but GPT-Neo)."""
    return bool(getattr(model, "_can_set_attn_implementation", lambda: False)())


@contextmanager
def hooked_attention(model: Any, hook: AttentionHook, scoring_hook: ScoringHook | None = None) -> Iterator[None]:
    """Route the attention of `model` through `hook` in this thread, and restore the model afterwards."""
    implementation = model.config._attn_implementation
    switches = uses_attention_interface(model)
    with active_hook(hook, scoring_hook):
        try:
            if switches:
                model.set_attn_implementation(NAME)
            yield
        finally:
            if switches:
                model.set_attn_implementation(implementation)


@contextmanager
def active_hook(hook: AttentionHook, scoring_hook: ScoringHook | None = None) -> Iterator[None]:
    """Make `hook` the one that the attention function of this package calls in this thread.

    A hook that is active already is called first: what it changes is what this one sees.
    """
    before = getattr(_running, "hooks", None)
    if before is not None:
        outer, own = before[0], hook

        def hook(site: str, module: torch.nn.Module, value: Tensor) -> Tensor:
            return own(site, module, outer(site, module, value))

    _running.hooks = (hook, scoring_hook)
    try:
        yield
    finally:
        _running.hooks = before


def _unchanged(site: str, module: torch.nn.Module, value: Tensor) -> Tensor:
    return value


def attention(
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    softcap: float | None = None,
    sliding_window: int | None = None,
    s_aux: Tensor | None = None,
    **_: Any,
) -> tuple[Tensor, Tensor]:
    """Compute attention as transformers' eager functions do, and call the active hook with each quantity.

    Parameters
    ----------
    query : [batch, head, query, d_head]
    key, value : [batch, kv_head, key, d_head]
    attention_mask : [batch, 1, query, key]
        Added to the scores; None: causal.

    Returns
    -------
    z : [batch, query, head, d_head]
    weights : [batch, head, query, key]
    """
    if s_aux is not None:
        raise UnsupportedModelError(
            f"{type(module).__name__} has attention sinks (s_aux), which this package does not compute yet."
        )
    hook, scoring_hook = getattr(_running, "hooks", None) or (_unchanged, None)
    scale = query.shape[-1] ** -0.5 if scaling is None else float(scaling)
    if scoring_hook is not None:
        scoring_hook(module, {"scaling": scale, "softcap": softcap, "window": sliding_window})
    query, key, value = hook("q", module, query), hook("k", module, key), hook("v", module, value)
    group = query.shape[1] // key.shape[1]
    scores = torch.matmul(query, _repeat(key, group).transpose(2, 3)) * scale
    if softcap is not None:
        scores = torch.tanh(scores / softcap) * softcap
    if attention_mask is None:  # made for an attention function that is causal by itself
        later = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device)
        attention_mask = scores.new_zeros(1, 1, *scores.shape[-2:])
        attention_mask.masked_fill_(later.triu(1 + key.shape[2] - query.shape[2]), -torch.inf)
    scores = hook("scores", module, scores + hook("mask", module, attention_mask)[..., : key.shape[-2]])
    weights = hook("attention", module, torch.softmax(scores, dim=-1, dtype=torch.float32))
    weights = torch.nn.functional.dropout(weights.to(query.dtype), p=dropout, training=module.training)
    z = torch.matmul(weights, _repeat(value, group)).transpose(1, 2).contiguous()
    return hook("z", module, z), weights


def _repeat(heads: Tensor, group: int) -> Tensor:
    return heads if group == 1 else heads.repeat_interleave(group, dim=1)


def unregister() -> None:
    """Remove this function from transformers, on a machine where this package is only for the length of a request."""
    AttentionInterface._global_mapping.pop(NAME, None)
    AttentionMaskInterface._global_mapping.pop(NAME, None)


AttentionInterface.register(NAME, attention)
AttentionMaskInterface.register(NAME, eager_mask)
