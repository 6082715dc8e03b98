"""Logistic regressions with a penalty: many at once on the same rows, of other labels, rows or penalties."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from scope_widgets._types import Array

#: values and gradients of the problems `which` at points `[problem, n]`
Loss: TypeAlias = Callable[[Array, Array], tuple[Array, Array]]

#: past steps that a direction is made of, the most steps, and the largest entry of the gradient, a row, at the end
_MEMORY, _MOST, _FLAT = 12, 500, 1e-8
#: share of the promised descent that a step must bring (Armijo), and how often it is halved
_BRINGS, _HALVINGS = 1e-4, 30


def fit(x: Array, y: Array, penalty: float = 1.0) -> tuple[Array, float]:
    """Return the weights and the bias that make `sum log(1 + exp(-s (x w + b))) + penalty |w|^2 / 2` least, s = +-1.

    Parameters
    ----------
    x : ndarray [row, column]
    y : ndarray of bool [row]
    penalty : float, default 1.0
    """
    axes = Axes(x)
    weights, bias = fit_many(axes, y[None], np.ones((1, len(y))), np.array([penalty]))
    found: Array = axes.in_columns(weights)[0]
    return found, float(bias[0] - axes.mean @ found)


class Axes:
    """The principal axes of rows, in which regressions on them are the same problem, smaller and better conditioned.

    With a penalty on |w|^2 what is least lies in the span of the rows.

    Parameters
    ----------
    x : ndarray [row, column]

    Attributes
    ----------
    mean : ndarray of float64 [column]
    rows : ndarray of float64 [row, axis]
        The rows, centred, along the axes.
    squares : ndarray of float64 [axis]
        The sum of their squares along each, the largest first.
    """

    def __init__(self, x: Array) -> None:
        x = np.asarray(x, dtype=np.float64)
        self.mean = x.mean(0)
        centred = x - self.mean
        wide = len(x) <= x.shape[1]
        squares, vectors = np.linalg.eigh(centred @ centred.T if wide else centred.T @ centred)
        # what is left of rounding is no axis
        kept = squares > 1e-12 * max(float(squares.max(initial=0.0)), 1e-300)
        self.squares = squares[kept][::-1]
        vectors = vectors[:, kept][:, ::-1]
        self._axes = centred.T @ (vectors / np.sqrt(self.squares)) if wide else vectors
        self.rows: Array = centred @ self._axes

    def of(self, x: Array) -> Array:
        """Return other rows along the axes, [row, axis]."""
        found: Array = (np.asarray(x, dtype=np.float64) - self.mean) @ self._axes
        return found

    def in_columns(self, weights: Array) -> Array:
        """Return weights `[..., axis]` as those of columns `[..., column]`."""
        found: Array = weights @ self._axes.T
        return found


def fit_many(axes: Axes, labels: Array, counts: Array, penalty: Array) -> tuple[Array, Array]:
    """Return the weights and biases of several regressions on the same rows, by L-BFGS in float64.

    Each makes `sum_i c_i log(1 + exp(-s_i (x_i w + b))) + penalty |w|^2 / 2` least.

    Parameters
    ----------
    axes : Axes
        Of the rows.
    labels : ndarray of bool [problem, row]
    counts : ndarray [problem, row]
        How much each row counts, 0 for one that is left out.
    penalty : ndarray [problem]

    Returns
    -------
    weights : ndarray of float64 [problem, axis]
    bias : ndarray of float64 [problem]
        Of the centred rows.

    References
    ----------
    Liu and Nocedal 1989.
    """
    sign = np.where(labels, 1.0, -1.0)
    total = counts.sum(1)
    # with these units the second derivatives are 1 where all weights are 0, and rows count alike
    curvature = axes.squares * (total / len(axes.rows))[:, None] / 4 + penalty[:, None]
    units = np.column_stack([1 / np.sqrt(curvature), 2 / np.sqrt(total)])
    design = np.column_stack([axes.rows, np.ones(len(axes.rows))])
    ridge = np.column_stack([np.repeat(penalty[:, None], len(axes.squares), 1), np.zeros(len(penalty))])

    def loss(scaled: Array, which: Array) -> tuple[Array, Array]:
        w, s, c = scaled * units[which], sign[which], counts[which]
        margin = s * (w @ design.T)
        # of a large margin the loss, and its slope, without overflow
        small = np.exp(-np.abs(margin))
        value = (c * (np.maximum(-margin, 0) + np.log1p(small))).sum(1) + (ridge[which] * w * w).sum(1) / 2
        slope = -s * c * np.where(margin > 0, small, 1.0) / (1 + small)
        return value, (slope @ design + ridge[which] * w) * units[which]

    found = minimise(loss, np.zeros(units.shape), _FLAT * np.sqrt(total)) * units
    return found[:, :-1], found[:, -1]


def minimise(loss: Loss, start: Array, flat: Array) -> Array:
    """Return what makes several functions least, each by itself, by L-BFGS.

    Parameters
    ----------
    loss : callable (x [problem, n], which [problem]) -> (value [problem], gradient [problem, n])
        Of the problems `which`.
    start : ndarray [problem, n]
    flat : ndarray [problem]
        The largest entry of the gradient at which a problem has ended.
    """
    found = start.copy()
    which = np.arange(len(start))
    x = start.copy()
    value, gradient = loss(x, which)
    steps: list[tuple[Array, Array, Array]] = []
    for _ in range(_MOST):
        going = np.abs(gradient).max(1) > flat[which]
        if not going.all():
            found[which] = x
            which, x, value, gradient = which[going], x[going], value[going], gradient[going]
            steps = [(s[going], y[going], rho[going]) for s, y, rho in steps]
        if not len(which):
            return found
        direction = _direction(gradient, steps)
        new, new_value, new_gradient, moved = _step(loss, which, x, value, gradient, direction)
        s, y = new - x, new_gradient - gradient
        product = (s * y).sum(1)
        curved = product > 1e-14 * np.sqrt((s * s).sum(1) * (y * y).sum(1))
        steps = [*steps, (s, y, np.where(curved, 1 / np.where(curved, product, 1), 0))][-_MEMORY:]
        x, value, gradient = new, new_value, new_gradient
        if not moved.all():  # nothing below is left but rounding
            found[which] = x
            which, x, value, gradient = which[moved], x[moved], value[moved], gradient[moved]
            steps = [(s[moved], y[moved], rho[moved]) for s, y, rho in steps]
    found[which] = x
    return found


def _direction(gradient: Array, steps: list[tuple[Array, Array, Array]]) -> Array:
    """Return where to go, from the gradient and past steps, newest last; a step with rho 0 says nothing."""
    q = gradient.copy()
    shares = []
    for s, y, rho in reversed(steps):
        shares.append(rho * (s * q).sum(1))
        q -= shares[-1][:, None] * y
    if steps:
        _, y, rho = steps[-1]
        q *= np.where(rho > 0, 1 / np.maximum(rho * (y * y).sum(1), 1e-300), 1.0)[:, None]
    for (s, y, rho), share in zip(steps, reversed(shares), strict=True):
        q += (share - rho * (y * q).sum(1))[:, None] * s
    return -q


def _step(
    loss: Loss, which: Array, x: Array, value: Array, gradient: Array, direction: Array
) -> tuple[Array, Array, Array, Array]:
    """Return the points after a step, halved where it brings too little, and which of them moved."""
    promised = (gradient * direction).sum(1)
    uphill = promised >= 0
    direction = np.where(uphill[:, None], -gradient, direction)
    promised = np.where(uphill, -(gradient * gradient).sum(1), promised)
    new, new_value, new_gradient = x.copy(), value.copy(), gradient.copy()
    todo, length = np.arange(len(x)), 1.0
    for _ in range(_HALVINGS):
        at = x[todo] + length * direction[todo]
        values, gradients = loss(at, which[todo])
        good = values <= value[todo] + _BRINGS * length * promised[todo]
        took = todo[good]
        new[took], new_value[took], new_gradient[took] = at[good], values[good], gradients[good]
        todo = todo[~good]
        if not len(todo):
            break
        length /= 2
    moved = np.ones(len(x), dtype=bool)
    moved[todo] = False
    return new, new_value, new_gradient, moved
