"""A slider that does nothing, up to rounding."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from scope_widgets import Microscope, steering
from scope_widgets.steering.steered_distribution import Distribution
from tests.support.rounding_noise import noise_in_linear_layers

PROMPT = "When Mary and John went to the store, John gave a drink to"


@pytest.fixture(scope="module")
def scope() -> Microscope:
    return Microscope.load("demo")


def test_a_slider_without_effect_has_no_rank_correlation(scope: Microscope) -> None:
    direction = steering.direction(scope, layer=3, answer=" Mary", versus=" John")
    for seed in range(3):
        with noise_in_linear_layers(scope.model, seed):
            session = steering.Session(
                scope, PROMPT, [steering.AddDirection(direction, 0.1)], answer=" Mary", versus=" John"
            )
            sweep = steering.sweep(session, strengths=np.linspace(0, 1e-9, 11))
        assert len(np.unique(sweep.difference)) > 3  # what rounding makes, which has a rank correlation
        assert np.isnan(sweep.spearman)
        assert "which rounding does too" in sweep.message


def test_a_slider_with_an_effect_has_one(scope: Microscope) -> None:
    moved = steering.AddDirection(steering.direction(scope, layer=3, answer=" Mary", versus=" John"), 0.1)
    sweep = steering.sweep(steering.Session(scope, PROMPT, [moved], answer=" Mary", versus=" John"))
    assert sweep.message == ""
    assert abs(sweep.spearman) > 0.9
    assert 0 < sweep.floor < 1e-3
    # where it does nothing from some strength on, what is left there are ties
    flat = np.where(sweep.strengths > 0, 0.0, sweep.difference)
    noise = np.random.default_rng(0).normal(0, sweep.floor / 10, len(flat))
    noisy, exact = (dataclasses.replace(sweep, difference=values, loss=0 * flat) for values in (flat + noise, flat))
    assert noisy.spearman == exact.spearman


def test_equally_probable_tokens_come_by_their_id() -> None:
    logits = torch.zeros(300)
    logits[[7, 3, 290]] = 5.0
    for seed in range(3):
        noise = 1e-7 * torch.randn(300, generator=torch.Generator().manual_seed(seed))
        one = Distribution(logits + noise)
        assert one.order[:5] == [3, 7, 290, 0, 1]
        assert one.ranks([3, 7, 290, 0, 299]) == [0, 0, 0, 3, 3]
