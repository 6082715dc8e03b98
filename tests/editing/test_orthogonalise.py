"""Directions that no matrix writes any more."""

import numpy as np
import pytest
import torch
from torch import nn

from scope_widgets import Microscope
from scope_widgets.editing.feature_patch import FeaturePatch
from scope_widgets.editing.orthogonalise import orthogonalise
from scope_widgets.models.architecture.anatomy import UnsupportedModelError
from scope_widgets.steering import direction
from tests.support.tiny_models import FAMILIES, tiny_model, tiny_tokenizer

IDS = torch.tensor([[1, *range(3, 14)], [1, *range(40, 51)]])


TIED = [family for family in FAMILIES if tiny_model(family).config.tie_word_embeddings]


def scope_of(family):
    model = tiny_model(family)
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):
            nn.init.normal_(parameter, std=0.3)
    return Microscope.for_model(model, tiny_tokenizer(), family)


def some_direction(scope, seed=0):
    vector = np.random.default_rng(seed).normal(size=scope.d_model)
    return direction(scope, layer=1, vector=vector, positive=["w3 w4 w5 w6"])


def logits_of(model):
    with torch.no_grad():
        return model(input_ids=IDS).logits


def weights_version(model):
    return {name: value.clone() for name, value in model.state_dict().items()}


def same_state(model, state):
    return all(torch.equal(value, state[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize("family", FAMILIES)
def test_the_stream_has_nothing_along_the_direction(family):
    scope = scope_of(family)
    found, state, names = some_direction(scope), weights_version(scope.model), dict(scope.model.named_parameters())
    vector = torch.tensor(found.vector)
    patch = orthogonalise(scope, found)
    assert same_state(scope.model, state)
    with patch, torch.no_grad():
        kept = []
        hooks = [
            block.block.register_forward_pre_hook(lambda _, args: kept.append(args[0]))
            for block in scope.anatomy.blocks
        ]
        hooks.append(scope.anatomy.final_norm.register_forward_pre_hook(lambda _, args: kept.append(args[0])))
        changed = logits_of(scope.model)
        for hook in hooks:
            hook.remove()
        streams = [scope.trace(IDS.tolist()).residual(layer) for layer in range(scope.n_layers + 1)]
    assert len(kept) == scope.n_layers + 1
    for stream in (*kept, *streams):
        assert (stream @ vector).abs().max() < 1e-4 * stream.norm(dim=-1).min()
    assert same_state(scope.model, state)
    assert {name: id(one) for name, one in scope.model.named_parameters()} == {n: id(one) for n, one in names.items()}
    assert (changed - logits_of(scope.model)).abs().max() > 1e-3


@pytest.mark.parametrize("family", [family for family in FAMILIES if family not in ("gemma2", "gemma3", "olmo2")])
def test_it_is_the_projection_of_everything_that_is_written(family):
    scope = scope_of(family)
    found = some_direction(scope)
    vector = torch.tensor(found.vector)

    def project(_, args, output):
        return output - (output @ vector)[..., None] * vector

    modules = [one for block in scope.anatomy.blocks for one in (block.out, block.down)]
    modules += [one for one in scope.model.modules() if isinstance(one, nn.Embedding)]
    hooks = [module.register_forward_hook(project) for module in modules]
    expected = logits_of(scope.model)
    for hook in hooks:
        hook.remove()
    with orthogonalise(scope, found):
        torch.testing.assert_close(logits_of(scope.model), expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("family", TIED)
def test_a_tied_unembedding_reads_as_before(family):
    scope = scope_of(family)
    head, table = scope.anatomy.unembed.weight, scope.anatomy.embed.weight
    before = head.detach().clone()
    assert head is table
    first, second = orthogonalise(scope, some_direction(scope)), orthogonalise(scope, some_direction(scope, seed=1))
    with first:
        with second:
            assert torch.equal(scope.anatomy.unembed.weight, before)
            along = scope.anatomy.embed.weight @ torch.tensor(second.direction.vector)
            assert along.abs().max() < 1e-5
        assert scope.anatomy.embed.weight is not head
    assert scope.anatomy.embed.weight is scope.anatomy.unembed.weight is table


def test_only_some_layers():
    scope = scope_of("gpt2")
    found, state = some_direction(scope), weights_version(scope.model)
    with orthogonalise(scope, found, layers=[1]) as patch:
        changed = {name for name, value in scope.model.state_dict().items() if not torch.equal(value, state[name])}
    assert changed == {
        f"transformer.h.1.{part}.c_proj.{kind}" for part in ("attn", "mlp") for kind in ("weight", "bias")
    }
    assert (patch.layers, patch.embeddings) == ((1,), False)


def test_beside_feature_patches_in_any_order():
    scope = scope_of("llama")
    state = weights_version(scope.model)
    patches = [
        FeaturePatch(scope, some_direction(scope, seed=1), 2.0),
        orthogonalise(scope, some_direction(scope)),
        FeaturePatch(scope, some_direction(scope, seed=2), -1.0, module="attention"),
    ]
    for order in ((0, 1, 2), (1, 2, 0), (2, 1, 0)):
        for patch in patches:
            patch.enable()
        for at in order:
            patches[at].disable()
        assert same_state(scope.model, state)


def test_what_is_refused():
    scope = scope_of("gpt2")
    found = some_direction(scope)
    for layers in ([3], [-1], [0.5], []):
        with pytest.raises(ValueError, match="layers= are blocks of gpt2, 0 to 2"):
            orthogonalise(scope, found, layers=layers)
    with pytest.raises(TypeError, match="direction= is a Direction"):
        orthogonalise(scope, np.ones(32))
    with pytest.raises(ValueError, match="was found in"):
        orthogonalise(scope_of("llama"), found)
    scope.model.odd = nn.Embedding(3, 8)
    with pytest.raises(UnsupportedModelError, match="Name layers="):
        orthogonalise(scope, found)
    patch = orthogonalise(scope, found, layers=[0])
    patch.remove()
    with pytest.raises(RuntimeError, match="was removed"):
        patch.enable()
