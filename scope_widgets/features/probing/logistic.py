"""Logistic regression with a penalty, and which columns tell two classes apart."""

from __future__ import annotations

import numpy as np

from scope_widgets._types import Array


def fit(x: Array, y: Array, penalty: float = 1.0) -> tuple[Array, float]:
    """Return the weights and the bias that make `sum log(1 + exp(-s (x w + b))) + penalty |w|^2 / 2` least, s = +-1.

    Parameters
    ----------
    x : ndarray [row, column]
    y : ndarray of bool [row]
    penalty : float, default 1.0
    """
    from scipy.optimize import minimize

    x, sign = x.astype(np.float64), np.where(y, 1.0, -1.0)

    def loss(weights: Array) -> tuple[float, Array]:
        margin = sign * (x @ weights[:-1] + weights[-1])
        slope = -sign / (1 + np.exp(np.clip(margin, -500, 500)))
        value = np.logaddexp(0, -margin).sum() + penalty / 2 * weights[:-1] @ weights[:-1]
        return float(value), np.append(x.T @ slope + penalty * weights[:-1], slope.sum())

    start = np.zeros(x.shape[1] + 1)
    found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 1000, "ftol": 1e-12, "gtol": 1e-6}).x
    return found[:-1], float(found[-1])


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
