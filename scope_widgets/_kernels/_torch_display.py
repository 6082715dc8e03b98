"""Attention made small by torch, on its device; each function takes and returns what its compiled namesake does."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from . import _checks
from ._torch_statistics import all_finite, as_attention, as_tensor, causal_blocks, sum_dtype

Array = NDArray[Any]


def thumbnails(attention: Array | Tensor, size: int = 32, threads: int | None = None) -> NDArray[np.uint8]:
    """Return small pictures of every head's attention, max-pooled; see `_display.thumbnails`."""
    entries = as_attention(attention)
    _checks.at_least_one(size, "size", "rows and columns of a picture")
    _checks.threads(threads)
    _checks.all_finite(all_finite(entries), "attention")
    n_tokens = entries.shape[1]
    size = min(size, n_tokens)
    bands = list(pairwise(i * n_tokens // size for i in range(size + 1)))
    rows = torch.stack([entries[:, first:last].amax(1) for first, last in bands], dim=1)
    return _to_levels(torch.stack([rows[..., first:last].amax(2) for first, last in bands], dim=2), 1.0)


def pack_triangle(matrix: Array | Tensor, scale: float | None = None) -> tuple[NDArray[np.uint8], float]:
    """Return the lower triangle of one head's attention in 256 levels, row by row; see `_display.pack_triangle`."""
    entries = as_tensor(matrix, "matrix", ("query", "key"), _checks.FLOATS)
    _checks.square(tuple(entries.shape), "matrix")
    _checks.positive_scale(scale)
    triangle = entries[torch.ones_like(entries, dtype=torch.bool).tril()]
    lowest, highest = triangle.aminmax()
    _checks.finite_maximum(float(highest))
    _checks.finite_maximum(float(lowest))
    scale = max(float(highest), 0.0) if scale is None else float(scale)
    return _to_levels(triangle, scale), scale


def top_keys(
    attention: Array | Tensor, k: int, threads: int | None = None
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Find the k keys that every query attends to most; see `_ranking.top_keys`."""
    entries = as_attention(attention)
    _checks.at_least_one(k, "k", "keys wanted per query")
    _checks.threads(threads)
    n_heads, n_tokens, _ = entries.shape
    keys = np.full((n_heads, n_tokens, k), -1, dtype=np.int32)
    weights = np.zeros((n_heads, n_tokens, k), dtype=np.float32)
    finite = np.ones(n_heads, dtype=bool)
    for first, block in causal_blocks(entries):
        finite &= all_finite(block)
        last = block.shape[2]
        later = torch.ones_like(block[0], dtype=torch.bool).triu(first + 1)
        # stable, so that the lower of two equal keys comes first, which topk does not promise
        values, order = block.masked_fill_(later, -torch.inf).sort(dim=2, descending=True, stable=True)
        values, order = values[..., :k], order[..., :k]
        none = values.isneginf()
        keys[:, first:last, : order.shape[2]] = order.int().masked_fill_(none, -1).cpu().numpy()
        weights[:, first:last, : order.shape[2]] = values.masked_fill(none, 0.0).cpu().numpy()
    _checks.all_finite(finite, "attention")
    return keys, weights


def _to_levels(entries: Tensor, scale: float) -> NDArray[np.uint8]:
    """Return 0..scale as 0..255, rounded half up."""
    share = entries.to(sum_dtype(entries.device)) * (1.0 / scale if scale > 0 else 0.0)
    levels: NDArray[np.uint8] = (share.clamp_(0.0, 1.0) * 255.0 + 0.5).to(torch.uint8).cpu().numpy()
    return levels
