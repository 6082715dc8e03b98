"""Shared by both implementations: which tokens repeat, how many keys are visible, and means of sums."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from . import _checks


def earlier_equal_tokens(tokens: NDArray[np.int64]) -> NDArray[np.int32]:
    """Return an index of each query's earlier equal tokens: rows positions, start, count, each [query].

    Those of query q are positions[start[q] : start[q] + count[q]]: grouping the positions by token once
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


def visible_keys(n_tokens: int, window: int | None, chunk: int | None = None) -> NDArray[np.int64]:
    """Return how many keys each query sees, [query]."""
    for name, size in (("window", window), ("chunk", chunk)):
        if size is not None and size < 1:
            raise ValueError(f"{name} is {size}, expected 1 or more, or None for all keys up to the query.")
    return np.minimum(np.arange(n_tokens) % (chunk or n_tokens) + 1, window or n_tokens)


def inverse_log(n_visible: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return 1 / ln(number of visible keys) [query], 0 where only one is visible."""
    inverse = np.zeros(len(n_visible))
    inverse[n_visible > 1] = 1.0 / np.log(n_visible[n_visible > 1])
    return inverse


def means(
    sums: NDArray[np.float64],
    n_visible: NDArray[np.int64],
    earlier: NDArray[np.int32],
    source: str = "attention",
) -> dict[str, NDArray[np.float64]]:
    """Return the named means of sums [head, statistic], which are in the order of head_sums.h."""
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
