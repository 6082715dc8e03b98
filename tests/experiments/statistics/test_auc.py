"""The area is that of pairs counted one by one; its interval has the true one in it as often as it says."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from scope_widgets import evals
from scope_widgets.experiments.statistics.auc import auc, auc_interval
from scope_widgets.report.verification.features import _firing


def test_it_is_the_share_of_pairs():
    rng = np.random.default_rng(0)
    scores = rng.integers(0, 5, size=(3, 2, 30)).astype(float)
    truth = rng.random((3, 1, 30)) < 0.3
    found = auc(scores, truth)
    for at in np.ndindex(3, 2):
        one, labels = scores[at], truth[at[0], 0]
        pairs = one[labels][:, None] - one[~labels]
        assert found[at] == pytest.approx((pairs > 0).mean() + (pairs == 0).mean() / 2)
        assert found[at] == pytest.approx(roc_auc_score(labels, one))


def test_what_differs_by_rounding_is_a_tie():
    assert auc(np.array([1.0, 1.0 + 1e-14, 1.0 - 1e-14, 1.0]), np.array([True, False, True, False])) == 0.5
    assert auc(np.zeros(4), np.array([True, False, True, False])) == 0.5
    assert np.isnan(auc(np.arange(3.0), np.zeros(3, dtype=bool)))


def test_what_rounding_orders_is_a_tie_for_features_and_scorers_too():
    labels = [np.array([False, False, True]), np.array([True, False, True])]
    values = [np.array([0.3, 0.1 + 0.2, 0.3]), np.array([0.1 + 0.2, 0.3, 0.3])]
    assert _firing(values, labels, 0).effect == 0.5
    labelled = evals.LabelledTexts(("a", "b"), np.array([True, False]), ("", ""))
    assert evals.scorer_auc(lambda texts: [0.1 + 0.2, 0.3], labelled) == 0.5


@pytest.mark.parametrize(("distance", "n"), [(0.0, (20, 20)), (1.0, (40, 10)), (2.5, (15, 15))])
def test_the_interval_has_the_true_area(distance, n):
    from scipy.stats import norm

    rng, true, within = np.random.default_rng(0), norm.cdf(distance / 2**0.5), 0
    for _ in range(600):
        scores = np.concatenate([rng.normal(distance, size=n[0]), rng.normal(size=n[1])])
        low, high = auc_interval(float(auc(scores, np.arange(sum(n)) < n[0])), *n)
        within += low <= true <= high
    assert within / 600 > 0.93


def test_the_interval_is_not_empty_where_classes_are_apart():
    low, high = auc_interval(1.0, 20, 20)
    assert 0.75 < low < 0.95
    assert high == 1
    assert auc_interval(0.0, 20, 20) == pytest.approx((0.0, 1 - low))
    # its ends are 1.96 standard errors away, by Hanley and McNeil's variance
    low, high = auc_interval(0.8, 30, 50)
    for end in (low, high):
        q = 39 * (1 - end) / (2 - end) + 39 * end / (1 + end)
        assert abs(0.8 - end) == pytest.approx(1.959964 * (end * (1 - end) * (1 + q) / 1500) ** 0.5, rel=1e-6)
