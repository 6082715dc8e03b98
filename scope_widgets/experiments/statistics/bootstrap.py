"""The interval of a mean by drawing its values again."""

from __future__ import annotations

import numpy as np

from scope_widgets._types import Array

_DRAWS = 2000


def bootstrap_interval(values: Array, seed: int) -> tuple[float, float]:
    """Return the 95 % interval of the mean of `values` `[n]`, by the percentiles of 2,000 bootstrap means.

    NaN with fewer than two values.
    """
    n = len(values)
    if n < 2:
        return float("nan"), float("nan")
    weights = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=_DRAWS) / n
    low, high = np.percentile(weights @ values, [2.5, 97.5])
    return float(low), float(high)
