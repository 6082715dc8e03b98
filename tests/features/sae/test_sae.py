"""What an SAE is given, and of which model it says that it is."""

import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch

from scope_widgets import Microscope, features
from scope_widgets.features.sae.check_model import warn_of_another_model
from scope_widgets.features.training.run import TrainingRun


@pytest.fixture(scope="module")
def sae():
    generator = torch.Generator().manual_seed(0)
    W = torch.randn(6, 10, generator=generator)
    return features.SAE(W, W.T.contiguous(), torch.zeros(10), torch.zeros(6))


def test_arrays_are_read_as_tensors_are(sae):
    x = np.random.default_rng(0).normal(size=(5, 6))
    dense = np.maximum(x @ sae.W_enc.numpy(), 0)
    for given in (x, x.astype(np.float32), x.tolist(), torch.from_numpy(x)):
        codes = sae.encode(given)
        np.testing.assert_allclose(codes.to_dense(), dense, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(sae(x), dense @ sae.W_dec.numpy(), rtol=1e-4, atol=1e-5)


def test_what_is_no_row_or_code_is_said(sae):
    for given in ("a", ["a"], None, object()):
        with pytest.raises(TypeError, match=r"reads numbers \[row, d\].*scope\.trace"):
            sae.encode(given)
    with pytest.raises(ValueError, match="encodes rows of width 6"):
        sae.encode(np.zeros((2, 5)))
    for given in (torch.zeros(2, 10), np.zeros((2, 10)), "a"):
        with pytest.raises(TypeError, match=r"SparseCodes that encode\(\) returns.*from_dense"):
            sae.decode(given)
    with pytest.raises(ValueError, match="codes of 10 latents; these are of 4"):
        sae.decode(features.SparseCodes.from_dense(torch.ones(2, 4)))


@pytest.mark.parametrize(
    ("said", "given", "same"),
    [
        ("gpt2-small", "gpt2", True),
        ("gpt2", "openai-community/gpt2", True),
        ("google/gemma-2-2b", "/models/gemma-2-2b/", True),
        ("", "demo", True),
        ("google/gemma-2-2b", "google/gemma-2-2b-it", False),
        ("demo", "demo with shuffled weights (seed 0)", False),
    ],
)
def test_names_of_one_model(sae, said, given, same):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warn_of_another_model(given, replace(sae, model=said))
    assert (not caught) == same


@pytest.mark.parametrize("name", ["W_enc", "W_dec", "b_enc", "b_dec"])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused_at_load(sae, name, value, tmp_path):
    weights = getattr(sae, name).clone()
    weights.view(-1)[3] = value
    replace(sae, **{name: weights}).save(tmp_path)
    with pytest.raises(ValueError, match=rf"1 of the \d+ numbers of {name} are not finite"):
        features.load(tmp_path)


def test_a_latent_that_never_fires_may_have_an_infinite_threshold(sae, tmp_path):
    threshold = torch.full((10,), float("inf"))
    features.load(replace(sae, activation="jumprelu", threshold=threshold).save(tmp_path))
    threshold[0] = torch.nan
    replace(sae, activation="jumprelu", threshold=threshold).save(tmp_path)
    with pytest.raises(ValueError, match="of threshold are not finite"):
        features.load(tmp_path)


def test_what_is_no_path_is_said():
    for load in (features.load, features.Recording.load, features.FeatureIndex.load):
        with pytest.raises(TypeError, match=r"by its path, a text or a Path; got 5"):
            load(5)
    with pytest.raises(TypeError, match=r"features\.Recording\.load\('folder'\)"):
        features.Recording("folder")


def test_a_file_in_the_place_of_a_folder_is_said_before_the_work(sae, tmp_path, monkeypatch):
    scope, file = Microscope.load("demo"), tmp_path / "plain"
    file.write_text("mine")
    rec = features.record(scope, ["Mary gave John a book"] * 3, layers=1, folder=tmp_path / "rec", progress=False)
    monkeypatch.setattr(scope, "call", lambda *_: pytest.fail("the work was begun"))
    monkeypatch.setattr(TrainingRun, "go_on", lambda *_: pytest.fail("the work was begun"))
    for work in (
        lambda: sae.save(file),
        lambda: features.record(scope, ["a"], layers=1, folder=file),
        lambda: features.train(torch.randn(50, 6), k=2, folder=file),
        lambda: features.index(scope, sae, rec, folder=file),
        lambda: features.convert(tmp_path / "ae.pt", file),
    ):
        with pytest.raises(NotADirectoryError, match="is no folder, but a file"):
            work()
    assert file.read_text() == "mine"
