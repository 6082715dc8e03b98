"""P values of many tests at once."""

from __future__ import annotations

from typing import Any

import numpy as np

#: names that `correct` knows
METHODS = ("bonferroni", "holm", "bh", "by")


def correct(p: Any, method: str = "holm") -> np.ndarray[Any, Any]:
    """Correct p values for how many there are.

    Parameters
    ----------
    p : array of any shape
        NaN is a test that could not be made: it stays NaN and does not count.
    method : {"bonferroni", "holm", "bh", "by"}
        The first two keep the chance of any false finding at the level they are held against, whatever the tests'
        dependence (Holm's is never the weaker); the others the expected share of false findings: Benjamini-Hochberg
        for tests that are independent or positively dependent, Benjamini-Yekutieli for any.

    Returns
    -------
    ndarray of the shape of `p`
        To be held against the level itself: found where the corrected p is below it.

    Raises
    ------
    ValueError
        For another method, or a number that is no p value.
    """
    if method not in METHODS:
        raise ValueError(f"The correction is one of {', '.join(METHODS)}; got {method!r}.")
    p = np.asarray(p, dtype=np.float64)
    counted = ~np.isnan(p)
    given = p[counted]
    if ((given < 0) | (given > 1)).any():
        raise ValueError(f"P values are 0 to 1; got {given[(given < 0) | (given > 1)][0]:g}.")
    corrected = np.full(p.shape, np.nan)
    if given.size:
        corrected[counted] = _corrected(given, method)
    return corrected


def _corrected(p: np.ndarray[Any, Any], method: str) -> Any:
    if method == "bonferroni":
        return np.minimum(p * len(p), 1)
    if method == "holm":
        order = np.argsort(p)
        steps = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
        return np.minimum(steps, 1)[np.argsort(order)]
    from scipy.stats import false_discovery_control

    return false_discovery_control(p, method=method)
