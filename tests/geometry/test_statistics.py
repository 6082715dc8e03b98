"""Statistics of activations are those of NumPy and SciPy."""

import numpy as np
import pytest
from scipy.stats import kurtosis

from scope_widgets import geometry


def test_they_are_the_formulas():
    draw = np.random.default_rng(0)
    x = draw.standard_t(8, (200, 7)) * np.r_[5.0, np.ones(6)] + 0.5
    x[:30, 2] = 0
    found = geometry.statistics(x)
    units = x / np.linalg.norm(x, axis=1, keepdims=True)
    cosines = units @ units.T
    assert found.norm[0] == pytest.approx(np.linalg.norm(x, axis=1).mean())
    assert found.cosine[0] == pytest.approx(cosines[~np.eye(200, dtype=bool)].mean())
    assert found.kurtosis[0] == pytest.approx(kurtosis(x, axis=0).mean())
    assert found.largest_share[0] == pytest.approx(x.var(0).max() / x.var(0).sum())
    assert found.zeros[0] == pytest.approx(30 / 1400)
    np.testing.assert_allclose(found.mean, x.mean(0))
    np.testing.assert_allclose(found.deviation, x.std(0))


def test_the_intervals_hold_what_many_samples_give():
    true = {"norm": None, "cosine": None, "kurtosis": 0.0, "largest_share": 4 / 13}
    draws = (np.random.default_rng(seed).standard_normal((400, 10)) * np.r_[2.0, np.ones(9)] for seed in range(100))
    samples = [geometry.statistics(0.5 + x) for x in draws]
    for name, expected in true.items():
        value, low, high = np.array([getattr(found, name) for found in samples]).T
        expected = value.mean() if expected is None else expected
        assert ((low <= expected) & (expected <= high)).sum() >= 85, name
        # and they are no wider than they must be
        assert (high - low).mean() / (2 * 1.96 * value.std()) == pytest.approx(1, abs=0.25), name


def test_massive_rows_and_outlier_columns_are_named():
    x = np.random.default_rng(1).standard_normal((100, 20))
    x[7] *= 100
    x[:, 3] += 300
    found = geometry.statistics(x)
    assert found.outlier_columns.tolist() == [3]
    x[:, 3] -= 300
    assert geometry.statistics(x).massive_rows.tolist() == [7]


def test_what_is_not_defined_is_nan():
    found = geometry.statistics(np.zeros((4, 3)))
    assert np.isnan(found.cosine).all()
    assert np.isnan(found.kurtosis).all()
    assert np.isnan(found.largest_share).all()
    assert found.zeros[0] == 1
