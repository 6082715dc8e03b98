"""Each kind of probe is what its formula says, and inner folds choose its penalty as a plain loop does."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from scope_widgets.experiments.probes.logistic import Axes
from scope_widgets.experiments.statistics.auc import auc
from scope_widgets.probing.ccs import fit_ccs, said_by
from scope_widgets.probing.methods import PENALTIES, chosen_penalty, weights_of


def rows(n=60, d=8, seed=0):
    rng = np.random.default_rng(seed)
    y = rng.random(n) < 0.3
    mixed = rng.normal(size=(d, d))
    return (rng.normal(size=(n, d)) @ mixed + np.outer(y, rng.normal(size=d))), y


def columns_of(method, x, y, penalty):
    axes = Axes(x)
    weights = weights_of(method, axes, y[None], np.array([penalty]))[0]
    columns = axes.in_columns(weights[:-1])
    return columns, weights[-1] - columns @ axes.mean


def test_the_difference_of_means():
    x, y = rows()
    w, bias = columns_of("difference_of_means", x, y, np.nan)
    np.testing.assert_allclose(w, x[y].mean(0) - x[~y].mean(0))
    assert bias == pytest.approx(-w @ (x[y].mean(0) + x[~y].mean(0)) / 2)  # the middle between both


@pytest.mark.parametrize("penalty", [0.001, 1.0])
def test_whitened_is_the_linear_discriminant(penalty):
    """Its direction is that with the covariance within classes, to which as much of the variance is added."""
    x, y = rows()
    w, _ = columns_of("whitened", x, y, penalty)
    within = x - np.where(y[:, None], x[y].mean(0), x[~y].mean(0))
    total = np.linalg.eigvalsh(np.cov(x.T, bias=True)).mean()
    known = np.linalg.solve(within.T @ within / len(x) + penalty * total * np.eye(8), x[y].mean(0) - x[~y].mean(0))
    assert w @ known / np.linalg.norm(w) / np.linalg.norm(known) == pytest.approx(1, abs=1e-9)


def test_logistic_with_classes_that_count_alike_is_that_of_scikit_learn():
    x, y = rows()
    w, bias = columns_of("logistic", x, y, 0.1)
    known = LogisticRegression(C=1 / (0.1 * len(x)), class_weight="balanced", tol=1e-12, max_iter=10**5).fit(x, y)
    np.testing.assert_allclose(w, known.coef_[0], atol=1e-5)
    assert bias == pytest.approx(known.intercept_[0], abs=1e-5)


@pytest.mark.parametrize("method", ["logistic", "whitened"])
def test_inner_folds_choose_as_a_plain_loop_does(method):
    x, y = rows(d=30, seed=3)
    fold = np.arange(60) % 4
    said = np.zeros((len(PENALTIES), 4))
    axes = Axes(x)
    for at, penalty in enumerate(PENALTIES):
        for one in range(4):
            fits = fold != one
            if method == "logistic":
                known = LogisticRegression(
                    C=1 / (penalty * fits.sum()), class_weight="balanced", tol=1e-10, max_iter=10**5
                ).fit(x[fits], y[fits])
                scores = known.decision_function(x[~fits])
                losses = np.logaddexp(0, np.where(y[~fits], -scores, scores))
                said[at, one] = -(losses[y[~fits]].mean() + losses[~y[~fits]].mean())
            else:
                variance = np.cov(x.T, bias=True)
                ridge = penalty * np.linalg.eigvalsh(variance).mean() * np.eye(30)
                w = np.linalg.solve(variance + ridge, x[fits & y].mean(0) - x[fits & ~y].mean(0))
                said[at, one] = auc(x[~fits] @ w, y[~fits])
    several = np.stack([y, ~y])
    assert chosen_penalty(method, axes, several, fold).tolist() == [PENALTIES[said.mean(1).argmax()]] * 2


def test_ccs_finds_what_pairs_agree_on():
    rng = np.random.default_rng(0)
    true = rng.random(80) < 0.5
    axis, sign = rng.normal(size=12), np.where(true, 1, -1)[:, None]
    both = rng.normal(size=(2, 80, 12)) * 0.3
    yes, no = both[0] + sign * axis, both[1] - sign * axis
    weights = fit_ccs(yes - yes.mean(0), no - no.mean(0), 0)
    said = said_by(weights, yes - yes.mean(0), no - no.mean(0))
    assert auc(said, true) in (0.0, 1.0)  # labels would have to say which
    w, p = weights[:-1], 1 / (1 + np.exp(-((yes - yes.mean(0)) @ weights[:-1] + weights[-1])))
    assert abs(w @ axis) / np.linalg.norm(w) / np.linalg.norm(axis) > 0.95
    assert (np.minimum(p, 1 - p) < 0.2).mean() > 0.9
