"""Latents of autoencoders as sliders and in the list that views share, here and on a server."""

import dataclasses
import math
from functools import cache

import pytest
import torch

from scope_widgets import features, steering
from scope_widgets.models.microscope import Microscope
from scope_widgets.remote import serialization
from scope_widgets.widgets import AttentionView, Selection, SteeringPanel
from scope_widgets.widgets.core.requests import finished
from tests.support.fake_transport import fake_remote
from tests.support.latent_examples import some_sae

PROMPT = "When Mary and John went to the store, John gave a drink to"


@cache
def scope() -> Microscope:
    return Microscope.load("demo")


@cache
def latent() -> int:
    """The latent of the demo's SAE that is largest at the end."""
    sae = features.load("demo")
    return int(sae.encode(scope().trace(PROMPT).residual(sae.layer)[-1:]).to_dense()[0].argmax())


def given(strength: float = math.nan) -> list[steering.Intervention]:
    sae = features.load("demo")
    return [
        steering.ClampFeature(sae, latent(), strength, label="end"),
        steering.ScaleFeature(sae, latent(), 1.0, "last"),
    ]


def test_sliders_say_which_latent_and_go_as_far_as_the_prompt_does():
    panel = SteeringPanel(scope(), PROMPT, interventions=given())
    about = panel.interventions
    assert [one["name"] for one in about] == [f"latent 3.{latent()} (end)", f"scale latent 3.{latent()}"]
    assert [(one["kind"], one["site"], one["neutral"]) for one in about] == [
        ("clamp", "latent", None),
        ("scale", "latent", 1),
    ]
    assert panel.steered.kl == 0
    panel.strengths = [about[0]["high"], 1.0]
    assert panel.start["kl"] > 0
    panel.strengths = [None, 0.0]
    expected = steering.Session(scope(), PROMPT, [steering.ScaleFeature(features.load("demo"), latent(), 0.0, "last")])
    torch.testing.assert_close(panel.steered.logits, expected.at().logits)
    assert "latent" in panel.caption()


def test_the_code_needs_the_autoencoder_alone():
    panel = SteeringPanel(scope(), PROMPT, interventions=given(2.0))
    code = finished(panel.answer_code(panel.strengths))[0]["text"]
    assert f"# sae is the SAE {features.load('demo').latent(0).sae} of 512 latents, 'residual' of layer 3" in code
    names = {"sae": features.load("demo")}
    exec(code, names)
    again = names["SteeringPanel"](names["scope"], PROMPT, interventions=names["interventions"])
    assert torch.equal(again.steered.logits, panel.steered.logits)


def test_two_autoencoders_have_a_variable_each():
    other = some_sae("relu", d=128, layer=2)
    session = steering.Session(scope(), PROMPT, [*given(2.0), steering.ClampFeature(other, 3, 1.0)])
    names = {"scope": scope(), "sae_1": other, "sae_2": features.load("demo")}
    exec(session.code(), names)
    assert torch.equal(names["session"].at().logits, session.at().logits)


def test_views_share_them_and_of_the_same_latent_the_later_stays():
    selection = Selection()
    trace = scope().trace(PROMPT)
    view = AttentionView(trace, selection=selection)
    panel = SteeringPanel(scope(), PROMPT, interventions=given()[:1], selection=selection)
    sae = features.load("demo")
    found = view.intervene(steering.ScaleFeature(sae, latent(), 0.0))
    assert found.kl > 0
    assert [one["name"] for one in panel.interventions] == [f"scale latent 3.{latent()}"]
    (row,) = view.intervened["rows"]
    assert (row["site"], row["index"], row["strength"]) == ("latent", latent(), 0.0)
    view.intervene(steering.ScaleFeature(sae, latent() - 1, 0.0))
    assert len(panel.interventions) == 2
    twin = dataclasses.replace(sae, W_dec=2 * sae.W_dec)  # another autoencoder's latent of the same number
    view.intervene(steering.ScaleFeature(twin, latent(), 0.0))
    assert len(panel.interventions) == 3


