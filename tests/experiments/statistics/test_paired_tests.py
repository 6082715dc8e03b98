"""BCa intervals beside SciPy's, McNemar beside SciPy's binomial test, Holm by brute force; nulls that find nothing."""

from itertools import product

import numpy as np
import pytest
from scipy import stats

from scope_widgets.experiments.statistics.bca import bca_interval
from scope_widgets.experiments.statistics.multiple_comparisons import correct
from scope_widgets.experiments.statistics.paired_tests import (
    clustered_error,
    equivalence,
    mcnemar,
    rare_error,
    sign_flip,
    smallest_detectable,
)


@pytest.fixture
def skewed():
    return np.random.default_rng(3).lognormal(size=60)


def test_bca_is_scipys(skewed):
    theirs = stats.bootstrap((skewed,), np.mean, n_resamples=40_000, method="BCa", rng=np.random.default_rng(0))
    np.testing.assert_allclose(bca_interval(skewed, draws=40_000), theirs.confidence_interval, atol=0.02 * skewed.std())


def test_bca_of_clusters_is_scipys_of_their_sums(skewed):
    clusters = np.arange(60) // 4
    weights = np.random.default_rng(0).integers(1, 9, 60).astype(float)
    sums, sizes = (np.bincount(clusters, one) for one in (skewed * weights, weights))
    theirs = stats.bootstrap(
        (sums, sizes),
        lambda a, b, axis: a.sum(axis) / b.sum(axis),
        paired=True,
        vectorized=True,
        n_resamples=40_000,
        method="BCa",
        rng=np.random.default_rng(0),
    )
    ours = bca_interval(skewed, weights=weights, clusters=[f"t{i}" for i in clusters], draws=40_000)
    np.testing.assert_allclose(ours, theirs.confidence_interval, atol=0.03 * skewed.std())


def test_bca_of_nothing_that_varies():
    assert bca_interval(np.full(5, 0.1)) == (pytest.approx(0.1), pytest.approx(0.1))
    assert np.isnan(bca_interval(np.array([1.0]))).all()
    assert np.isnan(bca_interval(np.arange(4.0), clusters=["a"] * 4)).all()


def test_bca_takes_draws_that_are_the_mean_up_to_rounding_for_ties():
    """Of values such as 1 and 3 times .1 sums differ by their order; the interval is that of 1 and 3, a tenth."""
    values = np.repeat([1.0, 2.0, 3.0], 7)
    whole = np.array(bca_interval(values))
    for unit in (0.1, 1 / 3, 0.7):
        np.testing.assert_allclose(bca_interval(values * unit), whole * unit, rtol=1e-9)


def test_bca_covers():
    generator = np.random.default_rng(5)
    held = 0
    for seed in range(200):
        groups = generator.normal(size=20).repeat(4) + generator.normal(size=80)
        low, high = bca_interval(groups, clusters=np.arange(20).repeat(4), draws=1000, seed=seed)
        held += low <= 0 <= high
    assert 0.87 <= held / 200 <= 0.99


def test_mcnemar_is_a_binomial_test():
    generator = np.random.default_rng(0)
    for _ in range(50):
        before, after = generator.integers(0, 2, (2, generator.integers(1, 40))).astype(bool)
        gained, lost = (~before & after).sum(), (before & ~after).sum()
        theirs = stats.binomtest(int(gained), int(gained + lost)).pvalue if gained + lost else 1.0
        assert mcnemar(before, after) == pytest.approx(theirs, abs=1e-12)


def test_holm_by_brute_force():
    """A hypothesis is rejected at a level where each set of hypotheses that holds it is, by Bonferroni (closure)."""
    generator = np.random.default_rng(0)
    for n in range(1, 7):
        p = generator.uniform(0, 0.3, n)
        closed = [
            max(
                min(1.0, sum(chosen) * min(p[j] for j in range(n) if chosen[j]))
                for chosen in product((False, True), repeat=n)
                if chosen[i]
            )
            for i in range(n)
        ]
        np.testing.assert_allclose(correct(p), closed, atol=1e-12)


