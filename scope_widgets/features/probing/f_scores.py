"""Which columns tell two classes apart."""

from __future__ import annotations

import numpy as np

from scope_widgets._types import Array


def f_scores(sums: Array, squares: Array, counts: Array) -> Array:
    """Return the F of the analysis of variance of each column between two classes, 0 where a column does not vary.

    Parameters
    ----------
    sums, squares : ndarray [2, column]
        Sums of the values and of their squares, of each class.
    counts : ndarray [2]
    """
    means = sums / counts[:, None]
    within = np.maximum((squares - sums * means).sum(0), 0)
    between = np.square(means[1] - means[0]) * counts.prod() / counts.sum()
    # a column that is constant in each class, up to rounding, tells them apart perfectly
    least = 1e-12 * (squares.sum(0) + 1e-300)
    found: Array = between * (counts.sum() - 2) / np.maximum(within, least)
    return np.where(between > least, found, 0.0)
