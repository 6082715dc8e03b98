"""IOI where the model has no preference but that of rounding."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from scope_widgets import Microscope, ioi
from scope_widgets.ioi.detection.effect_statistics import evidence
from scope_widgets.ioi.detection.model_runs import DetectionRuns
from tests.support.rounding_noise import noise_in_linear_layers


@pytest.fixture(scope="module")
def scope() -> Microscope:
    return Microscope.load("demo")


def test_where_there_is_no_preference_no_share_of_it_can_be_lost(
    scope: Microscope, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompts = ioi.prompts(scope, n=8)
    made = DetectionRuns.__init__

    def without_preference(self: DetectionRuns, *args: object) -> None:
        made(self, *args)  # type: ignore[arg-type]
        self.m_clean = self.m_abc = np.random.default_rng(0).normal(0, self.floor / 10, len(prompts))

    monkeypatch.setattr(DetectionRuns, "__init__", without_preference)
    with noise_in_linear_layers(scope.model):
        lost = ioi.ablate_heads(scope, prompts, [(3, 1)], draws=2)
        found = ioi.detect(scope, prompts)
    assert np.isnan([lost.lost, *lost.lost_at_random]).all()
    assert "no share of it can be lost" in lost.message
    assert len(found.heads) == 0
    assert "nothing whose share" in found.message
    assert found.p_behaviour == 0.5  # as where all differences are 0


def test_effects_of_rounding_are_no_evidence() -> None:
    effects = np.zeros((2, 3, 20))
    effects[0, 1] = np.random.default_rng(0).normal(0.3, 0.05, 20)
    noise = 1e-7 * np.random.default_rng(1).normal(1, 0.2, effects.shape)  # of one sign, so that a test would see it
    tested = np.ones((2, 3), dtype=bool)
    exact, noisy = (evidence(values, tested, 0, floor=1e-6) for values in (effects, effects + noise))
    assert (exact.found(0.0, 0.05) == noisy.found(0.0, 0.05)).all()
    assert noisy.p[1].tolist() == [1, 1, 1]
    assert dataclasses.astuple(evidence(effects + noise, tested, 0))[3][1].max() < 0.05
