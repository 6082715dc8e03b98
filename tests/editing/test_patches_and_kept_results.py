"""What was computed before a patch went on, off, or to another strength is not given for what is there after."""

import dataclasses
from functools import cache

import pytest
import torch

from scope_widgets import circuits, editing, features, heads, ioi, patching, steering
from scope_widgets.circuits.evaluation.evaluation_run import EvaluationRun
from scope_widgets.models.microscope import Microscope
from scope_widgets.widgets import SteeringPanel
from scope_widgets.widgets.core.requests import finished

CLEAN = "When Mary and John went to the store, John gave a drink to"
CORRUPTED = "When Mary and John went to the store, Mary gave a drink to"
QUESTION = {"answer": " Mary", "versus": " John"}


@pytest.fixture(scope="module")
def scope():
    return Microscope.load("demo")


@pytest.fixture(scope="module")
def latent(scope):
    sae = features.load("demo")
    return sae, int(sae.encode(scope.trace(CLEAN).residual(sae.layer)[-1:]).to_dense()[0].argmax())


@pytest.fixture
def patch(scope, latent):
    sae, j = latent
    patch = editing.FeaturePatch(scope, sae.direction(j), strength=4.0)
    yield patch
    patch.disable()


def of_session(scope, latent, kept):
    return kept.at([0.0]).logits


def of_a_losses_run(scope, latent, kept):
    return torch.tensor(kept.losses([[0.0], kept.neutral], [5, 6, 7]))


def of_a_continuation(scope, latent, kept):
    return torch.tensor([*kept.unsteered_continuation(3), *kept.at(kept.neutral).logits.tolist()])


def of_a_derived_session(scope, latent, kept):
    return kept.submit_changed([steering.ScaleFeature(latent[0], latent[1], 0.0, "last")]).result().at().logits


def of_a_panel(scope, latent, kept):
    return torch.tensor(finished(kept.answer_steer([0.0]))[0]["kl"])


def of_a_circuit(scope, latent, kept):
    return torch.tensor(kept.measure(kept.circuit.included[None]))


def of_token_streams(scope, latent, kept):
    return torch.tensor(heads.ov_tokens(scope, 2, 1, [" Mary"], n=3).to_dataframe().select_dtypes(float).to_numpy())


def session(scope, latent):
    return steering.Session(scope, CLEAN, [steering.ScaleFeature(latent[0], latent[1], 0.0)], **QUESTION)


@cache
def found(scope):
    return circuits.discover(scope, ioi.prompts(scope, n=2, seed=1).task(), "eap").keep(20)


def circuit(scope, latent):
    return EvaluationRun(scope, found(scope))  # the same edges, whatever the weights


KEPT = {
    "a session": (session, of_session),
    "a session's losses": (session, of_a_losses_run),
    "a session's continuation": (session, of_a_continuation),
    "a session of a session": (session, of_a_derived_session),
    "a panel": (lambda scope, latent: SteeringPanel(session=session(scope, latent)), of_a_panel),
    "a circuit's runs": (circuit, of_a_circuit),
    "the vocabulary's streams": (lambda *_: None, of_token_streams),
}


@pytest.mark.parametrize("kind", KEPT)
def test_what_is_kept_follows_a_patch(scope, latent, patch, kind):
    make, ask = KEPT[kind]
    kept = make(scope, latent)

    def now():
        return ask(scope, latent, kept).double()

    def anew():
        return ask(scope, latent, make(scope, latent)).double()

    base = now()
    moved = []
    for change in (
        patch.enable,
        lambda: setattr(patch, "strength", 9.0),
        patch.disable,
        patch.toggle,
        lambda: setattr(patch, "strength", 4.0),
        patch.remove,
    ):
        change()
        given = now()
        torch.testing.assert_close(given, anew(), atol=1e-6, rtol=1e-6)
        moved.append(not torch.allclose(given, base, atol=1e-5))
    if kind != "the vocabulary's streams":  # the patch is above the first block
        assert moved == [True, True, False, True, True, False]


def test_streams_follow_a_patch_of_the_first_block(scope, latent):
    before = of_token_streams(scope, latent, None)
    vector = steering.direction(scope, answer=" Mary", versus=" John", layer=1)
    with editing.FeaturePatch(scope, vector, strength=30.0):
        assert not torch.allclose(of_token_streams(scope, latent, None), before, atol=1e-5)
    torch.testing.assert_close(of_token_streams(scope, latent, None), before)


def test_a_map_that_was_begun_with_other_weights_is_refused_until_they_are_back(scope, patch):
    sweep = patching.sweep(scope, CLEAN, CORRUPTED, **QUESTION, over="mlp_out")
    expected = patching.activations(scope, CLEAN, CORRUPTED, **QUESTION, over="mlp_out")
    patch.enable()
    with pytest.raises(RuntimeError, match="weights of demo have changed"):
        sweep.submit().result(progress=False)
    patch.disable()
    sweep.submit().result(progress=False)
    torch.testing.assert_close(torch.tensor(sweep.result.values), torch.tensor(expected.values), equal_nan=True)


def test_an_index_says_what_fires_with_the_patch(scope, latent, patch):
    sae, j = latent
    index = features.FeatureIndex.load("demo", scope=scope)
    before = index.search(fires_on=CLEAN)
    with patch:
        after = index.search(fires_on=CLEAN)
        codes = sae.encode(scope.trace(CLEAN).residual(sae.layer)).to_dense()[1:].amax(0)
    assert not before.equals(after)
    column = after.set_index("feature")["match"]
    torch.testing.assert_close(float(column[j]), float(codes[j]), rtol=1e-3, atol=1e-3)
    assert before.equals(index.search(fires_on=CLEAN))


def test_a_direction_of_a_latent_has_its_patch_exported_with_what_it_is_of(scope, latent, tmp_path):
    sae, j = latent
    found = sae.direction(j)
    assert dataclasses.replace(found, recipe={}).code() == found.code()
    again = steering.Direction.load(found.save(tmp_path / "latent.safetensors"))
    assert again.provenance.note == found.provenance.note
