"""How a probe is fitted: logistic regression, the difference of means, or its whitened form."""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np

from scope_widgets._types import Array
from scope_widgets.experiments.probes.logistic import Axes, fit_many
from scope_widgets.experiments.statistics.auc import auc

#: see `probing.fit`
Method: TypeAlias = Literal["logistic", "difference_of_means", "whitened", "ccs"]

#: penalties that inner folds choose from, a row (of logistic regressions), or a share of the mean variance (whitened)
PENALTIES = np.array([1e-3, 1e-2, 1e-1, 1.0, 10.0])


def weights_of(method: Method, axes: Axes, labels: Array, penalty: Array, counts: Array | None = None) -> Array:
    """Return the weights of probes, both classes counting alike.

    Parameters
    ----------
    method : "logistic", "difference_of_means" or "whitened"
    axes : Axes
        Of the fitted rows.
    labels : ndarray of bool [problem, row]
    penalty : ndarray [problem]
        One of `PENALTIES`.
    counts : ndarray of bool [problem, row], optional
        Rows that are fitted; all by default.

    Returns
    -------
    weights : ndarray [problem, axis], and as its last column the bias
    """
    counted = np.ones(labels.shape) if counts is None else counts.astype(np.float64)
    balanced = np.zeros(labels.shape)
    for value in (False, True):
        of_class = counted * (labels == value)
        balanced += of_class / (2 * np.maximum(of_class.sum(1, keepdims=True), 1))
    if method == "logistic":
        n = counted.sum(1)
        weights, bias = fit_many(axes, labels, balanced * n[:, None], penalty * n)
        return np.column_stack([weights, bias])
    signed = np.where(labels, 2.0, -2.0) * balanced
    difference = signed @ axes.rows
    if method == "whitened":
        # with the variance over both classes the direction is that with the variance within them
        variance = axes.squares / len(axes.rows)
        difference = difference / (variance + penalty[:, None] * variance.sum() / max(len(variance), 1))
    middle = np.abs(signed) @ axes.rows / 2
    return np.column_stack([difference, -(difference * middle).sum(1)])


def chosen_penalty(method: Method, axes: Axes, labels: Array, fold: Array) -> Array:
    """Return the penalty of each problem with which probes say most of inner folds that they were not fitted on.

    Parameters
    ----------
    method : "logistic", "difference_of_means" or "whitened"
    axes : Axes
    labels : ndarray of bool [problem, row]
    fold : ndarray of int [row]
        The inner fold of each row.

    Returns
    -------
    ndarray [problem]
        That of the least loss (logistic) or the largest AUC (whitened); of equals the largest.
    """
    if method == "difference_of_means":
        return np.full(len(labels), np.nan)
    n_folds, n_penalties = fold.max() + 1, len(PENALTIES)
    truth = np.repeat(labels, n_folds * n_penalties, 0)
    penalties = np.tile(np.repeat(PENALTIES, n_folds), len(labels))
    left_out = np.tile(fold == np.arange(n_folds)[:, None], (len(labels) * n_penalties, 1))
    weights = weights_of(method, axes, truth, penalties, counts=~left_out)
    scores = weights[:, :-1] @ axes.rows.T + weights[:, -1:]
    if method == "logistic":
        said = np.zeros(len(scores))
        for value, sign in ((False, 1.0), (True, -1.0)):
            of_class = left_out & (truth == value)
            said -= (np.logaddexp(0, sign * scores) * of_class).sum(1) / np.maximum(of_class.sum(1), 1)
    else:
        said = np.array([auc(one[part], of[part]) for one, part, of in zip(scores, left_out, truth, strict=True)])
    of_penalties = np.nanmean(said.reshape(len(labels), n_penalties, n_folds), 2)
    best = of_penalties >= of_penalties.max(1, keepdims=True) - 1e-6
    found: Array = PENALTIES[n_penalties - 1 - best[:, ::-1].argmax(1)]
    return found
