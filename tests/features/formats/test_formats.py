"""Autoencoders that the real libraries wrote (tests/support/write_saes.py) compute here what they computed there."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from scope_widgets import features
from scope_widgets.features.formats.hook_names import hook_name, place_of

FOLDERS = sorted((Path(__file__).parents[2] / "fixtures" / "saes").iterdir())


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_latents_and_reconstruction_are_those_of_the_library(folder, tmp_path):
    expected = load_file(folder / "expected.safetensors")
    sae = features.load(folder)
    for one in (sae, features.load(sae.save(tmp_path / "again"))):
        torch.testing.assert_close(one.encode(expected["x"]).to_dense(), expected["z"], rtol=1e-5, atol=2e-5)
        torch.testing.assert_close(one(expected["x"]), expected["y"], rtol=1e-5, atol=5e-5)


@pytest.mark.parametrize("folder", [one for one in FOLDERS if "sparsify" not in one.name], ids=lambda one: one.name)
def test_what_is_written_has_the_names_and_shapes_that_saelens_writes(folder, tmp_path):
    features.load(folder).save(tmp_path)
    ours, theirs = (load_file(one / "sae_weights.safetensors") for one in (tmp_path, folder))
    assert {name: one.shape for name, one in ours.items()} == {name: one.shape for name, one in theirs.items()}
    ours, theirs = (json.loads((one / "cfg.json").read_text()) for one in (tmp_path, folder))
    assert set(theirs) - set(ours) == set()
    same = ("architecture", "d_in", "d_sae", "apply_b_dec_to_input", "reshape_activations")
    assert [ours[name] for name in same] == [theirs[name] for name in same]


def test_a_topk_of_before_version_6_is_no_relu(tmp_path):
    k, d, n = 3, 4, 10
    tensors = {"W_enc": torch.randn(d, n), "W_dec": torch.randn(n, d), "b_enc": torch.zeros(n), "b_dec": torch.zeros(d)}
    config = {
        "d_in": d,
        "d_sae": n,
        "activation_fn_str": "topk",
        "activation_fn_kwargs": {"k": k},
        "architecture": "standard",
    }
    config |= {"hook_point": "blocks.2.hook_resid_pre", "model_name": "gpt2", "normalize_activations": False}
    save_file(tensors, tmp_path / "sae_weights.safetensors")
    (tmp_path / "cfg.json").write_text(json.dumps(config))
    sae = features.load(tmp_path)
    assert (sae.activation, sae.k, sae.layer, sae.site, sae.model) == ("topk", 3, 2, "residual", "gpt2")
    assert sae.encode(torch.randn(20, d)).l0 <= k


def test_older_files_are_read_as_they_were_meant(tmp_path):
    d, n = 4, 10
    tensors = {"W_enc": torch.randn(d, n), "W_dec": torch.randn(n, d), "b_enc": torch.zeros(n), "b_dec": torch.zeros(d)}
    x = torch.randn(20, d)
    logarithm = torch.full((n,), -1.0)
    save_file({**tensors, "log_threshold": logarithm}, tmp_path / "sae_weights.safetensors")
    (tmp_path / "cfg.json").write_text(json.dumps({"architecture": "jumprelu", "normalize_activations": True}))
    p = (x - tensors["b_dec"]) @ tensors["W_enc"]
    torch.testing.assert_close(features.load(tmp_path).encode(x).to_dense(), p * (p > logarithm.exp()))
    factor = torch.rand(n) + 0.5
    save_file({**tensors, "scaling_factor": factor}, tmp_path / "sae_weights.safetensors")
    (tmp_path / "cfg.json").write_text(json.dumps({"architecture": "standard", "finetuning_scaling_factor": True}))
    torch.testing.assert_close(features.load(tmp_path)(x), (p.relu() * factor) @ tensors["W_dec"])


def test_an_interrupted_save_is_not_read(tmp_path):
    sae = features.load(FOLDERS[0])
    sae.save(tmp_path)
    before = (tmp_path / "cfg.json").read_text()
    replace(sae, layer=7, activation="relu", gate=None, threshold=None, k=None).save(tmp_path)
    (tmp_path / "cfg.json").write_text(before)
    with pytest.raises(ValueError, match="saving was interrupted"):
        features.load(tmp_path)


@pytest.mark.parametrize("place", [("neurons", 1), ("residual", 4), ("z", 0)])
def test_every_place_comes_back(place, tmp_path):
    site, layer = place
    sae = replace(features.load(FOLDERS[0]), site=site, output_site=site, layer=layer)
    again = features.load(sae.save(tmp_path))
    assert (again.site, again.output_site, again.layer, again.is_transcoder) == (site, site, layer, False)


def test_a_transcoder_without_a_layout_is_said(tmp_path):
    sae = features.load(next(one for one in FOLDERS if one.name == "transcoder"))
    gated = replace(sae, activation="gated", gate=torch.zeros(2, sae.d_sae))
    with pytest.raises(ValueError, match="SAELens has no layout"):
        gated.save(tmp_path)
    (folder,) = (one for one in FOLDERS if one.name == "sparsify_True_False")
    with pytest.raises(ValueError, match="sparsify has no layout"):
        replace(features.load(folder), normalisation="norm").save(tmp_path)
    assert not list(tmp_path.iterdir())


def test_the_strongest_of_a_transcoder_are_written_as_sparsify_does(tmp_path):
    (folder,) = (one for one in FOLDERS if one.name == "sparsify_True_True")
    sae = replace(features.load(folder), site="residual", output_site="mlp_out", layer=3, model="demo")
    replace(sae, output_site="residual", W_skip=None).save(tmp_path)
    assert features.load(sae.save(tmp_path)).is_transcoder  # and nothing of what was there before
    again = features.load(tmp_path)
    assert (again.site, again.output_site, again.layer, again.model) == ("residual", "mlp_out", 3, "demo")
    ours, theirs = (load_file(one / "sae.safetensors") for one in (tmp_path, folder))
    assert {name: one.shape for name, one in ours.items()} == {name: one.shape for name, one in theirs.items()}
    ours, theirs = (json.loads((one / "cfg.json").read_text()) for one in (tmp_path, folder))
    assert {name: theirs[name] for name in ours if name in theirs} == {k: v for k, v in ours.items() if k in theirs}
    assert {"k", "num_latents", "d_in", "transcode", "skip_connection", "activation"} <= set(ours)
    (tmp_path / "cfg.json").write_text(json.dumps(ours | {"k": 4}))
    with pytest.raises(ValueError, match="saving was interrupted"):
        features.load(tmp_path)


def test_places():
    for site in ("residual", "attention_out", "mlp_out", "z"):
        assert place_of(hook_name(site, 5)) == (site, 5)
    assert place_of(hook_name("residual", 12, n_layers=12)) == ("residual", 12)
    assert place_of("blocks.0.attn.hook_pattern") is None
    with pytest.raises(ValueError, match="no name of 'neurons'"):
        hook_name("neurons", 1)


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({}, "holds nothing"),
        ({"ae.pt": b"x"}, "a pickle"),
        ({"cfg.json": b"{", "sae_weights.safetensors": b""}, "not a configuration"),
        ({"cfg.json": b"[]", "sae_weights.safetensors": b""}, "not a configuration"),
        ({"cfg.json": b"{}", "sae_weights.safetensors": b"junk"}, "not the weights"),
        ({"cfg.json": b"[]", "sae.safetensors": b"junk"}, "not a configuration"),
    ],
)
def test_what_is_no_sae_is_said(tmp_path, files, said):
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    with pytest.raises(ValueError, match=said):
        features.load(tmp_path)


def test_weights_that_do_not_fit_together_are_refused(tmp_path):
    folder = FOLDERS[0]
    tensors = load_file(folder / "sae_weights.safetensors")
    tensors["b_dec"] = tensors["b_dec"][:-1].clone()
    save_file(tensors, tmp_path / "sae_weights.safetensors")
    (tmp_path / "cfg.json").write_bytes((folder / "cfg.json").read_bytes())
    with pytest.raises(ValueError, match="b_dec"):
        features.load(tmp_path)
    with pytest.raises(FileNotFoundError, match="no folder"):
        features.load(tmp_path / "missing")
