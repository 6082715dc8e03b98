"""What latents do on tokens is what dense encodings say."""

import numpy as np
import pytest
import torch

from scope_widgets import Microscope, features

PROMPT = "When Mary and John went to the store, John gave a drink to"


@pytest.fixture(scope="module")
def scope():
    return Microscope.load("demo")


def test_a_latent_of_codes_is_a_column_of_the_dense():
    dense = torch.randn(30, 12, generator=torch.Generator().manual_seed(0)).relu()
    codes = features.SparseCodes.from_dense(dense)
    for j in range(12):
        assert torch.equal(codes.of_latent(j), dense[:, j])
    with pytest.raises(IndexError, match="There is no latent 12: there are 0 to 11"):
        codes.of_latent(12)
    with pytest.raises(TypeError, match="A latent is a whole number"):
        codes.of_latent(1.5)


def test_latents_on_a_prompt(scope):
    trace, sae = scope.trace(PROMPT), features.load("demo")
    dense = sae.encode(trace.residual(3)).to_dense().numpy()
    wanted = np.argsort(-dense.max(0))[:3].tolist()
    found = features.latent_values(trace, sae, wanted)
    assert found.names == [f"latent {j}" for j in wanted]
    np.testing.assert_array_equal(found.values, dense[:, wanted].T)
    again = features.latent_values(scope.trace(PROMPT, capture=("z",)), sae, wanted[0])  # which runs the prompt again
    np.testing.assert_allclose(again.values[0], dense[:, wanted[0]], atol=1e-5)


def test_what_cannot_be_read_is_said(scope):
    trace, sae = scope.trace(PROMPT), features.load("demo")
    with pytest.raises(TypeError, match="sae= is an SAE"):
        features.latent_values(trace, "demo", 3)
    with pytest.raises(TypeError, match="latents= are whole numbers"):
        features.latent_values(trace, sae, "x")
    with pytest.raises(ValueError, match="name at least one latent"):
        features.latent_values(trace, sae, [])
    with pytest.raises(IndexError, match="There is no latent 512"):
        features.latent_values(trace, sae, 512)
    with pytest.raises(ValueError, match="one prompt and this trace has 2"):
        features.latent_values(scope.trace(["the dog", "the cat runs"]), sae, 1)
    nowhere = features.train(torch.randn(64, 128), d_sae=8, k=2, steps=2)
    with pytest.raises(ValueError, match="does not say of which layer"):
        features.latent_values(trace, nowhere, 1)


def test_tokens_of_massive_norm_have_no_number(scope, monkeypatch):
    trace, sae = scope.trace(PROMPT), features.load("demo")
    plain = features.latent_values(trace, sae, 3).values
    inner = type(trace).residual
    monkeypatch.setattr(
        type(trace),
        "residual",
        lambda trace, layer: inner(trace, layer) * torch.eye(len(trace.tokens))[0].mul(500).add(1)[:, None],
    )
    found = features.latent_values(trace, sae, 3)
    assert np.isnan(found.values[0, 0])
    np.testing.assert_array_equal(found.values[:, 1:], plain[:, 1:])
    assert "massive" in found.provenance.note


def test_an_example_of_an_index(scope, tmp_path):
    texts = [f"{name} gave John a book and the dog runs" for name in ("Mary", "Anna", "Tom", "Lucy")] * 3
    rec = features.record(scope, texts, layers=3, folder=tmp_path / "rec", progress=False)
    sae = features.load("demo")
    index = features.index(scope, sae, rec, folder=tmp_path / "index", progress=False)
    dense = sae.encode(rec.rows(3)[:].float()).to_dense().numpy()
    table, j = rec.table, int(dense.mean(0).argmax())
    row = int(index.top(j).row[0])
    sample = np.flatnonzero(table.sample_id == table.sample_id[row])
    around = sample[(sample >= row - 15) & (sample <= row + 8)]
    whole = index.example(j)
    assert whole.tokens == [index.text(one) for one in table.token_id[around]]
    np.testing.assert_allclose(whole.values[0], dense[around, j], atol=1e-6)
    kept = features.FeatureIndex.load(tmp_path / "index").example(j)
    known = np.isfinite(kept.values[0])
    np.testing.assert_allclose(kept.values[0][known], whole.values[0][known], atol=1e-6)
    assert (whole.values[0][~known] > 0).all()
    assert "needs the recording" in kept.provenance.note
    with pytest.raises(IndexError, match=r"is none of them"):
        index.example(j, 20)
    with pytest.raises(TypeError, match="n= is a whole number"):
        index.example(j, "first")
