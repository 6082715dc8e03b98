"""What a view draws of attention, made small where the model is."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from scope_widgets import _kernels
from scope_widgets.models.microscope import Microscope
from scope_widgets.models.remote_dispatch import remotable
from scope_widgets.traces.attention_scoring import Scoring
from scope_widgets.traces.trace import Trace

Array = np.ndarray[Any, Any]


@remotable
def thumbnails(trace: Trace, size: int = 32) -> Array:
    """Draw the pattern of every head as a small picture, see `layer_thumbnails`; uint8 `[layer, head, row, column]`."""
    return np.stack([layer_thumbnails(trace.attention(layer), size) for layer in range(trace.n_layers)])


def layer_thumbnails(attention: Tensor, size: int = 32) -> Array:
    """Draw patterns `[head, query, key]` as small pictures, max-pooled; uint8 `[head, row, column]`, 0..1 as 0..255.

    What is not finite is drawn as 0 (positive infinity as 1): coarse pictures cannot show it.
    """
    attention = attention.detach().float()
    # A sum is NaN where any term is, and several times cheaper than asking each.
    if not bool(torch.isfinite(attention.sum())):
        attention = attention.nan_to_num(0.0, posinf=1.0, neginf=0.0)
    return _kernels.thumbnails(attention, size)


def thumbnail_steps(trace: Trace, size: int = 32) -> Generator[Any, None, Array]:
    """As `thumbnails`, of a trace on a server; yields the server's `JobStatus` meanwhile."""
    asked = (trace.scope, trace.token_ids.tolist(), size)
    pictures: Array = yield from trace.scope.far_steps(_thumbnails, asked, {})
    return pictures


def head_steps(trace: Trace, layer: int, head: int) -> Generator[Any, None, Tensor]:
    """Give the pattern `[query, key]` of one head of a trace on a server; yields the server's `JobStatus` meanwhile.

    Only the head's queries and keys travel; the pattern is computed here.
    """
    asked = (trace.scope, trace.token_ids.tolist(), layer, head)
    q, k, scoring = yield from trace.scope.far_steps(_queries_and_keys, asked, {})
    pattern: Tensor = scoring.attention(q, k)[0]
    return pattern


@remotable
def _thumbnails(scope: Microscope, ids: list[int], size: int) -> Array:
    return thumbnails(_narrow(scope, ids), size)


@remotable
def _queries_and_keys(scope: Microscope, ids: list[int], layer: int, head: int) -> tuple[Tensor, Tensor, Scoring]:
    """Give the queries and keys `[position, 1, d_head]` of one head, and how its scores are made of them."""
    trace = _narrow(scope, ids)
    key_head = head // (trace.n_heads // trace.n_kv_heads)
    return trace.q(layer)[:, head : head + 1], trace.k(layer)[:, key_head : key_head + 1], trace.scoring[layer]


def _narrow(scope: Microscope, ids: list[int]) -> Trace:
    """Record no more than patterns need."""
    return scope.trace(ids, capture=("q", "k"))
