"""One attention function for every family, which shows what happens inside it.

Registered with transformers under `NAME`, it computes what "eager" computes and hands every quantity on its way to the
hook of the running thread, which may replace it: reading and changing attention needs no code of the architecture.
Families that compute attention without transformers' interface are shown by `models/attention/own_attention_code.py`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.masking_utils import eager_mask

from scope_widgets.models.guards.restore_on_exit import putting_back, with_block

NAME = "scope_widgets"

#: (site, attention module, value) -> the value to go on with; sites are those of ATTENTION_SITES, and "mask", what is
#: added to the scores: [1 or batch, 1 or head, query, key]
AttentionHook = Callable[[str, torch.nn.Module, Tensor], Tensor]

#: called with each attention module and how it makes scores: "scaling", "softcap", "window" as far as the module says
#: it, "mask" as the hook sees it, and "sinks" [head]
ScoringHook = Callable[[torch.nn.Module, dict[str, Any]], None]

#: quantities inside an attention function that a hook sees:
#: q [batch, head, query, d_head], k and v [batch, kv_head, key, d_head], both after rotary embedding;
#: scores [batch, head, query, key] with the mask added; attention the same after softmax, in float32 at least, without
#: the column of a sink; z [batch, query, head, d_head]
ATTENTION_SITES = ("q", "k", "v", "scores", "attention", "z")

_running = threading.local()


def uses_attention_interface(model: Any) -> bool:
    """Whether the model computes attention through transformers' interface (most families)."""
    return bool(getattr(model, "_can_set_attn_implementation", lambda: False)())


@with_block
def active_hook(hook: AttentionHook, scoring_hook: ScoringHook | None = None) -> Iterator[None]:
    """Make `hook` the one that the attention function of this package calls in this thread.

    A hook that is active already is called first: what it changes is what this one sees.
    """
    before = getattr(_running, "hooks", None)
    if before is not None:
        outer, own = before[0], hook

        def hook(site: str, module: torch.nn.Module, value: Tensor) -> Tensor:
            return own(site, module, outer(site, module, value))

    with putting_back() as back:
        back.later_here(setattr, _running, "hooks", before)
        _running.hooks = (hook, scoring_hook)
        yield


def running_hooks() -> tuple[AttentionHook, ScoringHook | None] | None:
    """Return the hooks that are active in this thread."""
    return getattr(_running, "hooks", None)


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
    sinks: Tensor | None = None,
    position_bias: Tensor | None = None,
    **_: Any,
) -> tuple[Tensor, Tensor]:
    """Compute attention as transformers' eager functions do, and call the active hook with each quantity.

    Parameters
    ----------
    query : [batch, head, query, d_head]
    key, value : [batch, kv_head, key, d_head]
    attention_mask : [batch, 1, query, key]
        Added to the scores; None: causal where the module is.
    s_aux, sinks : [head], or [batch, head, query, 1]
        The score of a sink: one key more, which has no value.
    position_bias : [batch, head, query, key]
        Added to the scores.

    Returns
    -------
    z : [batch, query, head, d_head]
    weights : [batch, head, query, key]
    """
    hook, scoring_hook = running_hooks() or (_unchanged, None)
    scale = query.shape[-1] ** -0.5 if scaling is None else float(scaling)
    sink = sinks if s_aux is None else s_aux
    query, key, value = hook("q", module, query), hook("k", module, key), hook("v", module, value)
    mask = _additive(module, attention_mask, query, key)
    if position_bias is not None:
        mask = mask + position_bias
    mask = hook("mask", module, mask)
    if scoring_hook is not None:
        scoring = {"scaling": scale, "softcap": softcap, "window": sliding_window, "mask": mask, "sinks": sink}
        scoring_hook(module, scoring)
    weights = weigh(hook, module, query, key, mask, scale, softcap, sink).to(value.dtype)
    weights = torch.nn.functional.dropout(weights, p=dropout, training=module.training)
    z = mix(weights, value).transpose(1, 2).contiguous()
    return hook("z", module, z), weights


def weigh(
    hook: AttentionHook,
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    mask: Tensor,
    scale: float,
    softcap: float | None = None,
    sink: Tensor | None = None,
) -> Tensor:
    """Return attention weights `[batch, head, query, key]`, showing scores and weights to a hook."""
    scores = torch.matmul(query, _repeat(key, query.shape[1] // key.shape[1]).transpose(2, 3)) * scale
    if softcap is not None:
        scores = torch.tanh(scores / softcap) * softcap
    scores = hook("scores", module, scores + mask[..., : key.shape[-2]])
    if sink is None:
        return hook("attention", module, torch.softmax(scores, dim=-1, dtype=torch.float32))
    sink = (sink.reshape(1, -1, 1, 1) if sink.ndim == 1 else sink).expand(*scores.shape[:-1], 1)
    weights = torch.softmax(torch.cat([scores, sink.to(scores.dtype)], dim=-1), dim=-1, dtype=torch.float32)
    return hook("attention", module, weights[..., :-1])


def mix(weights: Tensor, value: Tensor) -> Tensor:
    """Return what each head reads, `[batch, head, query, d_head]`."""
    return torch.matmul(weights, _repeat(value, weights.shape[1] // value.shape[1]))


def _additive(module: torch.nn.Module, mask: Tensor | None, query: Tensor, key: Tensor) -> Tensor:
    """Return the mask as it is added to scores."""
    if mask is None:
        size = query.shape[2], key.shape[2]
        mask = torch.ones(1, 1, *size, dtype=torch.bool, device=query.device)
        if getattr(module, "is_causal", True):  # then it was made for a function that is causal by itself
            mask = mask.tril(size[1] - size[0])
    if mask.dtype != torch.bool:
        return mask
    return torch.zeros(mask.shape, dtype=query.dtype, device=mask.device).masked_fill_(~mask, -torch.inf)


def _repeat(heads: Tensor, group: int) -> Tensor:
    return heads if group == 1 else heads.repeat_interleave(group, dim=1)


def unregister() -> None:
    """Remove this function from transformers, on a machine where this package is only for the length of a request."""
    AttentionInterface._global_mapping.pop(NAME, None)
    AttentionMaskInterface._global_mapping.pop(NAME, None)


AttentionInterface.register(NAME, attention)
AttentionMaskInterface.register(NAME, eager_mask)
