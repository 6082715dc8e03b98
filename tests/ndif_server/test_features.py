"""Features of the demo model on the server: the numbers that it gives here, with no more traffic than is said."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch

from scope_widgets import circuits, features, ioi, steering
from scope_widgets._job import JobStatus
from scope_widgets.widgets import FeatureBrowser, SteeringPanel
from scope_widgets.widgets.core.requests import finished
from tests.support.latent_examples import some_sae
from tests.support.result_distance import equal

PROMPT = "When Mary and John went to the store, John gave a drink to"
NAMES = ["Mary", "John", "Anna", "Tom", "Lucy", "James"]
TEXTS = [f"When {a} and {b} went to the store, {b} gave a drink to {a}" for a in NAMES for b in NAMES if a != b]


@pytest.fixture(scope="module")
def sae():
    return replace(features.load("demo"), model="demo/ioi")


@pytest.fixture(scope="module")
def ranked():
    """One of which the k strongest fire."""
    return replace(some_sae("topk", d=128, layer=2), model="demo/ioi")


def asked(scope, ask):
    """Return what `ask` gives, the requests, and the bytes there and back."""
    traffic = scope.transport.server.traffic
    before = traffic.requests, traffic.sent, traffic.received
    found = ask()
    return found, *(now - then for now, then in zip(
        (traffic.requests, traffic.sent, traffic.received), before, strict=True))  # fmt: skip


def same_codes(name, theirs, ours):
    equal(name, theirs.to_dense(), ours.to_dense())


@pytest.fixture(scope="module")
def indexed(remote, local, sae, tmp_path_factory):
    """An index of each of the two, of one recording here and of codes that came."""
    folder = tmp_path_factory.mktemp("index")
    rec = features.record(local, TEXTS, layers=sae.layer, folder=folder / "rec", progress=False)
    ours = features.index(local, sae, rec, folder=folder / "ours", progress=False)
    encoded, requests, sent, received = asked(remote, lambda: features.encode_texts(remote, sae, TEXTS, progress=False))
    assert requests == 1
    assert received < len(encoded) * sae.d_in * 2  # the activations, rounded to float16
    assert sent < 4 * sae.W_enc.numel() + 200_000  # the encoder, and our modules
    return features.index(remote, sae, encoded, folder=folder / "theirs", progress=False), ours


def test_an_index_is_made_of_codes(indexed):
    theirs, ours = indexed
    for name in ("count", "max", "example_row", "example_value", "token", "histogram"):
        equal("an index of encoded texts", theirs.arrays[name].astype(float), ours.arrays[name].astype(float))


def test_a_recording_is_that_of_the_model_here(remote, local, tmp_path):
    kept = [features.record(scope, TEXTS[:6], layers=[1, 3], folder=tmp_path / name, dtype="float32", progress=False)
            for name, scope in (("a", remote), ("b", local))]  # fmt: skip
    for layer in (1, 3):
        equal("a recording", kept[0].rows(layer)[:], kept[1].rows(layer)[:])


def test_what_fires_on_a_typed_text(remote, indexed):
    theirs, ours = indexed
    (tokens, codes), requests, sent, received = asked(remote, lambda: theirs.encode(PROMPT + " her"))
    assert (requests, tokens) == (1, ours.encode(PROMPT + " her")[0])
    assert sent < 10_000  # no text of our modules, no weights
    assert received < 4 * 128 * 20 + 4000
    same_codes("what fires on a text", codes, ours.encode(PROMPT + " her")[1])
    found = theirs.search(fires_on=PROMPT)
    assert found["feature"].tolist() == ours.search(fires_on=PROMPT)["feature"].tolist()


def test_many_texts_are_one_request_with_the_encoder(remote, local, indexed):
    theirs, ours = indexed
    clean, corrupted = TEXTS * 20, TEXTS[::-1] * 20
    found, requests, sent, received = asked(remote, lambda: features.compare(theirs, clean, corrupted))
    tokens = sum(len(local.trace(one).token_ids) for one in TEXTS[:1]) * 2 * len(clean)
    assert requests == 1
    assert sent + received < tokens * 128 * 4 / 4
    equal("compared latents", found.clean, features.compare(ours, clean, corrupted).clean)


def test_latents_of_a_prompt(remote, local, sae, ranked):
    for one, end in ((sae, " Mary"), (ranked, " her")):
        trace = remote.trace(PROMPT + end, capture=())
        theirs, requests, sent, _ = asked(remote, lambda: features.latent_values(trace, one, [3, 7]))  # noqa: B023
        assert (requests, sent < 10_000) == (1, True)
        ours = features.latent_values(local.trace(PROMPT + end), one, [3, 7])
        equal("latents of a prompt", theirs.values, ours.values)


def test_an_autoencoder_is_measured_in_one_request(remote, local, sae):
    theirs, requests, _, received = asked(remote, lambda: features.evaluate(remote, sae, TEXTS * 4, progress=False))
    ours = features.evaluate(local, sae, TEXTS * 4, progress=False)
    assert requests == 1
    assert received < 20_000
    for name in ("values", "low", "high", "random"):
        for measure, value in getattr(ours, name).items():
            equal("measures of an SAE", getattr(theirs, name)[measure], value)
    assert (theirs.n_tokens, theirs.provenance.note) == (ours.n_tokens, ours.provenance.note)


@pytest.mark.parametrize("kind", ["jumprelu", "topk"])
def test_steered_latents(remote, local, sae, ranked, kind):
    one = {"jumprelu": sae, "topk": ranked}[kind]
    given = [steering.ClampFeature(one, 3, 4.0), steering.ScaleFeature(one, 7, 2.0)]
    sessions = [steering.Session(scope, PROMPT, given) for scope in (remote, local)]
    rows = [{0: strength} for strength in np.linspace(0, 8, 5)]
    for theirs, ours in zip(*[[each.at(), *each.grid(rows)] for each in sessions], strict=True):
        equal("steered latents", theirs.logits, ours.logits)
    equal("ranges of sliders", np.array(sessions[0].spans), np.array(sessions[1].spans))


def test_a_steering_panel_of_latents(remote, local, sae):
    panels = [SteeringPanel(scope, PROMPT, interventions=[steering.ClampFeature(sae, 3, 2.0)])
              for scope in (remote, local)]  # fmt: skip
    theirs, ours = (finished(panel.answer_steer([3.0]))[0] for panel in panels)
    equal("a panel of latents", theirs["kl"], ours["kl"])


def test_a_browser_runs_what_is_typed(remote, indexed):
    theirs, ours = (finished(FeatureBrowser(index).answer_fires(PROMPT)) for index in indexed)
    assert theirs[0] == ours[0]
    for kind, one, other in zip(("<i4", "<i4", "<f4"), theirs[1], ours[1], strict=True):
        equal("a browser", np.frombuffer(one, kind).astype(float), np.frombuffer(other, kind).astype(float))


def test_where_a_latent_comes_from_is_one_request_and_says_how_far_it_is(remote, local, sae):
    below = replace(some_sae("relu", d=128, layer=1), model="demo/ioi")
    x = local.trace(PROMPT).residual(sae.layer)
    latent = int(sae.encode(x[-1:]).indices[0])
    ask = {"depth": 1, "draws": 40}
    said: list[JobStatus] = []
    before, remote.listener = remote.listener, said.append
    try:
        theirs, requests, sent, _ = asked(
            remote, lambda: features.provenance(remote, [below, sae], sae.layer, latent, [PROMPT], **ask)
        )
    finally:
        remote.listener = before
    ours = features.provenance(local, [below, sae], sae.layer, latent, [PROMPT], **ask)
    assert (requests, theirs.edges) == (1, ours.edges)
    assert sent < 8 * (sae.W_enc.numel() + below.W_enc.numel()) + 300_000
    equal("provenance of a latent", theirs.scores, ours.scores)
    assert any(status.total for status in said)


def test_a_circuit_of_latents_is_one_request(remote, local, sae):
    below = replace(some_sae("relu", d=128, layer=1), model="demo/ioi")
    task = ioi.prompts(local, n=4, seed=1).task()
    ask = {"saes": [below, sae], "steps": 2, "n_nodes": 8}
    theirs, requests, *_ = asked(remote, lambda: circuits.discover(remote, task, **ask))
    ours = circuits.discover(local, task, **ask)
    assert (requests, theirs.edges) == (1, ours.edges)
    equal("a circuit of latents", theirs.scores, ours.scores)


def test_an_encoder_of_which_the_strongest_fire_travels_once_a_session(remote, ranked):
    wide = replace(ranked, W_enc=torch.randn(128, 8192), W_dec=torch.randn(8192, 128), b_enc=torch.zeros(8192))
    sizes = []
    for n in (1, 3):
        given = [steering.ClampFeature(wide, j, 4.0) for j in range(n)]
        session, _, opening, _ = asked(remote, lambda: steering.Session(remote, PROMPT, given))  # noqa: B023
        grid = partial(session.grid, [{0: 1.0}, {0: 2.0}])
        sizes.append((opening, asked(remote, session.at)[2], asked(remote, grid)[2]))
    encoder = wide.W_enc.numel() * 4
    assert encoder * 0.8 < sizes[0][0] < encoder + 500_000
    assert sizes[1][0] < 1.05 * sizes[0][0]
    assert max(size for each in sizes for size in each[1:]) < encoder / 4  # what moves a slider is without it
