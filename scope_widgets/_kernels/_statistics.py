"""Head statistics from attention: checks, one compiled pass, means."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from . import _checks
from ._compiled import statistics
from ._means import earlier_equal_tokens, inverse_log, means, visible_keys


def head_statistics(
    attention: NDArray[np.float32] | NDArray[np.float16],
    tokens: NDArray[np.int64],
    threads: int | None = None,
    *,
    window: int | None = None,
    chunk: int | None = None,
) -> dict[str, NDArray[np.float64]]:
    """Compute the statistics of every head's attention pattern in one pass over its causal entries.

    Parameters
    ----------
    attention
        [head, query, key], float32 or float16, C-contiguous, after the softmax, or a tensor on any device, which is
        read on it. Only keys <= query are read.
    tokens
        [query], int64 token ids.
    threads
        Number of threads; None: as many as the machine has and the work is worth. The result does not depend on it.
    window
        Number of keys that a query sees, its own the last (sliding-window attention). None: all up to its own.
    chunk
        Number of keys in a chunk: a query sees those of its own up to its own (chunked attention). None: no chunks.

    Returns
    -------
    dict
        One float64 array [head] per statistic; NaN where it is undefined (a single token, no repeated token).

        - entropy: mean over queries of -sum_k A ln A in nats, with 0 ln 0 = 0
        - normalised_entropy: mean over the queries that see several keys of the entropy divided by the logarithm of
          how many they see (ln(q + 1) where there is no window and no chunk)
        - previous_token: mean of A[q, q-1] over q >= 1 (Wang et al. 2022, appendix H)
        - current_token: mean of A[q, q]
        - first_token: mean of A[q, 0] over q >= 1; row 0 is trivially 1 and does not count
        - duplicate_token: mean, over the queries with an earlier equal token, of the attention to all such
          tokens (TransformerLens' head detector)
        - induction: the same for the positions right after such tokens (Olsson et al. 2022); where the token
          was repeated at once, that position is the query itself and counts
        - sparsity: share of the causal entries (key <= query) with A < 0.01

    Raises
    ------
    TypeError, ValueError
        When an array has the wrong type, shape or layout, or a head's attention is not finite.
    """
    attention = _checks.attention(attention)
    n_tokens = attention.shape[1]
    earlier = earlier_equal_tokens(_checks.tokens(tokens, n_tokens))
    n_visible = visible_keys(n_tokens, window, chunk)
    sums, _ = statistics.sum_rows(
        _checks.bits(attention), earlier, inverse_log(n_visible), _checks.BLOCK, _checks.threads(threads)
    )
    return means(sums.sum(axis=1), n_visible, earlier)


def entropy_per_query(
    attention: NDArray[np.float32] | NDArray[np.float16], threads: int | None = None
) -> NDArray[np.float32]:
    """Return the entropy of every attention row, -sum_k A ln A in nats with 0 ln 0 = 0.

    Parameters
    ----------
    attention
        [head, query, key], float32 or float16, C-contiguous, or a tensor on any device, which is read on it. Only
        keys <= query are read.
    threads
        Number of threads; None: as many as the machine has and the work is worth.

    Returns
    -------
    array
        [head, query] float32.

    Raises
    ------
    TypeError, ValueError
        When the array has the wrong type, shape or layout, or a head's attention is not finite.
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
