"""Quantities of attention patterns that are not one number a head."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import Tensor

from scope_widgets import _kernels
from scope_widgets.heads.null_distribution import Patterns
from scope_widgets.heads.score import pattern
from scope_widgets.models.remote_dispatch import remotable
from scope_widgets.traces.trace import Trace

Array = np.ndarray[Any, Any]


@remotable
def entropy(trace: Trace, layer: int) -> Array:
    """Entropy of each query's attention in nats, `[head, query]`: 0 on one key, ln(q + 1) when spread evenly."""
    _one_prompt(trace)
    return _kernels.entropy_per_query(pattern(trace, layer))


@remotable
def top_attended(trace: Trace, layer: int, k: int = 5) -> tuple[Array, Array]:
    """Give the `k` most attended keys of each query, largest first.

    Returns
    -------
    positions : ndarray of int [head, query, k]
        -1 where a query sees fewer keys.
    weights : ndarray [head, query, k]
    """
    _one_prompt(trace)
    return _kernels.top_keys(pattern(trace, layer), k)


@remotable
def rollout(trace: Trace, *, residual: float = 0.5) -> Array:
    """Follow attention through all layers: the product of `residual * I + (1 - residual) * (mean over heads)`.

    Abnar and Zuidema 2020. It shows where attention could carry information, not what it did carry.

    Returns
    -------
    ndarray [query, key]
        Rows sum to 1; row q says which input positions the last layer's position q draws on.

    Raises
    ------
    ValueError
        When `residual` is not a share.
    """
    _one_prompt(trace)
    if not 0 <= residual <= 1:
        raise ValueError(f"residual= is the share that skips each layer, 0 to 1; got {residual}.")
    flow = np.eye(len(trace.tokens))
    for layer in range(trace.n_layers):
        flow = (residual * np.eye(len(flow)) + (1 - residual) * _mean_over_heads(pattern(trace, layer))) @ flow
    return flow


def _mean_over_heads(attention: Patterns) -> Array:
    if isinstance(attention, Tensor):
        return attention.mean(0).cpu().numpy().astype(np.float64)
    mean: Array = attention.mean(0, dtype=np.float64)
    return mean


def _one_prompt(trace: Trace) -> None:
    if trace.batched:
        raise ValueError(f"This looks at one prompt and the trace has {len(trace)}: choose one with trace[i].")
