"""The interval of a share is SciPy's."""

import pytest
from scipy.stats import binomtest

from scope_widgets.experiments.statistics.wilson_interval import wilson


@pytest.mark.parametrize(("right", "n"), [(0, 5), (3, 7), (40, 40), (11, 90)])
def test_the_interval_is_that_of_scipy(right, n):
    expected = binomtest(right, n).proportion_ci(method="wilson")
    assert wilson(right / n, n) == pytest.approx((expected.low, expected.high), abs=1e-6)
