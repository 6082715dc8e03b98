"""An index that more text is added to is the index of all the text, and of the recording of all of it."""

import json
import random
import shutil

import numpy as np
import pytest
import torch

from scope_widgets import Microscope, features
from scripts import demo_language as language

LAYER = 2


@pytest.fixture(scope="module")
def scope():
    return Microscope.load("demo")


@pytest.fixture(scope="module")
def sae():
    generator = torch.Generator().manual_seed(0)
    W_dec = torch.nn.functional.normalize(torch.randn(40, 128, generator=generator), dim=1)
    return features.SAE(W_dec.T.contiguous(), W_dec, torch.zeros(40), torch.zeros(128), "topk", 4, layer=LAYER)


@pytest.fixture(scope="module")
def folder(scope, tmp_path_factory):
    """Recordings of two halves of some texts, and of all."""
    folder = tmp_path_factory.mktemp("append")
    rng = random.Random(1)
    texts = [language.render(language.paragraph(rng)) for _ in range(60)]
    for name, some in (("a", texts[:35]), ("b", texts[35:]), ("all", texts)):
        features.record(scope, some, layers=LAYER, folder=folder / name, dtype="float32", progress=False)
    return folder


def recording(folder, name):
    return features.Recording.load(folder / name)


def test_adding_is_recording_all_together(scope, sae, folder):
    options = {"folder": folder / "index", "progress": False}
    first = features.index(scope, sae, recording(folder, "a"), **options)
    features.label(first, progress=False)
    added = features.index(scope, sae, recording(folder, "b"), append=True, **options)
    whole = features.index(scope, sae, recording(folder, "all"), folder=folder / "whole", progress=False)
    assert (added.manifest.n_tokens, added.manifest.n_samples) == (whole.manifest.n_tokens, 60)
    assert added.manifest.n_tokens > first.manifest.n_tokens
    assert added.labels is None  # they were of less text
    # counts, maxima, examples, tokens, partners, histograms: all equal, floats to the rounding of the model's forward
    for name, value in whole.arrays.items():
        if value.dtype.kind == "f":
            np.testing.assert_allclose(added.arrays[name], value, rtol=1e-4, err_msg=name)
        else:
            np.testing.assert_array_equal(added.arrays[name], value, err_msg=name)
    for name, value in vars(whole.contexts).items():
        np.testing.assert_array_equal(getattr(added.contexts, name), value, err_msg=name)
    assert added.top(3)["before"].tolist() == whole.top(3)["before"].tolist()


def test_adding_is_giving_all_at_once_to_the_last_bit(scope, sae, folder):
    both = [recording(folder, name) for name in ("a", "b")]
    once = features.index(scope, sae, both, folder=folder / "once", progress=False)
    features.index(scope, sae, both[0], folder=folder / "twice", progress=False)
    features.index(scope, sae, [both[1]], folder=folder / "twice", append=True, progress=False)
    for name in ("latents.safetensors", "contexts.safetensors", "tokens.json", "index.json"):
        assert (folder / "twice" / name).read_bytes() == (folder / "once" / name).read_bytes()
    table = once.top(5)
    tables = [one.table for one in both]
    for one in table.itertuples():
        there = one.row - len(both[0])
        part, row = (1, there) if there >= 0 else (0, one.row)
        assert tables[part]["sample_id"][row] + 35 * part == one.sample_id


def test_index_and_recordings_may_move_together(scope, sae, folder, tmp_path):
    features.index(scope, sae, recording(folder, "a"), folder=folder / "moves", progress=False)
    for name in ("a", "moves"):
        shutil.copytree(folder / name, tmp_path / name)
    added = features.index(scope, sae, recording(folder, "b"), folder=tmp_path / "moves", append=True, progress=False)
    assert added.manifest.n_samples == 60


def test_what_cannot_be_added_is_said(scope, sae, folder, tmp_path):
    a, b = (recording(folder, name) for name in ("a", "b"))
    with pytest.raises(FileNotFoundError, match="There is no index in"):
        features.index(scope, sae, b, folder=tmp_path / "none", append=True)
    features.index(scope, sae, a, folder=folder / "said", progress=False)
    with pytest.raises(ValueError, match="is there twice"):
        features.index(scope, sae, a, folder=folder / "said", append=True)
    small = features.SAE(sae.W_enc[:, :8], sae.W_dec[:8], sae.b_enc[:8], sae.b_dec, layer=LAYER)
    with pytest.raises(ValueError, match="cannot be added to with"):
        features.index(scope, small, b, folder=folder / "said", append=True)
    other = features.record(scope, ["the dog"], layers=LAYER, folder=tmp_path / "other", progress=False)
    with pytest.raises(ValueError, match="have one dtype; these have float32 and float16"):
        features.index(scope, sae, [b, other], folder=tmp_path / "index")
    with pytest.raises(ValueError, match="There is no recording"):
        features.index(scope, sae, [], folder=tmp_path / "index")
    path = folder / "said" / "index.json"
    manifest = json.loads(path.read_text())
    for change, error, said in (
        ({"folder": "../gone"}, FileNotFoundError, "which is not there"),
        ({"digest": "0" * 64}, ValueError, "is not the one that the index"),
        ({"folder": 3}, ValueError, "manifest of an index"),
    ):
        changed = [manifest["recordings"][0] | change]
        path.write_text(json.dumps(manifest | {"recordings": changed}))
        with pytest.raises(error, match=said):
            features.index(scope, sae, b, folder=folder / "said", append=True)
