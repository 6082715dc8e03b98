"""Autoencoders as they are published compute here what real libraries do (tests/support/write_published_saes.py)."""

import os
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from scope_widgets import features
from scope_widgets.features.formats.pickled import read_pickle

conversion = sys.modules[features.convert.__module__]
PUBLISHED = Path(__file__).parents[2] / "fixtures" / "published_saes"
GEMMA_2 = "google/gemma-scope-2b-pt-{}/layer_20/width_16k/average_l0_71"
#: what is loaded -> site, output site, layer and model that its path or configuration says
SAFE = {
    GEMMA_2.format("res"): ("residual", "residual", 21, "google/gemma-2-2b"),
    GEMMA_2.format("transcoders"): ("mlp_in", "mlp_out", 20, "google/gemma-2-2b"),
    "google/gemma-scope-2-1b-pt/resid_post/layer_7_width_16k_l0_small": (
        "residual",
        "residual",
        8,
        "google/gemma-3-1b-pt",
    ),
    "google/gemma-scope-2-1b-pt/transcoder/layer_7_width_16k_l0_small_affine": (
        "mlp_in",
        "mlp_out",
        7,
        "google/gemma-3-1b-pt",
    ),
    "fnlp/Llama3_1-8B-Base-LXR-8x/Llama3_1-8B-Base-L15R-8x": ("residual", "residual", 16, "meta-llama/Llama-3.1-8B"),
    "circuit_tracer/relu/layer_6.safetensors": ("mlp_in", "mlp_out", 6, "google/gemma-2-2b"),
    "circuit_tracer/jumprelu/layer_6.safetensors": ("mlp_in", "mlp_out", 6, "google/gemma-2-2b"),
}
PYTHIA = ("residual", "residual", 5, "EleutherAI/pythia-70m")
PICKLES = {
    **{f"{path.parent.relative_to(PUBLISHED)}/ae.pt": PYTHIA for path in sorted(PUBLISHED.rglob("ae.pt"))},
    "openai/gpt2-small/resid_post_mlp_v4/autoencoders/8.pt": ("residual", "residual", 9, "gpt2"),
    "openai/gpt2-small/resid_delta_mlp_v5_32k/autoencoders/8.pt": ("mlp_out", "mlp_out", 8, "gpt2"),
    "Goodfire/Llama-3.1-8B-Instruct-SAE-l19/Llama-3.1-8B-Instruct-SAE-l19.pth": (
        "residual",
        "residual",
        20,
        "meta-llama/Llama-3.1-8B-Instruct",
    ),
    "Qwen/SAE-Res-Qwen3-1.7B-Base-W32K-L0_5/layer3.sae.pt": ("residual", "residual", 4, "Qwen/Qwen3-1.7B-Base"),
}


def check(sae, folder, place):
    expected = load_file(folder / "expected.safetensors")
    assert (sae.site, sae.output_site, sae.layer, sae.model) == place
    torch.testing.assert_close(sae.encode(expected["x"]).to_dense(), expected["z"], rtol=1e-5, atol=2e-5)
    torch.testing.assert_close(sae(expected["x"]), expected["y"], rtol=1e-5, atol=5e-5)


@pytest.mark.parametrize("name", SAFE)
def test_what_is_published_as_tensors_is_loaded(name, tmp_path):
    path = PUBLISHED / name
    folder = path if path.is_dir() else path.parent
    sae = features.load(path)
    check(sae, folder, SAFE[name])
    check(features.load(sae.save(tmp_path)), folder, SAFE[name])


@pytest.mark.parametrize("name", PICKLES)
def test_what_is_published_as_pickles_is_converted(name, tmp_path, monkeypatch):
    if not name.startswith("openai"):  # a process for each would be two seconds for each
        monkeypatch.setattr(conversion, "_rewrite", lambda one, other: read_pickle.main(str(one), str(other)))
    path = PUBLISHED / name
    sae = features.convert(path, tmp_path)
    check(sae, path.parent, PICKLES[name])
    check(features.load(tmp_path), path.parent, PICKLES[name])
    with pytest.raises(ValueError, match=r"features\.convert"):
        features.load(path)


class Runs:
    def __reduce__(self):
        return os.system, ("touch ran",)


def test_a_pickle_that_runs_code_does_not(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"encoder.weight": torch.zeros(2, 2), "b_dec": Runs()}, "ae.pt")
    with pytest.raises(ValueError, match="texts alone, and nothing else is read .it holds objects of other classes"):
        features.convert("ae.pt", "sae")
    assert sorted(one.name for one in tmp_path.iterdir()) == ["ae.pt"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'{"text": "Mary gave John a book"}\n', "it does not begin as such a file"),
        (b"", "it does not begin as such a file"),
        (b"PK\x03\x04 and then nothing of it", "it is damaged"),
    ],
)
def test_what_is_no_pickle_is_said_in_our_words(content, said, tmp_path):
    """Torch's own message is cut, and tells how to run what is in the file."""
    (tmp_path / "texts.jsonl").write_bytes(content)
    with pytest.raises(ValueError, match=rf"is no file of torch\.save .*\({said}.*\)\.$") as caught:
        features.convert(tmp_path / "texts.jsonl", tmp_path / "q")
    assert not any(word in str(caught.value) for word in ("weights_only", "Error", "..."))
    assert not (tmp_path / "q").exists()


def test_what_cannot_be_converted_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(conversion, "_rewrite", lambda one, other: read_pickle.main(str(one), str(other)))
    shutil.copy(PUBLISHED / "dictionary_learning/BatchTopKSAE/ae.pt", tmp_path)
    with pytest.raises(ValueError, match=r"config\.json, which names the class"):
        features.convert(tmp_path / "ae.pt", tmp_path / "sae")
    shutil.copy(PUBLISHED / "Qwen/SAE-Res-Qwen3-1.7B-Base-W32K-L0_5/layer3.sae.pt", tmp_path)
    with pytest.raises(ValueError, match="give k="):
        features.convert(tmp_path / "layer3.sae.pt", tmp_path / "sae")
    assert features.convert(tmp_path / "layer3.sae.pt", tmp_path / "sae", k=7).k == 7
    torch.save({"other": torch.zeros(3)}, tmp_path / "other.pt")
    with pytest.raises(ValueError, match="it holds 'other'"):
        features.convert(tmp_path / "other.pt", tmp_path / "sae")


def test_an_archive_that_claims_too_much_is_refused(tmp_path):
    np.savez_compressed(tmp_path / "params.npz", W_enc=np.zeros((4000, 4000)))
    with pytest.raises(ValueError, match="more than it can"):
        features.load(tmp_path)


def test_a_norm_that_is_none_is_said(tmp_path):
    shutil.copytree(PUBLISHED / "fnlp/Llama3_1-8B-Base-LXR-8x/Llama3_1-8B-Base-L15R-8x", tmp_path / "sae")
    config = tmp_path / "sae" / "hyperparams.json"
    config.write_text(config.read_text().replace('"in": 9.0', '"in": 0'))
    with pytest.raises(ValueError, match="mean norm is 0"):
        features.load(tmp_path / "sae")


def test_a_file_of_other_tensors_is_no_sae(tmp_path):
    save_file({"a": torch.zeros(2)}, tmp_path / "a.safetensors")
    with pytest.raises(ValueError, match="holds no SAE that is known"):
        features.load(tmp_path / "a.safetensors")
