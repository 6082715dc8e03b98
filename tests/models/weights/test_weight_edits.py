"""Weights that are changed and put back."""

import copy
import warnings

import numpy as np
import pytest
import torch
from torch import nn

from scope_widgets import Microscope
from scope_widgets.editing.orthogonalise import orthogonalise
from scope_widgets.models.weights.weight_edits import WeightEdits, original_weight, restore_weights
from scope_widgets.steering import direction
from tests.support.tiny_models import tiny_model, tiny_tokenizer


def scope_of(family):
    model = tiny_model(family)
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):
            nn.init.normal_(parameter, std=0.3)
    return Microscope.for_model(model, tiny_tokenizer(), family)


def some_direction(scope, seed=0):
    vector = np.random.default_rng(seed).normal(size=scope.d_model)
    return direction(scope, layer=1, vector=vector, positive=["w3 w4 w5 w6"])


def weights_version(model):
    return {name: value.clone() for name, value in model.state_dict().items()}


def same_state(model, state):
    return all(torch.equal(value, state[name]) for name, value in model.state_dict().items())


def test_changes_are_made_in_their_order_and_taken_back_in_any():
    model = tiny_model("llama")
    module = model.model.layers[0].mlp.down_proj
    weight, start = module.weight, module.weight.detach().clone()
    pointer = weight.data_ptr()
    double, more, half = WeightEdits(model), WeightEdits(model), WeightEdits(model)
    double.apply([(module, "weight", lambda w: w * 2)])
    more.apply([(module, "weight", lambda w: w + 1)])
    half.apply([(module, "weight", lambda w: w / 2)])
    assert torch.equal(weight, (start * 2 + 1) / 2)
    double.apply([(module, "weight", lambda w: w * 4)])
    assert torch.equal(weight, (start * 4 + 1) / 2)
    more.revert()
    assert torch.equal(weight, start * 4 / 2)
    assert torch.equal(original_weight(module), start)
    double.revert()
    double.revert()
    assert torch.equal(weight, start / 2)
    half.revert()
    assert (double.applied, weight is module.weight, weight.data_ptr()) == (False, True, pointer)
    assert torch.equal(weight, start)


def test_each_write_can_be_told():
    model = tiny_model("gpt2")
    module = model.transformer.wte
    changes, seen = WeightEdits(model), {(module.weight.data_ptr(), module.weight._version)}
    for factor in range(5):
        changes.apply([(module, "weight", lambda w, factor=factor: w * factor)])
        seen.add((module.weight.data_ptr(), module.weight._version))
        if factor == 2:
            changes.revert()
    assert len(seen) == 6


def test_all_or_none():
    model = tiny_model("llama")
    state, layers = weights_version(model), model.model.layers

    def wrong(weight):
        raise KeyboardInterrupt

    changes = WeightEdits(model)
    with pytest.raises(KeyboardInterrupt):
        changes.apply(
            [(layers[0].mlp.down_proj, "weight", lambda w: w + 1), (layers[1].mlp.down_proj, "weight", wrong)]
        )
    assert not changes.applied
    assert same_state(model, state)


def test_a_module_that_was_replaced():
    scope = scope_of("llama")
    patch = orthogonalise(scope, some_direction(scope), layers=[1])
    mlp = scope.model.model.layers[1].mlp
    mlp.down_proj = copy.deepcopy(mlp.down_proj)
    state = weights_version(scope.model)
    with pytest.raises(RuntimeError, match="A Linear .* is no longer in the model"):
        patch.enable()
    assert not patch.enabled
    assert same_state(scope.model, state)


def test_a_shared_weight_is_changed_for_one_module_only():
    model = tiny_model("gpt2")
    table, start = model.transformer.wte.weight, model.transformer.wte.weight.detach().clone()
    one, other = WeightEdits(model), WeightEdits(model)
    one.apply([(model.transformer.wte, "weight", lambda w: w + 1)])
    other.apply([(model.transformer.wte, "weight", lambda w: w * 2)])
    assert torch.equal(model.transformer.wte.weight, (start + 1) * 2)
    assert model.lm_head.weight is table
    assert torch.equal(table, start)
    one.revert()
    assert torch.equal(model.transformer.wte.weight, start * 2)
    other.revert()
    assert model.transformer.wte.weight is table
    assert torch.equal(table, start)


def test_a_model_that_is_cast_meanwhile():
    model = tiny_model("llama")
    expected = copy.deepcopy(model).to(torch.bfloat16)
    module, changes = model.model.layers[0].mlp.down_proj, WeightEdits(model)
    changes.apply([(module, "weight", lambda w: w + 1)])
    model.to(torch.bfloat16)
    changes.revert()
    assert same_state(expected, weights_version(model))


def test_what_is_written_meanwhile_is_not_lost():
    model, other = tiny_model("llama"), tiny_model("llama", seed=1)
    module = model.model.layers[0].mlp.down_proj
    one, two = WeightEdits(model), WeightEdits(model)
    one.apply([(module, "weight", lambda w: w + 1)])
    model.load_state_dict(other.state_dict())
    with pytest.raises(RuntimeError, match="were overwritten"):
        two.apply([(module, "weight", lambda w: w * 2)])
    with pytest.warns(UserWarning, match="were overwritten .* left as they are"):
        one.revert()
    assert same_state(model, weights_version(other))
    assert not one.applied
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        two.apply([(module, "weight", lambda w: w * 2)])
        two.revert()
        restore_weights(model)
    assert same_state(model, weights_version(other))


def test_what_cannot_be_taken_off_is_still_known_to_be_on():
    model = tiny_model("llama")
    module = model.model.layers[0].mlp.down_proj
    start, full = module.weight.detach().clone(), []

    def needs_memory(weight):
        if full:
            raise MemoryError
        return weight + 1

    first, second = WeightEdits(model), WeightEdits(model)
    first.apply([(module, "weight", lambda w: w * 2)])
    second.apply([(module, "weight", needs_memory)])
    full.append(True)
    with pytest.raises(MemoryError):
        first.revert()
    assert first.applied
    assert second.applied
    assert torch.equal(module.weight, start * 2 + 1)
    restore_weights(model)
    assert not first.applied
    assert not second.applied
    assert torch.equal(module.weight, start)


def test_restore_says_where_a_weight_is_not_the_original(monkeypatch):
    from scope_widgets.models.weights import weight_edits

    model = tiny_model("llama")
    module = model.model.layers[0].mlp.down_proj
    WeightEdits(model).apply([(module, "weight", lambda w: w * 2)])
    plain = weight_edits._write

    def flips_a_sign(module, name, edited, functions):
        plain(module, name, edited, functions)
        module.weight.data = module.weight.data.clone()
        module.weight.data[0, 0].neg_()

    monkeypatch.setattr(weight_edits, "_write", flips_a_sign)
    with pytest.raises(RuntimeError, match="are not the original ones"):
        restore_weights(model)
