"""Attention patterns as small pictures, and single patterns, made beside the model for a view."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from scope_widgets import _kernels
from scope_widgets._job import JobStatus, Steps
from scope_widgets.models.remote_dispatch import remotable, stepwise
from scope_widgets.traces.attention_scoring import AttentionScoring
from scope_widgets.traces.trace import Trace

Array = np.ndarray[Any, Any]


@stepwise
def thumbnails(trace: Trace, size: int = 32) -> Steps[Array]:
    """Draw the pattern of every head as a small picture, see `layer_thumbnails`; a step a layer.

    Returns
    -------
    ndarray of uint8 [layer, head, row, column]
        Black in layers without attention.
        The status of each step carries that of its layer.
    """
    pictures: list[Array] = []
    for layer in range(trace.n_layers):
        attends = trace.attends(layer)
        pictures.append(layer_thumbnails(trace.attention(layer), size) if attends else _black(trace.n_heads, size))
        yield JobStatus("running", "thumbnails", layer + 1, trace.n_layers, partial=pictures[-1])
    return np.stack(pictures)


def _black(n_heads: int, size: int) -> Array:
    return np.zeros((n_heads, size, size), dtype=np.uint8)


def layer_thumbnails(attention: Tensor, size: int = 32) -> Array:
    """Draw patterns `[head, query, key]` as small pictures, max-pooled; uint8 `[head, row, column]`, 0..1 as 0..255.

    What is not finite is drawn as 0 (positive infinity as 1): coarse pictures cannot show it.
    """
    attention = attention.detach().float()
    # A sum is NaN where any term is, and several times cheaper than asking each.
    if not bool(torch.isfinite(attention.sum())):
        attention = attention.nan_to_num(0.0, posinf=1.0, neginf=0.0)
    return _kernels.thumbnails(attention, size)


@dataclass(frozen=True, eq=False)
class HeadPattern:
    """The pattern of one head, as it was recorded or as the queries and keys that it is made of.

    These are smaller than the pattern, so they are what travels.
    """

    recorded: Tensor | None
    q: Tensor | None = None
    k: Tensor | None = None
    scoring: AttentionScoring | None = None

    def attention(self) -> Tensor:
        """Return the pattern `[query, key]`."""
        if self.recorded is not None:
            return self.recorded
        assert self.q is not None
        assert self.k is not None
        assert self.scoring is not None
        pattern: Tensor = self.scoring.attention(self.q, self.k)[0]
        return pattern


@remotable
def head_pattern(trace: Trace, layer: int, head: int) -> HeadPattern:
    """Return the pattern of one head of a trace.

    Parameters
    ----------
    trace : Trace
        Of one prompt, with "attention", or "q" and "k".
    layer, head : int
    """
    if "attention" in trace.values:
        return HeadPattern(trace.attention(layer)[head])
    q, k = trace.queries_and_keys(layer, head)
    return HeadPattern(None, q, k, trace.scoring[layer].of_head(head))
