"""The probe of one layer: fitted, permuted, and held beside labels of words."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scope_widgets._types import Array
from scope_widgets.experiments.probes.logistic import Axes
from scope_widgets.experiments.statistics.auc import auc
from scope_widgets.probing.ccs import fit_ccs, said_by
from scope_widgets.probing.methods import Method, chosen_penalty, weights_of
from scope_widgets.probing.split import folds, least_groups

#: inner folds
_FOLDS = 5


@dataclass(frozen=True, eq=False)
class Task:
    """What all layers share: labels, which texts are held out, permuted labels `[permutation, text]`, groups."""

    truth: Array
    held: Array
    permuted: Array
    groups: Array
    seed: int


@dataclass(frozen=True, eq=False)
class LayerProbe:
    """What was found at one layer; `covariance` and `difference` are those of `Probes`."""

    auc: float
    null: Array
    control: float
    penalty: float
    weights: Array
    bias: float
    covariance: Array
    difference: Array


def probe_layer(method: Method, x: Array, error: float, task: Task, controls: Array | None) -> LayerProbe:
    """Return the probe of one layer, from its activations `[text, side, d]`."""
    fitted = x[~task.held]
    fitted = fitted - fitted.mean(0)
    spread = np.sqrt(np.square(fitted).mean((0, 1)))
    # a column that moves no more than rounding does is constant: scaled, it would be noise
    constant = spread <= error * np.abs(x).max((0, 1))
    scaled = method != "difference_of_means"
    units = np.where(constant, 0.0, 1 / np.where(constant, 1, spread) if scaled else 1.0)
    if method == "ccs":
        return _unsupervised(x, units, task)
    return supervised(method, x[:, 0], units, task, controls)


def supervised(
    method: Method, x: Array, units: Array, task: Task, controls: Array | None, null: bool = True
) -> LayerProbe:
    """Return the probe of rows `[text, column]`, whose columns are multiplied by `units`."""
    fits, labels = ~task.held, task.truth[~task.held]
    axes, n_fits = Axes(x[fits] * units), int(fits.sum())
    rows = axes.of(x * units)
    fold_of = folds(labels, task.groups[fits], min(_FOLDS, least_groups(labels, task.groups[fits])), task.seed)
    penalty = chosen_penalty(method, axes, labels[None], fold_of)
    permuted = task.permuted if null else task.permuted[:0]
    several = np.concatenate([task.truth[None], permuted])
    weights = weights_of(method, axes, several[:, fits], np.repeat(penalty, len(several)))
    aucs = _aucs(weights, rows, several, task.held)
    control = float("nan")
    if controls is not None:
        # random labels of words that are all of one class in a half tell nothing
        usable = [one for one in controls if 0 < one[fits].sum() < n_fits and 0 < one[~fits].sum() < len(one) - n_fits]
        if usable:
            of_words = np.stack(usable)
            chosen = chosen_penalty(method, axes, of_words[:, fits], np.arange(n_fits) % _FOLDS)
            control = float(
                _aucs(weights_of(method, axes, of_words[:, fits], chosen), rows, of_words, task.held).mean()
            )
    columns = axes.in_columns(weights[0, :-1])
    in_x = columns * units
    return LayerProbe(
        auc=float(aucs[0]),
        null=aucs[1:],
        control=control,
        penalty=float(penalty[0]),
        weights=in_x,
        bias=float(weights[0, -1] - columns @ axes.mean),
        covariance=in_x if method == "difference_of_means" else _covariance(x[fits], in_x),
        difference=x[fits][labels].mean(0) - x[fits][~labels].mean(0),
    )


def _unsupervised(x: Array, units: Array, task: Task) -> LayerProbe:
    """Return the probe of pairs `[pair, side, column]` by CCS; labels choose its sign."""
    fits, labels = ~task.held, task.truth[~task.held]
    mean = x[fits].mean(0)
    centred = (x - mean) * units
    axes = Axes(centred[fits].reshape(-1, x.shape[2]))
    yes, no = (axes.of(centred[:, side]) for side in (0, 1))
    weights = fit_ccs(yes[fits], no[fits], task.seed)
    said = said_by(weights, yes, no)
    several = np.concatenate([task.truth[None], task.permuted])
    sign = np.where(auc(said[fits], several[:, fits]) >= 0.5, 1.0, -1.0)
    aucs = auc(sign[:, None] * said[task.held], several[:, task.held])
    columns = sign[0] * axes.in_columns(weights[:-1])
    in_x = columns * units
    true = np.where(labels[:, None], x[fits, 0], x[fits, 1])
    false = np.where(labels[:, None], x[fits, 1], x[fits, 0])
    return LayerProbe(
        auc=float(aucs[0]),
        null=aucs[1:],
        control=float("nan"),
        penalty=float("nan"),
        weights=in_x,
        bias=float(sign[0] * weights[-1] - columns @ axes.mean - in_x @ mean.mean(0)),
        covariance=_covariance((x - mean)[fits].reshape(-1, x.shape[2]), in_x),
        difference=true.mean(0) - false.mean(0),
    )


def _aucs(weights: Array, rows: Array, labels: Array, held: Array) -> Array:
    """Return the AUC of each probe on held-out rows, by its own labels."""
    return auc(weights[:, :-1] @ rows[held].T, labels[:, held])


def _covariance(x: Array, weights: Array) -> Array:
    """Return the covariance of each column of `x` with what weights say of it."""
    centred = x - x.mean(0)
    found: Array = (centred @ weights) @ centred / len(x)
    return found
