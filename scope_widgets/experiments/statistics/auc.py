"""The area under the ROC curve, and its interval."""

from __future__ import annotations

import numpy as np

from scope_widgets._types import Array
from scope_widgets.experiments.statistics.half_width import HALF_WIDTH


def auc(scores: Array, truth: Array) -> Array:
    """Return the share of pairs of two classes in which that of the second has the higher score; ties are halves.

    Parameters
    ----------
    scores : ndarray [..., row]
        What differs by less than 1e-9 of the largest is a tie, which rounding would decide else.
    truth : ndarray of bool [..., row]

    Returns
    -------
    ndarray [...]
        NaN where a class is empty.
    """
    from scipy.stats import rankdata

    scores, truth = np.asarray(scores, dtype=np.float64), np.asarray(truth, dtype=bool)
    largest = np.abs(scores).max(-1, keepdims=True)
    ranks = rankdata(np.round(scores / np.where(largest > 0, largest, 1), 9), axis=-1)
    ranks, truth = np.broadcast_arrays(ranks, truth)  # not before: many labels of the same scores rank once
    positive = truth.sum(-1)
    negative = truth.shape[-1] - positive
    pairs = positive * negative
    above = np.where(truth, ranks, 0).sum(-1) - positive * (positive + 1) / 2
    found: Array = np.where(pairs > 0, above / np.where(pairs > 0, pairs, 1), np.nan)
    return found


def auc_interval(value: float, positive: int, negative: int) -> tuple[float, float]:
    """Return the 95 % interval of an AUC of so many independent rows of each class.

    It is not empty where the classes are told apart perfectly, as intervals by resampling are there.

    References
    ----------
    Newcombe 2006 (Statistics in Medicine 25), method 5: the values from which the observed one is 1.96 standard errors
    away, by Hanley and McNeil's variance with the mean of both sizes.
    """
    more = (positive + negative) / 2 - 1

    def away(true: float) -> float:
        """Return how far the observed value is from a true one, in standard errors, squared, above 1.96."""
        variance = true * (1 - true) * (1 + more * (1 - true) / (2 - true) + more * true / (1 + true))
        return (value - true) ** 2 - HALF_WIDTH**2 * variance / (positive * negative)

    return _edge(away, value, 0.0), _edge(away, value, 1.0)


def _edge(away: object, inside: float, outside: float) -> float:
    """Return where a function changes its sign between a value inside of the interval and the end of the scale."""
    assert callable(away)
    for _ in range(60):
        middle = (inside + outside) / 2
        if away(middle) <= 0:
            inside = middle
        else:
            outside = middle
    return inside
