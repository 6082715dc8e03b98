"""Means of values that are drawn again: the weights of each draw, and the interval of a mean."""

from __future__ import annotations

from typing import Final

import numpy as np

from scope_widgets._types import Array

DRAWS: Final = 2000


def bootstrap_weights(n: int, seed: int, draws: int = DRAWS) -> Array:
    """Return the weights of `n` values in so many bootstrap samples, `[draw, value]`; of each they are 1 together."""
    weights: Array = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=draws) / n
    return weights


def bootstrap_interval(values: Array, seed: int) -> tuple[float, float]:
    """Return the 95 % interval of the mean of `values` `[n]`, by the percentiles of 2,000 bootstrap means.

    NaN with fewer than two values.
    """
    n = len(values)
    if n < 2:
        return float("nan"), float("nan")
    low, high = np.percentile(bootstrap_weights(n, seed) @ values, [2.5, 97.5])
    return float(low), float(high)
