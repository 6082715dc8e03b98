"""Patching between runs that differ by rounding only, and ties that rounding makes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from scope_widgets import Microscope, patching
from scope_widgets.widgets.patching_map.cells import values_of
from tests.support.rounding_noise import noise_in_linear_layers

PROMPT = "When Mary and John went to the store, John gave a drink to"
OTHER = "When Mary and John went to the store, Mary gave a drink to"
ANSWERS = {"answer": " Mary", "versus": " John"}


@pytest.fixture(scope="module")
def scope() -> Microscope:
    return Microscope.load("demo")


@pytest.fixture
def noisy(scope: Microscope) -> Iterator[Microscope]:
    with noise_in_linear_layers(scope.model):
        yield scope


@pytest.mark.parametrize("metric", [None, "log_probability", "probability", "kl", lambda logits: logits[5] - logits[9]])
@pytest.mark.parametrize(
    "analysis", [patching.attribution, patching.activations, patching.paths], ids=lambda one: one.__name__
)
def test_identical_prompts_have_no_effects_to_share(noisy: Microscope, analysis: Any, metric: Any) -> None:
    options = {"positions": [-1]} if analysis is not patching.paths else {"positions": -1, "senders": [(3, 1)]}
    result = analysis(noisy, PROMPT, PROMPT, **ANSWERS, metric=metric, **options)
    assert np.isnan(result.values).all()
    assert np.isnan(result.per_prompt).all()
    assert "up to rounding" in result.message
    assert result.floor == np.inf
    assert len(result.top()) == 0
    assert np.isposinf(values_of(result)[0]).all()  # the view says "undefined", not "not run"
    assert np.isinf(type(result).from_json(result.to_json()).floor)


def test_what_is_no_effect_at_all_may_still_be_patched(scope: Microscope) -> None:
    result = patching.attribution(scope, PROMPT, OTHER, **ANSWERS, positions=[-1])
    assert result.message == ""
    assert 0 < result.floor < 1e-4  # float32, by far not what a reader sees
    assert np.isfinite(result.values).all()


def test_cells_that_are_equal_by_construction_rank_by_position(scope: Microscope) -> None:
    # all positions of the stream at once make the other run, whatever the layer: 1 in every cell
    for seed in range(3):
        with noise_in_linear_layers(scope.model, seed):
            result = patching.activations(scope, PROMPT, OTHER, **ANSWERS, over="residual", positions="all")
        assert len(np.unique(result.values)) > 1  # in float32 they are not quite equal
        np.testing.assert_allclose(result.values, 1, atol=result.floor)
        assert result.top(9)["layer"].tolist() == list(range(scope.n_layers + 1))


def test_a_divergence_from_itself_has_no_share_to_lose(noisy: Microscope) -> None:
    for lost in (
        patching.ablate(noisy, PROMPT, [(3, 1)]),
        patching.attention_knockout(noisy, PROMPT, [(-1, 2)], heads=[(3, 1)]),
    ):
        assert np.isnan(lost.lost)
        assert "no share of it can be lost" in lost.message
        assert (lost.kl >= 0).all()
    real = patching.ablate(noisy, PROMPT, [(3, 1)], **ANSWERS)
    assert np.isfinite(real.lost)
    assert real.message == ""


def test_no_effect_depends_on_the_number_of_cells_at_once(scope: Microscope, monkeypatch: pytest.MonkeyPatch) -> None:
    together = patching.activations(scope, [PROMPT, OTHER], [OTHER, PROMPT][::-1], answer=[" Mary", " John"],
                                    versus=[" John", " Mary"], over="mlp_out", positions=[-1])  # fmt: skip
    assert np.isnan(together.values).all()  # the same prompts, so nothing to share
    whole = patching.activations(scope, PROMPT, OTHER, **ANSWERS, over="head", positions=[-1, 9])
    monkeypatch.setattr("scope_widgets.patching.patching_experiment.MOST", 1)
    monkeypatch.setattr("scope_widgets.patching.patching_experiment.ENOUGH", 1)
    single = patching.activations(scope, PROMPT, OTHER, **ANSWERS, over="head", positions=[-1, 9])
    np.testing.assert_allclose(single.values, whole.values, atol=whole.floor)
