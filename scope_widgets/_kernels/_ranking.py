"""The most attended keys of every query."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from . import _checks
from ._compiled import ranking


def top_keys(
    attention: NDArray[np.float32] | NDArray[np.float16], k: int, threads: int | None = None
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Find the k keys that every query attends to most.

    Parameters
    ----------
    attention
        [head, query, key], float32 or float16, C-contiguous, or a tensor on any device, which is read on it. Only
        keys <= query are read.
    k
        Number of keys per query; meant to be small.
    threads
        Number of threads; None: as many as the machine has and the work is worth.

    Returns
    -------
    keys, weights
        [head, query, k], int32 and float32: the positions of the keys and the attention to them, descending,
        ties to the lower key. Query q has q + 1 keys: beyond them the key is -1 and the weight 0.

    Raises
    ------
    TypeError, ValueError
        When the array has the wrong type, shape or layout or is not finite, or k is below 1.
    """
    attention = _checks.attention(attention)
    _checks.at_least_one(k, "k", "keys wanted per query")
    keys, weights, not_finite = ranking.top_keys(_checks.bits(attention), k, _checks.BLOCK, _checks.threads(threads))
    _checks.all_finite(np.isfinite(not_finite.sum(axis=1)), "attention")
    return keys, weights
