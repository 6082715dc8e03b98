"""P values corrected for how many tests were made."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from scope_widgets._aliases import former_options
from scope_widgets._check_choice import check_choice
from scope_widgets._types import Array

#: how p values are corrected; see `correct`
Correction = Literal["bonferroni", "holm", "bh", "by"]


@former_options("method")
def correct(p: ArrayLike, *, method: Correction = "holm") -> Array:
    """Return p values corrected for their number.

    Parameters
    ----------
    p : array of any shape
        NaN is a test that could not be made: it stays NaN and does not count.
    method : {"bonferroni", "holm", "bh", "by"}, default "holm"
        The first two keep the chance of any false finding at the level, whatever the tests' dependence (Holm's is never
        the weaker); the others the expected share of false findings: Benjamini-Hochberg for tests that are independent
        or positively dependent, Benjamini-Yekutieli for any.

    Returns
    -------
    ndarray of float64 of the shape of `p`
        To be compared with the level itself: found where the corrected p is below it.

    Raises
    ------
    ValueError
        For another method, or a number that is no p value.

    Examples
    --------
    >>> heads.correct([0.01, 0.04, 0.03]).round(3).tolist()
    [0.03, 0.06, 0.06]
    """
    check_choice("method", method, Correction)
    values = np.asarray(p, dtype=np.float64)
    counted = ~np.isnan(values)
    given = values[counted]
    if ((given < 0) | (given > 1)).any():
        raise ValueError(f"P values are 0 to 1; got {given[(given < 0) | (given > 1)][0]:g}.")
    corrected = np.full(values.shape, np.nan)
    if given.size:
        corrected[counted] = _corrected(given, method)
    return corrected


def _corrected(p: Array, method: Correction) -> Array:
    corrected: Array
    if method == "bonferroni":
        corrected = np.minimum(p * len(p), 1)
    elif method == "holm":
        order = np.argsort(p, kind="stable")
        steps = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
        corrected = np.minimum(steps, 1)[np.argsort(order)]
    else:
        from scipy.stats import false_discovery_control

        corrected = false_discovery_control(p, method=method)
    return corrected
