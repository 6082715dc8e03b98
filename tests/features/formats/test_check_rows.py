"""An SAE that does not reconstruct a model's rows is said to at load, with what is likely wrong."""

import random
import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch

from scope_widgets import features
from scope_widgets.features.formats import check_rows as module
from scope_widgets.features.formats.check_rows import check_rows
from scope_widgets.features.sae.measures import explained_variance
from scripts import demo_language as language
from tests.support.mlp_rows import mlp_rows


@pytest.fixture(scope="module")
def sae():
    return features.load("demo")


def test_one_that_fits_is_taken_in_silence(demo, sae, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        again = features.load(sae.save(tmp_path), scope=demo)
    assert check_rows(demo, again) > 0.5


@pytest.mark.parametrize("layer", [2, 4])
def test_another_layer_is_named(demo, sae, layer):
    with pytest.warns(UserWarning, match="of rows of layer 3"):
        check_rows(demo, replace(sae, layer=layer))


def changed(sae, W_enc=1.0, W_dec=1.0):
    return replace(sae, W_enc=sae.W_enc * W_enc, W_dec=sae.W_dec * W_dec, b_dec=sae.b_dec * W_dec)


def test_a_scale_that_was_not_folded_is_named(demo, sae):
    """As trained on rows of a mean norm of sqrt(d), and saved without the factor."""
    x = module._pairs(demo, "residual", "residual", [3])[3][0]
    factor = float(x.shape[1] ** 0.5 / x.norm(dim=1).mean())
    assert not 0.5 < factor < 2  # else there is nothing to be named
    with pytest.warns(UserWarning, match="scaled to a mean norm"):
        check_rows(demo, changed(sae, 1 / factor, factor))


def test_what_was_done_to_the_rows_is_named(demo, monkeypatch):
    """An SAE of rows without their mean, and one whose bias is far from 0 and is taken off."""
    draw = torch.Generator().manual_seed(1)
    x = torch.randn(64, 3, generator=draw) @ torch.randn(3, 32, generator=draw)
    x = x - x.mean(1, keepdim=True)
    basis = torch.linalg.svd(x, full_matrices=False).Vh[:3]
    both = torch.cat([basis, -basis])  # exact: each direction and its opposite
    sae = features.SAE(both.T.contiguous(), both, torch.zeros(6), torch.zeros(32), layer=3)
    rows = x + 9 * torch.randn(64, 1, generator=draw)
    monkeypatch.setattr(module, "_pairs", lambda *_: {3: (rows, rows)})
    with pytest.warns(UserWarning, match="explains 1 of rows without their mean"):
        check_rows(demo, sae)
    bias = torch.full((32,), 5.0)
    monkeypatch.setattr(module, "_pairs", lambda *_: {3: (x + bias, x + bias)})
    assert check_rows(demo, replace(sae, b_dec=bias)) == pytest.approx(1)
    rows = x + bias + basis[0] * 30
    monkeypatch.setattr(module, "_pairs", lambda *_: {3: (rows, rows)})
    off = replace(sae, b_dec=bias + basis[0] * 30, subtracts_b_dec=False)
    with pytest.warns(UserWarning, match="explains 1 of the rows with b_dec taken off"):
        check_rows(demo, off)


@pytest.fixture(scope="module")
def transcoder(demo, tmp_path_factory):
    """One of the MLP of block 1."""
    rng = random.Random(5)
    texts = [language.render(language.paragraph(rng)) for _ in range(150)] + list(module._TEXTS)
    rec = features.record(
        demo, texts, layers=1, site="mlp_in", target="mlp_out", folder=tmp_path_factory.mktemp("rec"), progress=False
    )
    return features.train(rec, target="mlp_out", d_sae=128, k=12, steps=300, batch=512, progress=False)


def test_a_transcoder_is_tried_on_what_its_mlp_gets_and_writes(demo, transcoder, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        again = features.load(transcoder.save(tmp_path), scope=demo)
    ids = [demo.trace(text).token_ids for text in module._TEXTS]
    kept = [~torch.isin(one[1:], torch.tensor(demo.tokenizer.all_special_ids)) for one in ids]
    pairs = [mlp_rows(demo, 1, one.tolist()) for one in ids]
    x, y = (
        torch.cat([one[1:][keep] for one, keep in zip(some, kept, strict=True)]) for some in zip(*pairs, strict=True)
    )
    assert check_rows(demo, again) == pytest.approx(explained_variance(y, again(x)), abs=1e-5)
    assert check_rows(demo, again) > 0.5


def test_what_is_wrong_with_a_transcoder_is_named(demo, transcoder):
    for layer in (0, 2):
        with pytest.warns(UserWarning, match=r"mlp_in to mlp_out of layer .* of rows of layer 1"):
            check_rows(demo, replace(transcoder, layer=layer))
    x, y = module._pairs(demo, "mlp_in", "mlp_out", [1])[1]
    into, out_of = (float(one.shape[1] ** 0.5 / one.norm(dim=1).mean()) for one in (x, y))
    scaled = replace(
        transcoder, W_enc=transcoder.W_enc / into, W_dec=transcoder.W_dec * out_of, b_dec=transcoder.b_dec * out_of
    )
    with pytest.warns(UserWarning, match="scaled to a mean norm"):
        check_rows(demo, scaled)
    eye = torch.eye(128)
    own = replace(transcoder, W_enc=torch.cat([eye, -eye], 1), W_dec=torch.cat([eye, -eye]), b_enc=torch.zeros(256),
                  b_dec=torch.zeros(128), activation="relu", threshold=None)  # fmt: skip
    with pytest.warns(UserWarning, match="explains 1 of mlp_in itself, as an autoencoder"):
        check_rows(demo, own)
    with pytest.raises(ValueError, match="mlp_in and mlp_out of layers 0 to 3"):
        check_rows(demo, replace(transcoder, layer=4))
    narrow = replace(transcoder, W_dec=transcoder.W_dec[:, :9], b_dec=transcoder.b_dec[:9])
    with pytest.raises(ValueError, match="with outputs of width 9"):
        check_rows(demo, narrow)


def test_one_of_nothing_known_is_said(demo, sae):
    other = torch.randn(sae.W_enc.shape, generator=torch.Generator().manual_seed(0))
    with pytest.warns(UserWarning, match="may be of another model"):
        check_rows(demo, replace(sae, W_enc=other, W_dec=other.T.contiguous()))


def test_what_cannot_be_is_an_error(demo, sae):
    with pytest.raises(ValueError, match="layers 0 to 4"):
        check_rows(demo, replace(sae, layer=9))
    with pytest.warns(UserWarning, match="does not say of which layer"):
        assert np.isnan(check_rows(demo, replace(sae, layer=None)))
    narrow = features.train(torch.randn(64, 8), d_sae=16, k=2, steps=2)
    with pytest.raises(ValueError, match="rows of width 8"):
        check_rows(demo, replace(narrow, layer=1))
