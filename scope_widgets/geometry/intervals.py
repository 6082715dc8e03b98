"""Standard errors of means over rows of which some may be of one prompt."""

from __future__ import annotations

import math

import numpy as np

from scope_widgets._types import Array
from scope_widgets.experiments.statistics.half_width import HALF_WIDTH


def error_of_mean(values: Array, groups: Array | None) -> float:
    """Return the standard error of the mean of `values` [row]; rows of a group are one draw. NaN of one draw.

    Of groups: the root of n_groups / (n_groups - 1) times the sum over groups of (sum of their deviations)^2, over n.
    """
    away = values - values.mean()
    if groups is not None:
        away = np.bincount(groups, away)
    n = len(away)
    return math.sqrt(n / (n - 1) * float((away**2).sum())) / len(values) if n > 1 else math.nan


def mean_with_interval(values: Array, groups: Array | None) -> tuple[float, float, float]:
    """Return the mean, low and high, a 95 % interval."""
    mean, half = float(values.mean()), HALF_WIDTH * error_of_mean(values, groups)
    return mean, mean - half, mean + half


def around(value: float, influence: Array, groups: Array | None) -> Array:
    """Return value, low and high, a 95 % interval, from what each row does to the value in first order."""
    half = HALF_WIDTH * error_of_mean(influence, groups)
    return np.array([value, value - half, value + half])
