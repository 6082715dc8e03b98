"""Null distributions of the statistics: what a head would score that attends without regard to what they measure."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from scope_widgets import _kernels
from scope_widgets._types import Array
from scope_widgets.experiments.statistics.rounding import noise_floor

#: [head, query, key]: an array, or a tensor where the compiled kernels do not reach
Patterns = Array | Tensor

#: weights of a mean whose errors may add up
_TERMS = 4

#: statistics whose null shuffles the tokens over the positions
SHUFFLED_TOKENS = ("duplicate_token", "induction")
#: statistics whose null draws each query's key among those that it sees, with the first query that counts
RANDOM_KEY = {"previous_token": 1, "current_token": 0, "first_token": 1}


def shuffled_token_draws(
    attention: Patterns,
    tokens: Array,
    draws: int,
    rng: np.random.Generator,
    window: int | None = None,
    chunk: int | None = None,
) -> dict[str, Array]:
    """Return scores `[draw, head]` of the same patterns `[head, query, key]` with the tokens in random order."""
    if len(np.unique(tokens)) == len(tokens):
        undefined = np.full((draws, len(attention)), np.nan)
        return dict.fromkeys(SHUFFLED_TOKENS, undefined)
    if isinstance(attention, Tensor):  # reads the entries that count: there is no pass over all of them to share
        scored = [_kernels.repetition_statistics(attention, rng.permutation(tokens)) for _ in range(draws)]
    else:
        scored = [
            _kernels.head_statistics(attention, rng.permutation(tokens), window=window, chunk=chunk)
            for _ in range(draws)
        ]
    return {name: np.stack([one[name] for one in scored]) for name in SHUFFLED_TOKENS}


def random_key_draws(
    attention: Patterns,
    draws: int,
    rng: np.random.Generator,
    window: int | None = None,
    chunk: int | None = None,
) -> dict[str, Array]:
    """Return scores `[draw, head]` of patterns `[head, query, key]` at random keys, for each of `RANDOM_KEY`."""
    queries = np.arange(attention.shape[1])
    return {
        name: at_random_keys(attention, queries[start:], draws, rng, window, chunk)
        for name, start in RANDOM_KEY.items()
    }


def at_random_keys(
    attention: Patterns,
    queries: Array,
    draws: int,
    rng: np.random.Generator,
    window: int | None = None,
    chunk: int | None = None,
) -> Array:
    """Return the mean attention `[draw, head]` of the queries to keys drawn uniformly among those that each sees."""
    first = queries + 1 - _kernels.visible_keys(len(attention[0]), window, chunk)[queries]
    keys = rng.integers(first, queries + 1, size=(draws, len(queries)))
    if isinstance(attention, Tensor):  # all draws at once: only their means travel
        return _kernels.cell_means(attention, queries, keys).T
    return np.stack([_kernels.cell_means(attention, queries, row) for row in keys])


def shared_p(observed: Array, draws: Array) -> Array:
    """Return the share of `draws` `[draw, ...]` that reach `observed`, itself counted too; NaN where undefined."""
    # float32 sums of equal weights may differ in the last digits: a tie is a draw that reaches the score
    reached = (draws >= observed - noise_floor(torch.float32, 1.0, _TERMS)).sum(0)
    return np.where(np.isfinite(observed) & np.isfinite(draws).all(0), (1 + reached) / (1 + len(draws)), np.nan)
