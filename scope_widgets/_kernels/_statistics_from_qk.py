"""Head statistics from queries and keys: attention is never held."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from . import _checks
from ._compiled import statistics
from ._means import earlier_equal_tokens, inverse_log, means, visible_keys


def head_statistics_from_qk(
    q: NDArray[np.float32],
    k: NDArray[np.float32],
    tokens: NDArray[np.int64],
    *,
    scaling: float,
    window: int | None = None,
    softcap: float | None = None,
    threads: int | None = None,
) -> dict[str, NDArray[np.float64]]:
    """Compute `head_statistics` of causal attention from its queries and keys.

    A few rows of scores are held at a time, never a [query, key] matrix: for prompts whose attention does not
    fit into memory.

    Parameters
    ----------
    q
        [head, query, d_head] float32, as they enter the scores (after rotary embedding, query norm, ...); array or
        tensor, and then the statistics are computed on its device.
    k
        [kv_head, key, d_head] float32; head h reads kv_head h // (n_heads // n_kv_heads).
    tokens
        [query], int64 token ids.
    scaling
        What the products q k are multiplied by, mostly 1 / sqrt(d_head).
    window
        Number of keys that a query sees, its own the last (sliding-window attention). None: all up to its own.
    softcap
        Scores s become softcap * tanh(s / softcap), after the scaling. None: they stay.
    threads
        Number of threads; None: as many as the machine has and the work is worth. The result does not depend on it.

    Returns
    -------
    dict
        As `head_statistics`. With a window, keys that a query does not see count as entries of attention 0.

    Raises
    ------
    TypeError, ValueError
        When an array has the wrong type or shape, a head's scores are not finite, or a number is out of range.
    """
    q = _checks.array(q, "q", ("head", "query", "d_head"), (np.float32,), contiguous=False)
    k = _checks.array(k, "k", ("kv_head", "key", "d_head"), (np.float32,), contiguous=False)
    _checks.queries_and_keys(q.shape, k.shape, scaling, softcap)
    n_tokens = q.shape[1]
    n_visible = visible_keys(n_tokens, window)
    earlier = earlier_equal_tokens(_checks.tokens(tokens, n_tokens))
    sums = statistics.sum_scored_queries(
        np.ascontiguousarray(q),
        _panels(k),
        scaling,
        int(n_visible[-1]),
        softcap or 0.0,
        earlier,
        inverse_log(n_visible),
        _checks.threads(threads),
    )
    return means(sums.sum(axis=1), n_visible, earlier, "the product of q and k")


def _panels(k: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return k [kv_head, key, d_head] as [kv_head, panel, d_head, key of the panel], the last panel filled with 0."""
    n_kv_heads, n_keys, d_head = k.shape
    width = statistics.KEYS_PER_PANEL
    n_panels = -(-n_keys // width)
    panels = np.zeros((n_kv_heads, n_panels, d_head, width), dtype=np.float32)
    whole = n_keys // width
    panels[:, :whole] = k[:, : whole * width].reshape(n_kv_heads, whole, width, d_head).swapaxes(2, 3)
    if whole < n_panels:
        panels[:, whole, :, : n_keys - whole * width] = k[:, whole * width :].swapaxes(1, 2)
    return panels
