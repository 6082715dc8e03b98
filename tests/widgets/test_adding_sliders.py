"""Sliders that are added from the page: directions between words and texts, neurons, latents."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from scope_widgets import steering
from scope_widgets.features import FeatureIndex
from scope_widgets.widgets import SteeringPanel
from scope_widgets.widgets.core.requests import finished

PROMPT = "When Mary and John went to the store, John gave a drink to"


@pytest.fixture
def panel(demo: Any) -> SteeringPanel:
    return SteeringPanel(demo, PROMPT, answer=" Mary", versus=" John")


def test_words_make_the_direction_between_their_tokens(demo: Any, panel: SteeringPanel) -> None:
    finished(panel.answer_add_words("Mary", " John ", demo.n_layers))
    expected = steering.direction(demo, answer=" Mary", versus=" John", layer=demo.n_layers)
    (added,) = panel.session.interventions
    np.testing.assert_array_equal(added.direction.vector, expected.vector)
    assert [one["name"] for one in panel.interventions] == ["add Mary over John"]
    assert panel.strengths == [0.0]
    before = panel.steered.difference
    panel.strengths = [0.5]
    assert panel.steered.difference > before
    assert "answer=' Mary', versus=' John'" in panel.answer_code([0.5])[0]["text"]


def test_texts_make_the_difference_of_their_means(demo: Any, panel: SteeringPanel) -> None:
    finished(panel.answer_add_texts("the dogs\n\n the cats ", "the dog\nthe cat", 2))
    expected = steering.direction(demo, positive=["the dogs", "the cats"], negative=["the dog", "the cat"], layer=2)
    np.testing.assert_array_equal(panel.session.interventions[0].direction.vector, expected.vector)
    assert panel.interventions[0]["name"] == "add the dogs over the dog"


def test_neurons_and_latents_are_free_at_first(demo: Any, panel: SteeringPanel) -> None:
    index = FeatureIndex.load("demo", scope=demo)
    with pytest.raises(ValueError, match="no autoencoder"):
        panel.answer_add_latent(3)
    panel.index_of = lambda: index
    panel.answer_add_neuron(1, 5)
    panel.answer_add_latent(3)
    assert [one["site"] for one in panel.interventions] == ["neuron", "latent"]
    assert panel.steered.kl == 0


@pytest.mark.parametrize(
    ("name", "args", "said"),
    [
        ("words", ("", "John", 3), "two words"),
        ("words", (7, "John", 3), "two words"),
        ("words", ("Mary gave", "John", 3), "several tokens .* two texts"),
        ("words", ("Mary", "John", 99), "layer="),
        ("words", ("Mary", "Mary", 3), "Mary"),
        ("texts", ("", "the dog", 2), "more like"),
        ("texts", ("the dog", "a\n" * 300, 2), "less like"),
        ("texts", ("the dog", "the dog", 2), "zero direction"),
    ],
)
def test_what_makes_no_direction_says_why_and_adds_nothing(
    panel: SteeringPanel, name: str, args: tuple[Any, ...], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        finished(getattr(panel, f"answer_add_{name}")(*args))
    with pytest.raises(ValueError):
        panel.answer_add_neuron(99, 0)
    with pytest.raises(ValueError):
        panel.answer_add_neuron(0, 10**9)
    assert panel.interventions == []
