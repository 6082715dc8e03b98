"""Ranks, tests and labels of scores that differ by rounding only."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from scope_widgets import Microscope, heads
from scope_widgets._provenance import Provenance
from scope_widgets.heads.null_distribution import shared_p
from tests.support.rounding_noise import noise_in_linear_layers

ULP = float(np.spacing(np.float32(1)))


def _noise(shape: tuple[int, ...], seed: int) -> Any:
    return ULP * np.random.default_rng(seed).integers(-1, 2, shape)


@pytest.mark.parametrize("seed", range(3))
def test_heads_with_the_same_score_rank_by_position(seed: int) -> None:
    scores = np.array([[0.5, 1.0, 0.2], [1.0, 0.2, 1.0]]) + _noise((2, 3), seed)
    made = heads.HeadScores({"previous_token": scores}, {}, 1, Provenance("m"))
    assert [one[:2] for one in made.top("previous_token", 6)] == [(0, 1), (1, 0), (1, 2), (0, 0), (0, 2), (1, 1)]


@pytest.mark.parametrize("seed", range(3))
def test_a_score_at_its_threshold_has_the_label(seed: int) -> None:
    scores = np.full((2, 2), 0.4) + _noise((2, 2), seed)
    statistics = {"induction": scores, "duplicate_token": scores + _noise((2, 2), 7 + seed)}
    found = heads.label(heads.HeadScores(statistics, {}, 1, Provenance("m")))
    assert found.label == ["induction", "duplicate_token"] * 4  # a tie: in the order of the labels


@pytest.mark.parametrize("test", ["t", "welch", "paired-t", "mann-whitney"])
def test_equal_scores_make_no_difference(test: Any) -> None:
    a = np.broadcast_to(np.linspace(0.1, 0.9, 6).reshape(2, 3), (12, 2, 3))
    for seed in range(3):
        # of one sign, so that a test of the numbers as they are would see it
        noisy = heads.compare_heads(a + abs(_noise(a.shape, seed)), a, test=test)
        exact = heads.compare_heads(a, a, test=test)
        np.testing.assert_array_equal(noisy.p, exact.p)
        assert len(set(exact.p.astype(str))) == 1  # undefined (of ranks: 1), whatever the mean of 12 equal scores is
        assert not noisy.different.any()


def test_a_draw_that_ties_reaches_the_score() -> None:
    for seed in range(3):
        draws = np.full((9, 4), 0.7) + _noise((9, 4), seed)
        assert (shared_p(np.full(4, 0.7), draws) == 1).all()


def test_the_importance_of_heads_hardly_depends_on_the_batch_or_on_noise() -> None:
    scope = Microscope.load("demo")
    prompt = "When Mary and John went to the store, John gave a drink to"
    scores = heads.importance(scope, prompt, batch=32)
    single = heads.importance(scope, prompt, batch=1)
    with noise_in_linear_layers(scope.model):
        noisy = heads.importance(scope, prompt)
    for other in (single, noisy):
        np.testing.assert_allclose(other["kl"], scores["kl"], rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(other["loss"], scores["loss"], rtol=1e-4, atol=1e-5)
        assert (other["kl"] >= 0).all()
