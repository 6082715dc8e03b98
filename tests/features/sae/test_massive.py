"""Tokens of massive norm are neither trained on, measured nor indexed."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from scope_widgets import Microscope, features
from scope_widgets.experiments.massive_activations import is_massive, largest_norm
from scope_widgets.features.evaluation.measured_texts import read_texts
from scope_widgets.features.probing.pooled_activations import pooled
from scope_widgets.features.training.training_rows import TrainingRows
from tests.support.planted_features import mean_max_cosine

TEXTS = ["When Mary and John went to the store, John gave a drink to", "Then Tom saw the bird in the park"] * 20


@pytest.fixture(scope="module")
def sink():
    """The demo model, whose first token of a text (no longer a special one) is given a norm of 1,000 before layer 2."""
    scope = Microscope.load("demo")
    tokenizer, model = scope.tokenizer, scope.model
    embedding = model.get_input_embeddings().weight
    with torch.no_grad():
        embedding[tokenizer.bos_token_id] *= 1000 / embedding[tokenizer.bos_token_id].norm()
    tokenizer.__class__ = type("NothingSpecial", (type(tokenizer),), {"all_special_ids": []})
    return Microscope.for_model(model, tokenizer)


@pytest.fixture(scope="module")
def recording(sink, tmp_path_factory):
    return features.record(sink, TEXTS, layers=1, folder=tmp_path_factory.mktemp("rec") / "rec", progress=False)


@pytest.fixture(scope="module")
def sae(sink, recording):
    return features.train(recording, d_sae=64, k=4, steps=300, batch=128, progress=False)


def test_what_is_massive_is_said_by_the_median():
    rows = torch.ones(9, 4)
    rows[3] *= 11
    rows[5] *= 9.9
    assert is_massive(rows, largest_norm(rows)).nonzero().flatten().tolist() == [3]
    assert not is_massive(rows[:0], largest_norm(rows[:0])).any()


def test_directions_are_found_beside_massive_rows():
    generator = torch.Generator().manual_seed(3)
    directions = torch.nn.functional.normalize(torch.randn(32, 24, generator=generator), dim=1)
    at = torch.rand(12_000, 32, generator=generator).topk(2, dim=1).indices
    values = torch.rand(12_000, 2, generator=generator) + 0.5
    rows = torch.zeros(12_000, 32).scatter_(1, at, values) @ directions
    rows[::200] = 200 * torch.randn(24, generator=generator)
    sae = features.train(rows, d_sae=48, k=2, steps=800, batch=256, progress=False)
    assert mean_max_cosine(sae.W_dec, directions) > 0.95
    assert TrainingRows(rows, None, 0).n_massive > 50


def test_the_first_tokens_are_neither_trained_on_nor_measured(sink, recording, sae):
    first = recording.table["token_pos"].to_numpy() == 0
    norms = recording.rows(1)[:].float().norm(dim=1).numpy()
    assert norms[first].min() > 10 * np.median(norms) > norms[~first].max() / 2
    rows = TrainingRows(recording, None, 0)
    assert rows.n + rows.n_massive == int((recording.table["split"].to_numpy() != "validation").sum())
    assert rows.first[0].norm(dim=1).max() < norms[first].min()
    scores = features.evaluate(sink, sae, TEXTS[:2], progress=False)
    assert scores.n_massive == 2
    assert scores.n_tokens == sum(len(sink.tokenizer(text)["input_ids"]) for text in TEXTS[:2]) - 2
    everything = features.evaluate(sink, sae, TEXTS[:2], special_tokens=True, progress=False)
    assert everything.n_massive == 0
    assert everything.n_tokens == scores.n_tokens + 2


def test_nothing_fires_there_in_an_index(sink, recording, sae, tmp_path):
    always = replace(sae, b_enc=sae.b_enc + 1e4)  # all latents fire in all rows
    index = features.index(sink, always, recording, folder=tmp_path / "index", progress=False)
    share = 1 - (recording.table["token_pos"].to_numpy() == 0).mean()
    np.testing.assert_allclose(index.table["rate"].to_numpy(), share, atol=1e-6)
    assert index.strongest(TEXTS[0]).max() < 2e4 + 500


def test_texts_are_averaged_without_them(sink, sae):
    data = read_texts(sink, TEXTS[:2], "text", None, 100, False)
    means = pooled(sink, sae, data, 0, progress=False, massive=False).dense
    rows = [sink.trace(text).residual(1)[1:].double().mean(0).numpy() for text in TEXTS[:2]]
    np.testing.assert_allclose(means, rows, atol=1e-4)
