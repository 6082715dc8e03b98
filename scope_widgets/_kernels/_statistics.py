"""Head statistics from attention: checks, one compiled pass, means."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from . import _checks
from ._compiled import statistics


def head_statistics(
    attention: NDArray[np.float32] | NDArray[np.float16],
    tokens: NDArray[np.int64],
    threads: int | None = None,
    *,
    window: int | None = None,
) -> dict[str, NDArray[np.float64]]:
    """Summarise every head's attention pattern in one pass over its causal cells.

    Parameters
    ----------
    attention
        [head, query, key], float32 or float16, C-contiguous, after the softmax, or a tensor on any device, which is
        read there. Only keys <= query are read.
    tokens
        [query], int64 token ids.
    threads
        Number of threads; None for as many as are there and worth it. The result does not depend on it.
    window
        Number of keys that a query sees, its own the last (sliding-window attention). None: all up to its own.

    Returns
    -------
    dict
        One float64 array [head] per statistic; NaN where it is undefined (a single token, no repeated token).

        - entropy: mean over queries of -sum_k A ln A in nats, with 0 ln 0 = 0
        - normalised_entropy: mean over queries q >= 1 of the entropy divided by ln(q + 1), or by the logarithm of
          the window where that is smaller
        - previous_token: mean of A[q, q-1] over q >= 1 (Wang et al. 2022, appendix H)
        - current_token: mean of A[q, q]
        - first_token: mean of A[q, 0] over q >= 1; row 0 is trivially 1 and does not count
        - duplicate_token: mean, over the queries with an earlier equal token, of the attention to all such
          tokens (TransformerLens' head detector)
        - induction: the same for the positions right after such tokens (Olsson et al. 2022); where the token
          was repeated at once, that position is the query itself and counts
        - sparsity: share of the causal cells (key <= query) with A < 0.01

    Raises
    ------
    TypeError, ValueError
        If an array has the wrong type, shape or layout, or a head's attention is not finite.
    """
    attention = _checks.attention(attention)
    n_tokens = attention.shape[1]
    earlier = earlier_equal_tokens(_checks.tokens(tokens, n_tokens))
    n_visible = visible_keys(n_tokens, window)
    sums, _ = statistics.sum_rows(
        _checks.bits(attention), earlier, inverse_log(n_visible), _checks.BLOCK, _checks.threads(threads)
    )
    return means(sums.sum(axis=1), n_visible, earlier)


def entropy_per_query(
    attention: NDArray[np.float32] | NDArray[np.float16], threads: int | None = None
) -> NDArray[np.float32]:
    """Entropy of every attention row, -sum_k A ln A in nats with 0 ln 0 = 0.

    Parameters
    ----------
    attention
        [head, query, key], float32 or float16, C-contiguous, or a tensor on any device, which is read there. Only
        keys <= query are read.
    threads
        Number of threads; None for as many as are there and worth it.

    Returns
    -------
    array
        [head, query] float32.

    Raises
    ------
    TypeError, ValueError
        If the array has the wrong type, shape or layout, or a head's attention is not finite.
    """
    attention = _checks.attention(attention)
    n_visible = np.arange(1, attention.shape[1] + 1)
    sums, entropies = statistics.sum_rows(
        _checks.bits(attention),
        earlier_equal_tokens(n_visible),  # all different: nothing repeats
        inverse_log(n_visible),
        _checks.BLOCK,
        _checks.threads(threads),
    )
    _checks.all_finite(np.isfinite(sums.sum(axis=1)[:, 0]), "attention")
    return entropies


def earlier_equal_tokens(tokens: NDArray[np.int64]) -> NDArray[np.int32]:
    """Index each query's earlier equal tokens: rows positions, start, count, each [query].

    Those of query q stand at positions[start[q] : start[q] + count[q]]: grouping the positions by token once
    makes each query's list a slice.
    """
    positions = np.argsort(tokens, kind="stable")
    ranks = np.arange(len(tokens))
    grouped = tokens[positions]
    is_new = np.concatenate([[True], grouped[1:] != grouped[:-1]])
    group_start = np.maximum.accumulate(np.where(is_new, ranks, 0))
    earlier = np.empty((3, len(tokens)), dtype=np.int32)
    earlier[0] = positions
    earlier[1, positions] = group_start
    earlier[2, positions] = ranks - group_start
    return earlier


def visible_keys(n_tokens: int, window: int | None) -> NDArray[np.int64]:
    """Count the keys that each query sees, [query]."""
    if window is not None and window < 1:
        raise ValueError(f"window is {window}, expected 1 or more, or None for all keys up to the query.")
    return np.minimum(np.arange(1, n_tokens + 1), window or n_tokens)


def inverse_log(n_visible: NDArray[np.int64]) -> NDArray[np.float64]:
    """1 / ln(number of visible keys) [query], 0 where only one is visible."""
    inverse = np.zeros(len(n_visible))
    inverse[n_visible > 1] = 1.0 / np.log(n_visible[n_visible > 1])
    return inverse


def means(
    sums: NDArray[np.float64],
    n_visible: NDArray[np.int64],
    earlier: NDArray[np.int32],
    source: str = "attention",
) -> dict[str, NDArray[np.float64]]:
    """Turn sums [head, statistic], in the order of head_sums.h, into the named means."""
    _checks.all_finite(np.isfinite(sums[:, 0]), source)  # a cell that is not finite spoils the entropy
    n_tokens = len(n_visible)
    n_repeats = int(np.count_nonzero(earlier[2]))
    counts: dict[str, int] = {
        "entropy": n_tokens,
        "normalised_entropy": int(np.count_nonzero(n_visible > 1)),
        "previous_token": n_tokens - 1,
        "current_token": n_tokens,
        "first_token": n_tokens - 1,
        "duplicate_token": n_repeats,
        "induction": n_repeats,
        "sparsity": n_tokens * (n_tokens + 1) // 2,
    }
    return {
        name: sums[:, column] / count if count else np.full(len(sums), np.nan)
        for column, (name, count) in enumerate(counts.items())
    }
