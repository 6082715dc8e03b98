"""Contrast-consistent search: a direction that pairs of opposite statements agree on, without labels."""

from __future__ import annotations

import numpy as np

from scope_widgets._types import Array

_RESTARTS, _DECAY = 10, 1e-2


def fit_ccs(yes: Array, no: Array, seed: int) -> Array:
    """Return the weights, and as the last number the bias, of the probe that is most consistent and most decided.

    It makes `mean (p(yes) - (1 - p(no)))^2 + min(p(yes), p(no))^2 + 0.01 |w|^2 / 2` least, from ten random starts.

    Parameters
    ----------
    yes, no : ndarray [pair, axis]
        The two sides of each pair, each side centred.
    seed : int

    References
    ----------
    Burns et al. 2023 (arXiv 2212.03827).
    """
    from scipy.optimize import minimize

    both = np.stack([yes, no])
    rng = np.random.default_rng(seed)

    def loss(w: Array) -> tuple[float, Array]:
        p = _p(both, w)
        off = p[0] + p[1] - 1
        smaller = np.minimum(p[0], p[1])
        value = np.mean(off**2 + smaller**2) + _DECAY / 2 * w[:-1] @ w[:-1]
        slope = 2 * off + 2 * smaller * (p == smaller)
        slope = slope * p * (1 - p) / both.shape[1]
        gradient = np.append(np.einsum("sp,spd->d", slope, both) + _DECAY * w[:-1], slope.sum())
        return float(value), gradient

    found = []
    for _ in range(_RESTARTS):
        start = np.append(rng.normal(size=both.shape[2]) / max(both.shape[2], 1) ** 0.5, 0.0)
        found.append(minimize(loss, start, jac=True, method="L-BFGS-B"))
    weights: Array = min(found, key=lambda one: float(one.fun)).x
    return weights


def said_by(weights: Array, yes: Array, no: Array) -> Array:
    """Return for each pair how far its first side is said to be the true one, 0 to 1."""
    p = _p(np.stack([yes, no]), weights)
    found: Array = (p[0] + 1 - p[1]) / 2
    return found


def _p(both: Array, w: Array) -> Array:
    found: Array = 1 / (1 + np.exp(-np.clip(both @ w[:-1] + w[-1], -500, 500)))
    return found
