"""An SAE that does not reconstruct a model's rows is said to at load, with what is likely wrong."""

import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch

from scope_widgets import features
from scope_widgets.features.formats import check_rows as module
from scope_widgets.features.formats.check_rows import check_rows


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
    x = module._rows(demo, "residual", [3])[3]
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
    monkeypatch.setattr(module, "_rows", lambda *_: {3: rows})
    with pytest.warns(UserWarning, match="explains 1 of rows without their mean"):
        check_rows(demo, sae)
    bias = torch.full((32,), 5.0)
    monkeypatch.setattr(module, "_rows", lambda *_: {3: x + bias})
    assert check_rows(demo, replace(sae, b_dec=bias)) == pytest.approx(1)
    monkeypatch.setattr(module, "_rows", lambda *_: {3: x + bias + basis[0] * 30})
    off = replace(sae, b_dec=bias + basis[0] * 30, subtracts_b_dec=False)
    with pytest.warns(UserWarning, match="explains 1 of the rows with b_dec taken off"):
        check_rows(demo, off)


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
