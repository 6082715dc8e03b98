"""Latents of the demo's SAE that fire on one name: clamped where another stands, they make the model say theirs."""

import numpy as np
import pytest

from scope_widgets import features, steering
from scripts import demo_language as language
from tests.support.name_latents import name_latents, rises


@pytest.fixture(scope="module")
def latents(demo):
    return name_latents(demo)


@pytest.fixture(scope="module")
def moved(demo, latents):
    return rises(demo, latents, 100)


def test_the_latent_of_a_name_raises_its_logit_on_held_out_prompts(moved):
    assert (moved[:, 0] > 0).mean() >= 0.95
    assert np.median(moved[:, 0]) > 1


@pytest.mark.parametrize("null", [1, 2])
def test_another_latent_and_a_random_direction_of_that_length_do_not(moved, null):
    found = moved[:, null]
    assert 0.3 < (found > 0).mean() < 0.7
    assert (found > np.median(moved[:, 0])).mean() < 0.05
    assert np.median(np.abs(found)) < np.median(moved[:, 0]) / 4


def test_ablating_the_latent_of_the_name_takes_its_logit_down(demo, latents):
    sae = features.load("demo")
    named, _ = latents
    falls = []
    for prompt in [one for one in language.held_out_ioi_prompts(150, seed=12) if one.io in named][:15]:
        at = prompt.words.index(prompt.io) + 1
        ids = demo.tokenizer(prompt.text)["input_ids"]
        session = steering.Session(demo, ids, [steering.ScaleFeature(sae, named[prompt.io], 0.0, (at, at + 1))])
        token = demo.tokenizer(prompt.io, add_special_tokens=False)["input_ids"][-1]
        if session.at().kl > 0:  # else it does not fire here
            falls.append(float(session.at().logits[token] - session.at().unsteered.logits[token]))
    assert len(falls) >= 10
    assert np.mean(np.array(falls) < 0) >= 0.9