def test_sign_flip_by_brute_force():
    d = np.random.default_rng(1).normal(0.4, 1, 9)
    clusters = np.array([0, 0, 1, 2, 2, 3, 4, 5, 5])
    sums = np.bincount(clusters, d)
    every = [abs(np.dot(signs, sums)) for signs in product((1, -1), repeat=6)]
    assert sign_flip(d, clusters=clusters) == pytest.approx(np.mean(np.array(every) >= abs(sums.sum()) - 1e-12))
    many = np.random.default_rng(2).normal(0.3, 1, 40)
    theirs = stats.permutation_test((many,), np.mean, permutation_type="samples", n_resamples=9999, rng=0).pvalue
    assert sign_flip(many) == pytest.approx(theirs, abs=0.02)
    assert sign_flip(np.zeros(20)) == 1.0


def test_random_labels_differ_in_no_more_than_five_percent():
    """Before and after are one distribution with clusters: sides are drawn at random."""
    generator = np.random.default_rng(0)
    found = 0
    for seed in range(300):
        clusters = np.arange(24).repeat(3)
        values = generator.normal(size=24).repeat(3) * generator.choice((-1, 1), 24).repeat(3) + generator.normal(
            size=72
        )
        found += sign_flip(values, clusters=clusters, draws=500, seed=seed) < 0.05
    assert found <= 300 * 0.05 + 2 * np.sqrt(300 * 0.05 * 0.95)


def test_errors_and_equivalence():
    values = np.random.default_rng(0).normal(size=50)
    error, freedom = clustered_error(values)
    assert (error, freedom) == (pytest.approx(stats.sem(values)), 49)
    twice, freedom = clustered_error(values.repeat(2), clusters=np.arange(50).repeat(2))
    assert (twice, freedom) == (pytest.approx(error), 49)  # a copy of each item is no new one
    theirs = max(
        stats.ttest_1samp(values, -0.4, alternative="greater").pvalue,
        stats.ttest_1samp(values, 0.4, alternative="less").pvalue,
    )
    assert equivalence(float(values.mean()), error, 49, 0.4) == pytest.approx(theirs)
    assert equivalence(0.5, 0.1, 49, 0.4) > 0.5
    assert equivalence(0.0, 0.0, 49, 0.4) == 0.0


def test_few_answers_do_not_show_that_shares_are_kept():
    assert equivalence(0.0, rare_error(np.zeros(20), 1.0), 19, 0.05) > 0.05
    assert equivalence(0.0, rare_error(np.zeros(400), 1.0), 399, 0.05) < 0.001
    assert equivalence(0.0, rare_error(np.zeros(400), 1.0, clusters=np.arange(400) // 20), 19, 0.05) > 0.05


def test_the_error_of_yes_and_no_is_that_of_agresti_and_min():
    generator = np.random.default_rng(0)
    for _ in range(20):
        n = int(generator.integers(2, 40))
        before, after = generator.integers(0, 2, (2, n))
        gained, lost = (after > before).sum() + 0.5, (after < before).sum() + 0.5
        theirs = np.sqrt(gained + lost - (gained - lost) ** 2 / (n + 2)) / (n + 2)
        assert rare_error(after - before, 1.0) == pytest.approx(theirs)
        twice = rare_error((after - before).repeat(3), 1.0, clusters=np.arange(n).repeat(3))
        assert twice == pytest.approx(theirs)  # a copy of each item is no new one
    large = rare_error(np.zeros(100), 1.0, clusters=np.minimum(np.arange(100), 50))
    assert large == pytest.approx(1 / (100**2 / (50 + 50**2) + 2))


def test_the_smallest_detectable_difference_is_detected_in_four_of_five():
    generator = np.random.default_rng(0)
    least = smallest_detectable(1 / np.sqrt(40), 39)
    found = sum(stats.ttest_1samp(generator.normal(least, 1, 40), 0).pvalue < 0.05 for _ in range(1000))
    assert 750 <= found <= 850
