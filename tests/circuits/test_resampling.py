"""Resampling as a mean over donors: against a run of its own for each of them."""

from dataclasses import replace

import numpy as np
import pytest

from scope_widgets.circuits.evaluation.circuit_run import CircuitRun
from scope_widgets.circuits.evaluation.replacement_values import donors_of, draw_weights, same_group
from tests.support.planted_documentation import REPEATED
from tests.support.planted_induction_model import planted

GROUPS = [[0, 2, 3], [1], [0, 2, 3], [0, 2, 3], [4, 5], [4, 5]]


def test_each_other_one_gives_before_one_gives_again():
    drawn = donors_of(GROUPS, 8, 0)
    assert drawn.shape == (2, 6)  # there are two others at most
    assert {tuple(sorted(drawn[:, at])) for at in (0, 2, 3)} == {(2, 3), (0, 3), (0, 2)}
    assert drawn[:, 1].tolist() == [1, 1]  # alone
    assert drawn[:, 4].tolist() == [5, 5]
    assert np.array_equal(donors_of(GROUPS, 1, 0)[0], drawn[0])
    assert {tuple(donors_of(GROUPS, 1, seed)[0]) for seed in range(20)} > {tuple(drawn[0])}


@pytest.mark.parametrize("draws", [1, 2, 3, 8])
def test_none_counts_twice_in_a_small_group(draws):
    groups = [[0, 1, 2, 3]] * 4 + [[4, 5, 6]] * 3 + [[7]]
    drawn = donors_of(groups, draws, 0)
    weights = draw_weights(groups, len(drawn))
    for pair, group in enumerate(groups):
        others = [other for other in group if other != pair] or [pair]
        given = np.bincount(drawn[:, pair], weights[:, pair], minlength=8)
        most = min(draws, len(others))
        assert sorted(given[others])[-most:] == pytest.approx([1 / most] * most)
        assert given.sum() == pytest.approx(1)


def test_what_is_measured_is_the_mean_over_runs_with_each_donor():
    model = planted(three=True)
    task = REPEATED.make(model, n=5, seed=1)
    run = CircuitRun(model, task, "resample", 3, draws=3)
    drawn = donors_of(same_group(task), 3, 3)
    assert drawn.shape == (3, 5)
    mask = np.random.default_rng(0).random((2, run.graph.n_edges)) < 0.7
    alone = []
    for row in drawn:
        given = replace(task, corrupted=[task.corrupted[donor] for donor in row])
        one = CircuitRun(model, given)
        alone.append(one.measure_with(mask, (one.metric, one.divergence)))
    np.testing.assert_allclose(run.measure_with(mask, (run.metric, run.divergence)), np.mean(alone, 0), atol=1e-4)
    assert np.std(alone, 0).max() > 1e-3
    assert "the mean over up to 3 others" in run.sentence
    assert run.full == pytest.approx(CircuitRun(model, task).full)
