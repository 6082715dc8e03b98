"""Estimators of intrinsic dimension from sorted distances `[point, neighbour]`, each with its standard error.

T_j is the distance to the j-th neighbour.

| name | formula | source |
|---|---|---|
| mle | 1 / m = mean over j < k of ln(T_k / T_j), m pooled harmonically over points | Levina, Bickel; MacKay |
| twonn | (n - 1) / sum of ln(T_2 / T_1) | Facco et al. 2017 |
| gride | the d of most likelihood of mu = T_2i / T_i | Denti et al. 2021 |
"""

from __future__ import annotations

import math

import numpy as np
from scipy.optimize import brentq

from scope_widgets._types import Array

#: the likelihood is looked at between these dimensions: by `_check_spread` there is none above them
_RANGE = (1e-6, 1e17)
#: rounding of numbers that distances may differ by where they are equal
_ROUNDINGS = 16


def mle(distances: Array, k: int, rounding: float) -> tuple[float, float]:
    """Return the estimate of Levina and Bickel from k neighbours, and its standard error d / sqrt(n (k - 1)).

    Distances have a share of `rounding` that says nothing.
    """
    inverse = np.log(distances[:, k - 1 : k] / distances[:, : k - 1]).mean(1)
    return _of_mean(float(inverse.mean()), inverse.size * (k - 1), rounding)


def twonn(distances: Array, rounding: float) -> tuple[float, float]:
    """Return (n - 1) / sum ln(T_2 / T_1), and its standard error d / sqrt(n)."""
    logs = np.log(distances[:, 1] / distances[:, 0])
    n = len(logs)
    return _of_mean(float(logs.sum()) / (n - 1), n, rounding)


def gride(distances: Array, k: int, rounding: float) -> tuple[float, float]:
    """Return the dimension of most likelihood from T_k and T_(k / 2), and its standard error by Fisher information."""
    first = k // 2
    logs = np.log(distances[:, k - 1] / distances[:, first - 1])
    total, n, others = float(logs.sum()), len(logs), k - first - 1
    _check_spread(total / n, rounding)

    def slope(log_d: float) -> float:
        """Return d times the derivative of the log-likelihood by d."""
        d = math.exp(log_d)
        return n + others * float(_scaled(logs * d).sum()) - d * first * total

    d = math.exp(brentq(slope, *map(math.log, _RANGE), xtol=1e-13, rtol=1e-13))
    scaled = np.minimum(logs * d, 700.0)
    # (x / 2 sinh(x / 2))^2 of x = d ln mu, 1 at 0
    half = np.where(scaled > 0, scaled / 2, 1.0)
    bends = np.where(scaled > 0, (half / np.sinh(half)) ** 2, 1.0)
    return d, d / math.sqrt(n + others * float(bends.sum()))


def _scaled(x: Array) -> Array:
    """Return x / (e^x - 1), 1 at 0."""
    some = np.where(x > 0, np.minimum(x, 700.0), 1.0)
    return np.where(x > 0, some / np.expm1(some), 1.0)


def rounding_of(x: Array, distances: Array) -> float:
    """Return the share of a distance that is rounding of the numbers of `x`."""
    return float(np.finfo(x.dtype).eps) * max(1.0, float(np.abs(x).max()) / float(np.median(distances)))


def _of_mean(mean: float, n: int, rounding: float) -> tuple[float, float]:
    _check_spread(mean, rounding)
    return 1 / mean, 1 / (mean * math.sqrt(n))


def _check_spread(mean: float, rounding: float) -> None:
    if not mean > _ROUNDINGS * rounding:
        raise ValueError(
            "The neighbours of every point are equally far but for rounding, as on a grid: no dimension can be "
            "estimated. Give rows as they were measured, not rounded to whole numbers."
        )
