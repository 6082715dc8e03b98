"""Student's t-test in NumPy against SciPy's."""

import numpy as np
import pytest
from scipy import stats

from scope_widgets.experiments.statistics.t_test import t_test


@pytest.mark.parametrize("n", [2, 3, 4, 8, 33, 200, 2001, 10_000])
@pytest.mark.parametrize("alternative", ["two-sided", "greater"])
def test_p_is_scipys(n, alternative):
    rng = np.random.default_rng(n)
    values = rng.normal(size=(60, n)) + np.linspace(-1, 1, 60)[:, None]
    expected = stats.ttest_1samp(values, 0.0, axis=-1, alternative=alternative).pvalue
    found = t_test(values, alternative)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-300)


def test_what_does_not_vary_has_no_p_or_none_at_all():
    values = np.array([[0.0, 0, 0], [1.0, 1, 1], [-1.0, -1, -1]])
    np.testing.assert_array_equal(t_test(values), [np.nan, 0, 0])
    np.testing.assert_array_equal(t_test(values, "greater"), [np.nan, 0, 1])
    assert np.isnan(t_test(np.array([3.0])))
