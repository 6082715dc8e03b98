"""Patches of the direction that a latent writes along: what they do to its activation, and to what was kept."""

import copy

import numpy as np
import peft
import pytest
import torch

from scope_widgets import Microscope, editing, features
from tests.support.tiny_models import tiny_model, tiny_tokenizer

IDS = [1, *range(3, 14)]
N = 16


def scope_of(family):
    return Microscope.for_model(tiny_model(family), tiny_tokenizer(), family)


def sae_of(scope, layer=2, seed=0):
    """An SAE whose latent 0 reads and writes what the MLP before `layer` writes at the last position."""
    written = scope.trace(IDS, capture=("mlp_out",), logits=None).mlp_out(layer - 1)[-1].float()
    rows = torch.randn(N, scope.d_model, generator=torch.Generator().manual_seed(seed))
    rows[0] = written
    rows = torch.nn.functional.normalize(rows, dim=1)
    bias = torch.full((N,), 20.0)  # far from where it would not fire
    return features.SAE(rows.T.contiguous(), rows, bias, torch.zeros(scope.d_model), layer=layer, model=scope.model_id)


def activation(scope, sae, j=0):
    return float(sae.encode(scope.trace(IDS).residual(sae.layer)).to_dense()[-1, j])


def logits_of(model):
    with torch.no_grad():
        return model(input_ids=torch.tensor([IDS])).logits


@pytest.mark.parametrize("family", ["gpt2", "llama"])
def test_the_latent_is_suppressed_and_enhanced_in_step_with_the_strength(family):
    scope = scope_of(family)
    sae = sae_of(scope)
    base, own = activation(scope, sae), logits_of(scope.model)
    patch = editing.FeaturePatch(scope, sae.direction(0))
    found = []
    for strength in (-1.0, -0.5, 0.0, 0.5, 2.0):
        patch.strength = strength
        with patch:
            found.append(activation(scope, sae))
    assert np.all(np.diff(found) > 0)
    assert found[2] == base
    np.testing.assert_allclose(np.diff(found)[0], np.diff(found)[2], rtol=1e-3)  # linear
    assert torch.equal(logits_of(scope.model), own)


@pytest.mark.parametrize("family", ["gpt2", "llama"])
def test_on_off_toggled_rescaled_removed_and_several(family):
    scope = scope_of(family)
    sae = sae_of(scope)
    own = logits_of(scope.model)
    one, other = (editing.FeaturePatch(scope, sae.direction(j), strength=s) for j, s in ((0, -1.0), (1, 1.0)))
    one.enable()
    alone = logits_of(scope.model)
    other.toggle()
    both = logits_of(scope.model)
    assert not torch.equal(both, alone)
    one.toggle()
    other.toggle()
    assert torch.equal(logits_of(scope.model), own)
    other.enable()
    one.enable()
    torch.testing.assert_close(logits_of(scope.model), both)
    other.remove()
    assert torch.equal(logits_of(scope.model), alone)
    one.strength = 0.0
    assert torch.equal(logits_of(scope.model), own)
    one.strength = -1.0
    assert torch.equal(logits_of(scope.model), alone)
    one.remove()
    assert torch.equal(logits_of(scope.model), own)
    with pytest.raises(RuntimeError, match="was removed"):
        one.toggle()


@pytest.mark.parametrize("family", ["gpt2", "llama"])
def test_peft_reads_it_and_it_comes_back(family, tmp_path):
    scope = scope_of(family)
    found = sae_of(scope).direction(0)
    patch = editing.FeaturePatch(scope, found, strength=1.5)
    folder = patch.export(tmp_path / "patch")
    with patch:
        expected = logits_of(scope.model)
    theirs = peft.PeftModel.from_pretrained(copy.deepcopy(scope.model), folder)
    torch.testing.assert_close(logits_of(theirs), expected, atol=1e-5, rtol=1e-5)
    again = editing.FeaturePatch.load(scope, folder)
    with again:
        assert torch.equal(logits_of(scope.model), expected)
    assert again.direction.name == "latent 2.0"
    assert again.direction.provenance.note == found.provenance.note


def test_a_direction_of_a_latent_of_another_model_is_refused():
    scope = scope_of("llama")
    sae = sae_of(scope)
    with pytest.raises(ValueError, match=r"was found in other"):
        editing.FeaturePatch(
            scope, features.SAE(sae.W_enc, sae.W_dec, sae.b_enc, sae.b_dec, layer=2, model="other").direction(0)
        )


def test_orthogonalised_against_a_latent_the_model_writes_nothing_along_it():
    scope = scope_of("llama")
    sae = sae_of(scope)
    with editing.orthogonalise(scope, sae.direction(0)):
        along = scope.trace(IDS).residual(scope.n_layers) @ sae.W_dec[0]
    assert along.abs().max() < 1e-4
