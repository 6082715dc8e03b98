"""Regressions that are fitted together are those of scikit-learn, each by itself."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from scope_widgets.experiments.probes.logistic import Axes, fit, fit_many, minimise


@pytest.mark.parametrize(("n", "d"), [(60, 5), (40, 100)])
def test_many_at_once_are_those_of_scikit_learn(n, d):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n, d)) * np.exp(rng.normal(size=d)) + 3
    labels = np.stack([x[:, 0] + rng.normal(size=n) > 3, *(rng.random((3, n)) < 0.4)])
    counts = np.where(rng.random(labels.shape) < 0.8, rng.uniform(0.2, 3, labels.shape), 0)
    penalty = np.array([0.01, 0.1, 1.0, 30.0])
    axes = Axes(x)
    weights, bias = fit_many(axes, labels, counts, penalty)
    columns = axes.in_columns(weights)
    for at in range(4):
        there = counts[at] > 0
        known = LogisticRegression(C=1 / penalty[at], tol=1e-12, max_iter=10**5, solver="newton-cholesky")
        known.fit(x[there], labels[at, there], sample_weight=counts[at, there])
        np.testing.assert_allclose(columns[at], known.coef_[0], atol=2e-5 * np.abs(known.coef_).max())
        assert bias[at] - columns[at] @ axes.mean == pytest.approx(known.intercept_[0], abs=1e-4)


def test_axes_are_those_of_the_rows():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(9, 20)) @ np.diag(np.arange(20))  # columns of 0 too
    x[:, 3] = 7
    axes = Axes(x)
    assert axes.rows.shape == (9, 8)
    np.testing.assert_allclose(axes.rows @ axes.rows.T, (x - x.mean(0)) @ (x - x.mean(0)).T, atol=1e-8)
    np.testing.assert_allclose(axes.squares, np.linalg.svd(x - x.mean(0))[1][:8] ** 2)
    w = rng.normal(size=8)
    np.testing.assert_allclose(axes.of(x) @ w, (x - x.mean(0)) @ axes.in_columns(w))
    assert Axes(np.ones((4, 3))).rows.shape == (4, 0)


def test_rows_that_are_all_alike_have_no_weights():
    weights, bias = fit(np.ones((8, 3)), np.arange(8) < 2)
    assert np.array_equal(weights, [0, 0, 0])
    assert bias == pytest.approx(np.log(2 / 6), abs=1e-6)


def test_each_function_has_its_own_least():
    """Rosenbrock's valleys, of which one begins at its end."""

    def loss(x, which):
        a, b = x[:, 0], x[:, 1]
        c = np.array([1.0, 10.0, 100.0])[which]
        value = (1 - a) ** 2 + c * (b - a**2) ** 2
        return value, np.column_stack([-2 * (1 - a) - 4 * c * a * (b - a**2), 2 * c * (b - a**2)])

    found = minimise(loss, np.array([[-1.2, 1.0], [1.0, 1.0], [-1.2, 1.0]]), np.full(3, 1e-8))
    np.testing.assert_allclose(found, 1, atol=1e-6)