def test_a_server_gives_the_same_and_few_vectors_travel():
    remote = fake_remote(scope())
    here, there = (SteeringPanel(one, PROMPT, interventions=given(2.0)) for one in (scope(), remote))
    assert [one["high"] for one in there.interventions] == [one["high"] for one in here.interventions]
    data, _ = finished(there.answer_steer([3.0, 0.5]))
    expected, _ = finished(here.answer_steer([3.0, 0.5]))
    assert abs(data["kl"] - expected["kl"]) < 1e-5
    swept = steering.sweep(there.session, 0)
    torch.testing.assert_close(
        torch.tensor(swept.kl), torch.tensor(steering.sweep(here.session, 0).kl), atol=1e-5, rtol=1e-4
    )
    packed = serialization.pack(there.session, remote)
    n_latents, d = features.load("demo").d_sae, scope().d_model
    assert serialization.n_bytes(packed) < 10 * 4 * d < 4 * d * n_latents


def sizes_of(remote):
    """Return the list to which the bytes of tensors of each request are added."""
    sizes, answer = [], remote.transport._answer
    remote.transport._answer = lambda request: (sizes.append(serialization.n_bytes(request)), answer(request))[1]
    return sizes


@pytest.mark.parametrize("options", [{}, {"site": "mlp_in", "output_site": "mlp_out"}])
def test_of_the_strongest_the_encoder_travels_once_a_session(options):
    """What they are on the prompt is measured once; a text that is written on needs the encoder again."""
    remote, sae = fake_remote(scope()), some_sae("topk", d=128, layer=2, **options)
    sizes, encoder = sizes_of(remote), 4 * 128 * sae.d_sae
    given = [steering.ClampFeature(sae, 3, 4.0), steering.ScaleFeature(sae, 7, 3.0)]
    here, there = (steering.Session(one, PROMPT, given) for one in (scope(), remote))
    assert there.spans == here.spans
    assert sum(size >= encoder for size in sizes) == 1
    assert max(sizes) < 1.6 * encoder  # of two latents, too
    sizes.clear()
    for one, other in zip(there.grid([{0: 9.0}, {1: 0.0}, None]), here.grid([{0: 9.0}, {1: 0.0}, None]), strict=True):
        torch.testing.assert_close(one.logits, other.logits, atol=1e-5, rtol=1e-5)
    assert max(sizes) < encoder / 2
    with steering.steer(scope(), *given):  # which measures nothing before
        expected = scope().trace(PROMPT).logits[-1]
    torch.testing.assert_close(here.at().logits, expected, atol=1e-4, rtol=1e-4)
    written = [list(one.continuations([None], max_new_tokens=3))[-1] for one in (there, here)]
    assert written[0] == written[1]
    assert max(sizes) >= encoder


def test_behind_another_intervention_they_are_ranked_anew():
    remote, sae = fake_remote(scope()), some_sae("topk", d=128, layer=2)
    given = [steering.ScaleHead(1, 0, 0.0), steering.ClampFeature(sae, 3, 4.0)]
    here, there = (steering.Session(one, PROMPT, given) for one in (scope(), remote))
    sizes = sizes_of(remote)
    torch.testing.assert_close(there.at().logits, here.at().logits, atol=1e-5, rtol=1e-5)
    assert max(sizes) >= 4 * 128 * sae.d_sae
    with steering.steer(scope(), *given):  # which measures nothing before
        expected = scope().trace(PROMPT).logits[-1]
    torch.testing.assert_close(here.at().logits, expected, atol=1e-4, rtol=1e-4)
    changed = there.submit_changed(given[1:]).result()
    sizes.clear()
    with steering.steer(scope(), given[1]):
        expected = scope().trace(PROMPT).logits[-1]
    torch.testing.assert_close(changed.at().logits, expected, atol=1e-4, rtol=1e-4)
    assert max(sizes) < 4 * 128 * sae.d_sae / 2


def test_the_size_of_a_large_request_is_said():
    draw = torch.Generator().manual_seed(0)
    n = 3000
    sae = features.SAE(torch.randn(128, n, generator=draw), torch.randn(n, 128, generator=draw), torch.zeros(n),
                       torch.zeros(128), "topk", 4, layer=2)  # fmt: skip
    job = steering.Session.submit_new(fake_remote(scope()), PROMPT, [steering.ClampFeature(sae, 3, 4.0)])
    assert "sending 2 MB to the server" in [status.text for status in job]
