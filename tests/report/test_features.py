"""Entries about features: an autoencoder that is set by hand to fire on known words."""

from dataclasses import replace

import pytest
import torch

from scope_widgets import Microscope, features, report
from scope_widgets.report.pages.table_rows import WITHOUT_LATENT, evidence
from scope_widgets.report.verification import features as tests
from scope_widgets.report.verification.latent_runs import LatentRuns

WORDS = ("the", "to", "and")


@pytest.fixture(scope="module")
def scope():
    return Microscope.load("demo")


@pytest.fixture(scope="module")
def sae(scope):
    """An SAE of the embeddings: each of its first latents fires on one word, and writes what it is."""
    rows = torch.randn(64, scope.d_model, generator=torch.Generator().manual_seed(0))
    made = features.train(rows, d_sae=8, k=2, architecture="topk", steps=2, batch=32, progress=False)
    ids = [scope.tokenizer.convert_tokens_to_ids(word) for word in WORDS]
    embeddings = scope.anatomy.embed.weight.detach()[ids].float()
    W_enc, W_dec = torch.zeros_like(made.W_enc), torch.zeros_like(made.W_dec)
    W_enc[:, : len(ids)] = (embeddings / embeddings.square().sum(1, keepdim=True)).T
    W_dec[: len(ids)] = 5 * embeddings
    b_enc = torch.full_like(made.b_enc, -0.8)
    return replace(
        made, W_enc=W_enc, W_dec=W_dec, b_enc=b_enc, b_dec=torch.zeros_like(made.b_dec), layer=0, activation="relu"
    )


def test_a_true_claim_is_verified_and_another_rejected(scope, sae):
    suite = report.Suite("names", (report.SUITE["ioi"],))
    some = [
        report.Entry("feature", ("0.0",), "ioi", {"fires_on": ["the"]}),
        report.Entry("feature", ("0.0",), "ioi", {"fires_on": ["to"]}, id="another word"),
        report.Entry("feature", ("0.1",), "ioi", {"fires_after": ["the"]}, id="what it is not"),
        report.Entry("feature", ("0.5",), "ioi", {"fires_on": ["the"]}, id="one that never fires"),
        report.Entry("feature", ("3.0",), "ioi", {"fires_on": ["the"]}, id="without its autoencoder"),
    ]
    done = report.document(scope, some, suite=suite).verify(scope, n=16, suite=suite, saes=sae)
    assert [entry.status for entry in done.entries] == ["verified", "rejected", "rejected", "rejected", "untested"]
    firing, ablation = done.entries[0].evidence
    assert firing.effect == 1.0
    assert firing.effect > firing.null
    assert ablation.effect > 0
    assert [row[1] for row in evidence(done.entries[0])] == ["AUC of the claim on held-out tokens", WITHOUT_LATENT]
    assert done.score.value == 0.0  # features have no edges


def test_what_is_lost_without_a_latent_is_what_runs_without_it_lose(scope, sae):
    """Each run once; the reference takes what the latent writes from the embeddings by hand."""
    rows = [[1, 5, sae_row, 7, 9] for sae_row in map(scope.tokenizer.convert_tokens_to_ids, ("the", "to"))]
    runs = LatentRuns(scope, sae, rows)
    assert runs.fires[:, 0].tolist() == [True, False]

    def loss(latent):
        ids = torch.tensor(rows[:1])
        with torch.no_grad():
            x = scope.anatomy.embed(ids)
            off = torch.zeros_like(x)
            if latent is not None:
                code = torch.relu(x[0] @ sae.W_enc + sae.b_enc)[:, latent]
                off[0, 1:] = (code[:, None] * sae.W_dec[latent])[1:]
            logits = scope.model(inputs_embeds=x - off).logits[0, :-1].double()
            return -float(logits.log_softmax(-1).gather(-1, ids[0, 1:, None]).mean())

    for _ in range(2):
        assert runs.lost_without(0, 0) == pytest.approx(loss(0) - loss(None), abs=1e-5)
    assert runs.lost_without(0, 0) != 0
    assert runs.lost_without(1, 0) == pytest.approx(0, abs=1e-6)
    assert len(runs._lost) == 2


def test_what_could_not_be_taken_out_is_not_verified(scope, sae, monkeypatch):
    suite = report.Suite("names", (report.SUITE["ioi"],))
    entry = report.Entry("feature", ("0.0",), "ioi", {"fires_on": ["the"]})
    monkeypatch.setattr(tests, "_ablation", lambda *_: [])
    (done,) = report.document(scope, [entry], suite=suite).verify(scope, n=16, suite=suite, saes=sae).entries
    assert done.status == "untested"
    assert "fewer than two of the prompts" in done.reason


def test_a_writer_says_on_which_tokens_latents_fire():
    written = report.write_features(features.load("demo"), features.FeatureIndex.load("demo"), most=5)
    assert len(written.entries) == 5
    index = features.FeatureIndex.load("demo")
    for entry in written.entries:
        tokens = index.tokens(int(entry.components[0].split(".")[1]))
        share = tokens[tokens["token"].isin(entry.claim["fires_on"])]["share"].sum()
        assert share >= 0.9


def test_with_a_model_a_writer_tries_claims_first_and_they_hold_on_other_prompts(scope):
    suite = report.Suite("names", (report.SUITE["ioi"],))
    sae, index = features.load("demo"), features.FeatureIndex.load("demo")
    written = report.write_features(sae, index, scope=scope, behaviour="ioi", most=3, n=24, suite=suite)
    assert len(written.entries) == 3
    assert len(set(written.seen)) == 24
    discovery = {"ioi": list(written.seen)}
    made = report.document(scope, written.entries, discovery=discovery, suite=suite)
    done = made.verify(scope, n=24, suite=suite, saes=sae)
    assert done.of("verified")
    # the claims hold; whether more is lost without a latent than chance differs by the prompts that are drawn
    for entry in (*done.of("verified"), *done.of("rejected")):
        assert entry.evidence[0].effect >= 0.8
        assert entry.evidence[0].low > entry.evidence[0].null
