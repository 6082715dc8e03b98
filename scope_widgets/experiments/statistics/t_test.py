"""Student's t-test in NumPy alone: analyses run on servers that have no SciPy."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np

from scope_widgets._types import Array

#: terms of the continued fraction: exact in double precision up to ten thousand values
_STEPS = 300


def t_test(values: Array, alternative: Literal["two-sided", "greater"] = "two-sided") -> Array:
    """Return p of a mean of 0 over the last axis, as `scipy.stats.ttest_1samp`.

    NaN where nothing varies and nothing differs from 0, or with one value.
    """
    n = values.shape[-1]
    with np.errstate(divide="ignore", invalid="ignore"):
        t = values.mean(-1) / (values.std(-1, ddof=1) / np.sqrt(n))
    both = np.array([two_sided(float(one), n - 1) for one in np.ravel(t)]).reshape(t.shape)
    if alternative == "two-sided":
        return both
    return np.where(t > 0, both / 2, 1 - both / 2)


def chance(values: Array) -> Array:
    """Two-sided p of a mean of 0 over the last axis; 1 where nothing varies and nothing differs from 0.

    NaN where a value is.
    """
    p, mean = t_test(values), values.mean(-1)
    return np.where(np.isnan(p) & ~np.isnan(mean), np.where(mean == 0, 1.0, 0.0), p)


def two_sided(t: float, freedom: int) -> float:
    """Return the probability of |T| > |t|, `I_x(freedom / 2, 1 / 2)` at `x = freedom / (freedom + t**2)`."""
    if math.isnan(t) or freedom < 1:
        return math.nan
    if math.isinf(t):
        return 0.0
    return _incomplete_beta(freedom / 2, 0.5, freedom / (freedom + t * t), t * t / (freedom + t * t))


def _incomplete_beta(a: float, b: float, x: float, rest: float) -> float:
    """Return the regularised incomplete beta function at `x`, with `rest` as 1 - x (Abramowitz and Stegun 26.5.8)."""
    if x <= 0 or rest <= 0:
        return 0.0 if x <= 0 else 1.0
    if x > (a + 1) / (a + b + 2):  # the fraction converges quickly on the other side
        return 1 - _incomplete_beta(b, a, rest, x)
    front = math.exp(math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log(rest)) / a
    below = 1.0
    for step in range(_STEPS, 0, -1):  # from the end of 1 / (1 + d1 / (1 + d2 / ...))
        m = step // 2
        if step % 2:
            term = -(a + m) * (a + b + m) / ((a + 2 * m) * (a + 2 * m + 1))
        else:
            term = m * (b - m) / ((a + 2 * m - 1) * (a + 2 * m))
        below = 1 + term * x / below
    return front / below
