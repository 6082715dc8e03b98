"""Entropy, rollout and the most attended positions."""

import numpy as np
import pytest

from scope_widgets import heads
from tests.support.planted_traces import first, planted_trace, random, uniform


def test_entropy_of_known_rows():
    trace = planted_trace([[uniform(4), first(4)]], np.arange(4))
    entropies = heads.entropy(trace, 0)
    np.testing.assert_allclose(entropies[0], np.log([1, 2, 3, 4]), atol=1e-6)
    np.testing.assert_allclose(entropies[1], 0, atol=1e-6)
    assert heads.score(trace)["normalised_entropy"].tolist() == [pytest.approx([1, 0])]


def test_rollout_of_two_layers_by_hand():
    rng = np.random.default_rng(0)
    patterns = [[random(6, rng), random(6, rng)] for _ in range(2)]
    mixed = [0.5 * np.eye(6) + 0.5 * np.mean(layer, axis=0, dtype=np.float64) for layer in patterns]
    flow = heads.rollout(planted_trace(patterns, range(6)))
    np.testing.assert_allclose(flow, mixed[1] @ mixed[0], atol=1e-9)
    np.testing.assert_allclose(flow.values.sum(-1), 1, atol=1e-6)
    with pytest.raises(ValueError, match="residual= is the share"):
        heads.rollout(planted_trace(patterns, range(6)), residual=2)


def test_top_attended_is_the_full_sort():
    pattern = random(40, np.random.default_rng(2))
    positions, weights = heads.top_attended(planted_trace([[pattern]], range(40)), 0, n=5)
    for query in range(4, 40):
        order = np.argsort(-pattern[query], kind="stable")[:5]
        assert positions[0, query].tolist() == order.tolist()
        np.testing.assert_array_equal(weights[0, query], pattern[query, order])
