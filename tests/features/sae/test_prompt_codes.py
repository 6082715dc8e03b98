"""What fires on prompts of a model on a server: by the least traffic, and with the same numbers."""

from dataclasses import replace

import pytest
import torch

from scope_widgets import Microscope, features
from scope_widgets.features.sae import prompt_codes as module
from scope_widgets.features.sae.encoder import encoder_of
from scope_widgets.features.sae.prompt_codes import prompt_codes, sends_weights, submit_prompt_codes
from scope_widgets.models.microscope import LocalMicroscope
from scope_widgets.remote import serialization
from scope_widgets.remote.errors import ServerDownError
from tests.support.fake_transport import fake_remote
from tests.support.latent_examples import KINDS, N, some_sae

PROMPTS = ["When Mary and John went to the store", "the dog runs", "John gave a drink to Mary"]


@pytest.fixture(scope="module")
def scope():
    return Microscope.load("demo")


@pytest.fixture(scope="module")
def rows(scope):
    return [scope.trace(one).token_ids.tolist() for one in PROMPTS]


def expected(scope, rows, sae):
    return [sae.encode(scope.trace([row]).residual(2)[0]).to_dense() for row in rows]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("modules", "asked"), [(10**5, ["read"]), (-(10**9), ["_encoded_there"])])
def test_the_codes_are_those_of_here_either_way_and_one_request(scope, rows, kind, modules, asked, monkeypatch):
    monkeypatch.setattr(module, "_MODULES", modules)
    sae, remote = some_sae(kind, d=128, layer=2), fake_remote(scope)
    dense = expected(scope, rows, sae)
    for found in (prompt_codes(remote, rows, sae), submit_prompt_codes(remote, rows, sae).result()):
        for one, other in zip(found, dense, strict=True):
            torch.testing.assert_close(one.to_dense(), other, atol=2e-5, rtol=1e-5)
    assert remote.transport.asked == asked * 2
    special = scope.tokenizer.all_special_ids
    largest = prompt_codes(remote, rows, sae, special=special, largest=True)
    for row, one, other in zip(rows, largest, dense, strict=True):
        kept = torch.tensor([token not in special for token in row])
        torch.testing.assert_close(one.to_dense()[0], other[kept].amax(0), atol=2e-5, rtol=1e-5)


def test_the_rule_is_of_bytes():
    """16,384 latents of width 768, of which 32 fire: 50 MB, which 17,000 tokens pay for, and no prompt does."""
    sae = features.SAE(torch.empty(768, 16384, device="meta"), torch.empty(16384, 768, device="meta"),
                       torch.empty(16384, device="meta"), torch.empty(768, device="meta"), "topk", 32)  # fmt: skip
    size = encoder_of(sae).n_bytes
    assert size == 4 * (768 * 16384 + 16384 + 768)
    assert [sends_weights(size, tokens, sae) for tokens in (20, 2000, 16384, 20_000)] == [False, False, False, True]


def test_an_encoder_is_half_of_it():
    sae = some_sae("gated", d=32)
    x = torch.randn(5, 32)
    assert torch.equal(encoder_of(sae).encode(x).to_dense(), sae.encode(x).to_dense())
    assert encoder_of(sae).n_bytes == 4 * (32 * N + N + 2 * N + 32)


def test_what_its_training_said_does_not_travel(scope):
    sae = replace(some_sae("topk"), history={"loss": [1.0] * 1000}, metadata={"trained": "long"})
    again = serialization.unpack(serialization.pack(sae, scope), scope)
    assert (again.history, again.metadata) == ({}, {})
    assert torch.equal(again.W_enc, sae.W_enc)
    assert len(sae.history["loss"]) == 1000


def test_activations_are_read_without_our_modules_where_that_can_be(scope, rows):
    remote = fake_remote(scope)
    for site in ("residual", "mlp_in"):
        here, there = (each.read_activations(rows, [(site, 1)])[site, 1] for each in (scope, remote))
        waited = remote.submit_read(rows, [(site, 1)]).result()[site, 1]
        for row, ids in enumerate(rows):
            for found in (there, waited):
                torch.testing.assert_close(found[row, : len(ids)], here[row, : len(ids)], atol=1e-5, rtol=1e-5)
    assert remote.transport.asked == ["read", "read", "read_activations", "read_activations"]
    assert LocalMicroscope.submit_read(scope, rows, [("z", 1)]).result()["z", 1].ndim == 4


def test_latents_of_a_prompt_cost_what_is_less(scope):
    remote = fake_remote(scope)
    sae = replace(some_sae("topk", d=128, layer=2), model="demo")
    there, here = (features.latent_values(each.trace(PROMPTS[0], capture=()), sae, [3, 7]) for each in (remote, scope))
    torch.testing.assert_close(torch.tensor(there.values), torch.tensor(here.values), atol=2e-5, rtol=1e-5)
    assert remote.transport.asked == ["read"]


def test_a_lost_server_is_said_and_a_job_can_be_left(scope, rows):
    remote, sae = fake_remote(scope), some_sae("topk", d=128, layer=2)
    job = submit_prompt_codes(remote, rows, sae)
    texts = []
    for status in job:
        texts.append(status.text)
        if "queued" in status.text:
            job.cancel()
    assert texts[-1] == "queued, position 3"
    remote.transport.down = True
    with pytest.raises(ServerDownError, match="server is down"):
        submit_prompt_codes(remote, rows, sae).result()
