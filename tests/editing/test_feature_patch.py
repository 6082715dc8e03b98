"""Patches of rank one: what they do to a plain forward, taking them off, and PEFT's files."""

import copy
import gc
import json
import weakref

import numpy as np
import peft
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from scope_widgets import Microscope
from scope_widgets.editing.feature_patch import FeaturePatch
from scope_widgets.editing.weight_patch import restore
from scope_widgets.experiments.direction import Direction
from scope_widgets.models.architecture.anatomy import UnsupportedModelError
from scope_widgets.steering import direction
from tests.support.tiny_models import FAMILIES, tiny_model, tiny_tokenizer

IDS = torch.tensor([[1, *range(3, 14)], [1, *range(40, 51)]])
NORM_AFTER = ("gemma2", "gemma3", "olmo2")


def scope_of(family):
    model = tiny_model(family)
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):
            nn.init.normal_(parameter, std=0.3)
    return Microscope.for_model(model, tiny_tokenizer(), family)


def some_direction(scope, layer=2, seed=0):
    vector = np.random.default_rng(seed).normal(size=scope.d_model)
    return direction(scope, layer=layer, vector=vector, positive=["w3 w4 w5 w6"])


def logits_of(model):
    with torch.no_grad():
        return model(input_ids=IDS).logits


def weights_version(model):
    return {name: value.clone() for name, value in model.state_dict().items()}


def same_state(model, state):
    now = model.state_dict()
    return now.keys() == state.keys() and all(torch.equal(now[name], state[name]) for name in state)


def output_of(scope, module, change=None):
    """Run the plain model with a plain hook; gives the module's output and the logits."""
    kept = []

    def hook(_, args, output):
        output = output if change is None else change(output)
        kept.append(output)
        return output

    handle = module.register_forward_hook(hook)
    try:
        return logits_of(scope.model), kept[0]
    finally:
        handle.remove()


@pytest.mark.parametrize("module", ["mlp", "attention"])
@pytest.mark.parametrize("strength", [-1.0, -0.4, 1.5])
@pytest.mark.parametrize("family", FAMILIES)
def test_what_the_matrix_writes_along_the_direction_is_multiplied(family, strength, module):
    scope = scope_of(family)
    found = some_direction(scope)
    patch = FeaturePatch(scope, found, strength, module=module)
    block = scope.anatomy.blocks[1]
    target = block.down if module == "mlp" else block.out
    vector = torch.tensor(found.vector)
    if family in NORM_AFTER:
        norm = block.mlp_out if module == "mlp" else block.attention_out
        vector = nn.functional.normalize(vector * (norm.weight.detach() + (family != "olmo2")), dim=0)
    bias = 0 if getattr(target, "bias", None) is None else target.bias.detach()

    def by_hand(output):
        return output + strength * ((output - bias) @ vector)[..., None] * vector

    expected, _ = output_of(scope, target, by_hand)
    with patch:
        torch.testing.assert_close(logits_of(scope.model), expected, atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(scope.trace(IDS.tolist()).logits, expected, atol=1e-4, rtol=1e-4)
        if strength == -1 and family in NORM_AFTER:
            _, reaching = output_of(scope, norm)
            assert (reaching @ torch.tensor(found.vector)).abs().max() < 1e-5 * reaching.norm(dim=-1).max()


@pytest.mark.parametrize("family", ["gpt2", "llama"])
def test_projection_rises_with_strength(family):
    scope = scope_of(family)
    block = scope.anatomy.blocks[1]
    _, written = output_of(scope, block.down)
    bias = getattr(block.down, "bias", None)
    bias = torch.zeros(scope.d_model) if bias is None else bias.detach()
    found = direction(scope, layer=2, vector=(written[0, -1] - bias), positive=["w3 w4 w5 w6"])
    projections = []
    for strength in (-1.0, -0.5, 0.0, 0.5, 2.0):
        with FeaturePatch(scope, found, strength):
            stream = scope.trace(IDS[:1].tolist()).residual(2)[0, -1]
        projections.append(float(stream @ torch.tensor(found.vector)))
    assert np.all(np.diff(projections) > 0.1)
    with FeaturePatch(scope, found):
        _, suppressed = output_of(scope, block.down)
    assert abs(float((suppressed[0, -1] - bias) @ torch.tensor(found.vector))) < 1e-4


def test_strength_0_is_the_model_bit_for_bit():
    scope = scope_of("gpt2")
    weight = scope.anatomy.blocks[1].down.weight
    before, pointer = logits_of(scope.model), weight.data_ptr()
    with FeaturePatch(scope, some_direction(scope), 0.0) as patch:
        assert patch.enabled
        assert torch.equal(logits_of(scope.model), before)
        assert weight.data_ptr() == pointer


@pytest.mark.parametrize("family", ["gpt2", "llama"])
def test_small_strengths_act_in_proportion(family):
    scope = scope_of(family)
    scope.model.double()
    base, effects = logits_of(scope.model), []
    for strength in (1e-3, 2e-3, -1e-3):
        with FeaturePatch(scope, some_direction(scope), strength):
            effects.append(logits_of(scope.model) - base)
    assert (effects[1] - 2 * effects[0]).norm() < 0.01 * effects[1].norm()
    assert (effects[2] + effects[0]).norm() < 0.01 * effects[0].norm()


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0), (1, 0, 2)])
@pytest.mark.parametrize("family", ["gpt2", "gemma2"])
def test_patches_on_one_matrix_come_off_in_any_order(family, order):
    scope = scope_of(family)
    state, weight = weights_version(scope.model), scope.anatomy.blocks[1].down.weight
    pointer, base = weight.data_ptr(), weight.detach().clone()
    patches = [FeaturePatch(scope, some_direction(scope, seed=i), s) for i, s in enumerate((-1.0, 0.7, 2.0))]
    alone = []
    for patch in patches:
        with patch:
            alone.append(weight.detach() - base)
    for patch in patches:
        patch.enable()
    left = {0, 1, 2}
    for i in order:
        torch.testing.assert_close(weight.detach() - base, sum(alone[j] for j in left), atol=1e-5, rtol=1e-5)
        patches[i].disable()
        left.remove(i)
    assert same_state(scope.model, state)
    assert weight is scope.anatomy.blocks[1].down.weight
    assert weight.data_ptr() == pointer


def test_a_patch_is_computed_from_the_weights_without_patches():
    scope = scope_of("llama")
    first = FeaturePatch(scope, some_direction(scope), -1.0)
    with first:
        second = FeaturePatch(scope, some_direction(scope), -1.0)
    assert torch.equal(first.input_vector, second.input_vector)


def test_on_off_and_removed():
    scope = scope_of("llama")
    state, base = weights_version(scope.model), logits_of(scope.model)
    patch = FeaturePatch(scope, some_direction(scope))
    assert not patch.enabled
    assert same_state(scope.model, state)
    assert patch.enable() is patch
    on = logits_of(scope.model)
    assert not torch.equal(on, base)
    patch.enable()
    assert torch.equal(logits_of(scope.model), on)
    assert not patch.toggle().enabled
    assert torch.equal(logits_of(scope.model), base)
    patch.toggle()
    with patch:
        with patch:
            assert torch.equal(logits_of(scope.model), on)
        assert patch.enabled
    assert patch.enabled
    patch.remove()
    patch.remove()
    assert same_state(scope.model, state)
    with FeaturePatch(scope, some_direction(scope)):
        assert torch.equal(logits_of(scope.model), on)
    for use in (patch.enable, patch.toggle, patch.__enter__, lambda: patch.export("x")):
        with pytest.raises(RuntimeError, match="was removed and cannot be used again"):
            use()
    with pytest.raises(RuntimeError, match="was removed"):
        patch.strength = 1.0


def test_strength_changes_while_it_is_on():
    scope = scope_of("gpt2")
    base = logits_of(scope.model)
    patch = FeaturePatch(scope, some_direction(scope), -1.0).enable()
    version = scope.anatomy.blocks[1].down.weight._version
    patch.strength = 0.5
    assert scope.anatomy.blocks[1].down.weight._version > version
    now = logits_of(scope.model)
    with pytest.raises(ValueError, match="finite number"):
        patch.strength = float("nan")
    assert (patch.strength, patch.enabled) == (0.5, True)
    patch.disable()
    with FeaturePatch(scope, some_direction(scope), 0.5):
        assert torch.equal(logits_of(scope.model), now)
    patch.strength = 0
    patch.enable()
    assert torch.equal(logits_of(scope.model), base)


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_an_error_inside_leaves_the_model_as_it_was(error):
    scope = scope_of("gpt2")
    state = weights_version(scope.model)
    with pytest.raises(error), FeaturePatch(scope, some_direction(scope)):
        raise error
    assert same_state(scope.model, state)


def test_restore_takes_off_what_nobody_holds():
    scope = scope_of("gpt2")
    state = weights_version(scope.model)
    FeaturePatch(scope, some_direction(scope)).enable()
    gc.collect()
    kept = FeaturePatch(scope, some_direction(scope, seed=1)).enable()
    assert not same_state(scope.model, state)
    restore(scope)
    assert same_state(scope.model, state)
    assert not kept.enabled
    with kept:
        assert not same_state(scope.model, state)
    assert same_state(scope.model, state)


def test_a_patched_model_can_be_collected():
    scope = scope_of("gpt2")
    model = weakref.ref(scope.model)
    FeaturePatch(scope, some_direction(scope)).enable()
    del scope
    gc.collect()
    assert model() is None


def test_gradients_optimisers_and_other_modules_keep_the_parameter():
    scope = scope_of("llama")
    names = {id(parameter): name for name, parameter in scope.model.named_parameters()}
    with FeaturePatch(scope, some_direction(scope)):
        assert {id(parameter): name for name, parameter in scope.model.named_parameters()} == names
        scope.model(input_ids=IDS).logits.sum().backward()
        assert all(parameter.grad is not None for parameter in scope.model.parameters())


def test_in_half_precision_too():
    scope = scope_of("llama")
    scope.model.to(torch.bfloat16)
    state = weights_version(scope.model)
    found = some_direction(scope)
    with FeaturePatch(scope, found):
        _, written = output_of(scope, scope.anatomy.blocks[1].down)
        assert scope.anatomy.blocks[1].down.weight.dtype == torch.bfloat16
    along = written.float() @ torch.tensor(found.vector)
    assert along.abs().max() < 0.02 * written.float().norm(dim=-1).max()
    assert same_state(scope.model, state)


# --- PEFT -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("module", ["mlp", "attention"])
@pytest.mark.parametrize("family", FAMILIES)
def test_peft_gives_the_same_logits(family, module, tmp_path):
    scope = scope_of(family)
    patch = FeaturePatch(scope, some_direction(scope), 1.7, module=module)
    folder = patch.export(tmp_path / "patch")
    with patch:
        expected = logits_of(scope.model)
    assert not torch.allclose(expected, logits_of(scope.model), atol=1e-3)
    theirs = peft.PeftModel.from_pretrained(copy.deepcopy(scope.model), folder)
    torch.testing.assert_close(logits_of(theirs), expected, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(logits_of(theirs.merge_and_unload()), expected, atol=1e-5, rtol=1e-5)
    config = json.loads((folder / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == family
    assert config["fan_in_fan_out"] == (family == "gpt2")


@pytest.mark.parametrize("strength", [-1.0, 0.0, 0.3])
@pytest.mark.parametrize("family", ["gpt2", "llama", "gemma3"])
def test_an_exported_patch_comes_back_bit_for_bit(family, strength, tmp_path):
    scope = scope_of(family)
    patch = FeaturePatch(scope, some_direction(scope), strength, module="attention", layer=0)
    with patch:
        expected = logits_of(scope.model)
        patch.export(tmp_path)
    again = FeaturePatch.load(scope_of(family), tmp_path)
    assert again.strength == strength
    assert again.direction.cosine(patch.direction) == pytest.approx(1)
    with again:
        assert torch.equal(logits_of(again.scope.model), expected)
        again.strength = 2.0
    patch.strength = 2.0
    with patch, again:
        assert torch.equal(logits_of(scope.model), logits_of(again.scope.model))


def foreign(model, folder, **options):
    """An adapter of PEFT's own making."""
    torch.manual_seed(0)
    options = {"r": 1, "lora_alpha": 3, "target_modules": ["h.1.mlp.c_proj"], "fan_in_fan_out": True} | options
    adapted = peft.get_peft_model(model, peft.LoraConfig(init_lora_weights=False, **options))
    adapted.save_pretrained(folder)
    expected = logits_of(adapted.eval())
    adapted.unload()
    return expected


def test_adapters_of_others_are_read(tmp_path):
    scope = scope_of("gpt2")
    expected = foreign(scope.model, tmp_path / "theirs")
    patch = FeaturePatch.load(scope, tmp_path / "theirs")
    assert (patch.strength, patch.direction) == (1.0, None)
    with patch:
        torch.testing.assert_close(logits_of(scope.model), expected, atol=1e-5, rtol=1e-5)
    patch.export(tmp_path / "ours")
    with FeaturePatch.load(scope, tmp_path / "ours"):
        torch.testing.assert_close(logits_of(scope.model), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"r": 2}, "LORA of rank 2"),
        ({"target_modules": ["c_proj"]}, "on 6 modules"),
        ({"use_dora": True}, "use_dora"),
        ({"bias": "lora_only"}, "bias"),
        ({"modules_to_save": ["ln_f"]}, "modules_to_save"),
    ],
)
def test_other_adapters_are_refused(options, message, tmp_path):
    scope = scope_of("gpt2")
    foreign(copy.deepcopy(scope.model), tmp_path, **options)
    with pytest.raises(ValueError, match=message):
        FeaturePatch.load(scope, tmp_path)


def exported(tmp_path):
    scope = scope_of("gpt2")
    return scope, FeaturePatch(scope, some_direction(scope)).export(tmp_path / "patch")


def test_missing_files_are_named(tmp_path):
    scope, folder = exported(tmp_path)
    with pytest.raises(FileNotFoundError, match="no adapter in"):
        FeaturePatch.load(scope, tmp_path / "nowhere")
    in_notes, path = FeaturePatch.load(scope, folder).direction, folder / "adapter_model.safetensors"
    notes = {"scope_widgets": json.dumps({"strength": -1.0, "module": "mlp", "layer": 1})}  # as earlier versions did
    save_file(load_file(path), path, notes)
    assert np.array_equal(FeaturePatch.load(scope, folder).direction.vector, in_notes.vector)
    (folder / "direction.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match="direction"):
        FeaturePatch.load(scope, folder)
    (folder / "adapter_model.safetensors").rename(folder / "adapter_model.bin")
    with pytest.raises(ValueError, match="is pickled"):
        FeaturePatch.load(scope, folder)
    (folder / "adapter_model.bin").unlink()
    with pytest.raises(FileNotFoundError, match="no adapter_model.safetensors"):
        FeaturePatch.load(scope, folder)


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"peft_type": "LORA", "r": 1}', '{"peft_type": "IA3", "r": 1}'])
def test_damaged_settings(text, tmp_path):
    scope, folder = exported(tmp_path)
    (folder / "adapter_config.json").write_text(text)
    with pytest.raises(ValueError, match="is damaged"):
        FeaturePatch.load(scope, folder)


def test_damaged_weights(tmp_path):
    scope, folder = exported(tmp_path)
    path = folder / "adapter_model.safetensors"
    good = load_file(path)
    (a, row), (b, column) = sorted(good.items())

    def refused(message, tensors, header=None):
        save_file(tensors, path, header)
        with pytest.raises(ValueError, match=message):
            FeaturePatch.load(scope, folder)

    refused("two tensors", {a: row})
    refused("got none", {})
    refused("two tensors", {a: row, b: column, "more": row.clone()})
    refused("two tensors", {a.replace("base_model.", ""): row, b.replace("base_model.", ""): column})
    refused("rank 1 they are", {a: row[0], b: column})
    refused("not finite", {a: row * torch.nan, b: column})
    refused("no such module", {name.replace("c_proj", "c_other"): value for name, value in good.items()})
    refused("another model", {a: row[:, :7].contiguous(), b: column})
    refused("header", good, {"scope_widgets": '{"strength": 1}'})
    refused("header|damaged", good, {"scope_widgets": "["})
    refused("belong together", good, {"scope_widgets": '{"strength": 0.5, "module": "mlp", "layer": 1}'})
    refused("belong together", good, {"scope_widgets": '{"strength": -1.0, "module": "mlp", "layer": 0}'})
    path.write_bytes(b"\x80\x04 not safetensors")
    with pytest.raises(ValueError, match="damaged, or no safetensors"):
        FeaturePatch.load(scope, folder)


def test_export_without_peft_says_what_to_install(tmp_path, monkeypatch):
    scope = scope_of("gpt2")
    monkeypatch.setitem(__import__("sys").modules, "peft", None)
    with pytest.raises(ImportError, match=r'pip install "scope-widgets\[peft\]"'):
        FeaturePatch(scope, some_direction(scope)).export(tmp_path)


# --- what is refused --------------------------------------------------------------------------------------------------


class OwnLinear(nn.Module):
    def __init__(self, of):
        super().__init__()
        self.weight = of.weight

    def forward(self, x):
        return x @ self.weight.T


class Quantised(nn.Module):
    def __init__(self, of):
        super().__init__()
        self.register_buffer("weight", of.weight.detach().to(torch.int8))

    def forward(self, x):
        return x @ self.weight.to(x).T


def test_modules_of_others(tmp_path):
    scope = scope_of("llama")
    found = some_direction(scope)
    with FeaturePatch(scope, found):
        expected = logits_of(scope.model)
    mlp = scope.model.model.layers[1].mlp
    plain = mlp.down_proj
    mlp.down_proj = OwnLinear(plain)
    scope = Microscope.for_model(scope.model, scope.tokenizer, "llama")
    patch = FeaturePatch(scope, found)
    with patch:
        assert torch.equal(logits_of(scope.model), expected)
    with pytest.raises(UnsupportedModelError, match="OwnLinear: this"):
        patch.export(tmp_path)
    mlp.down_proj = Quantised(plain)
    with pytest.raises(UnsupportedModelError, match="Quantised holds no plain matrix"):
        FeaturePatch(Microscope.for_model(scope.model, scope.tokenizer, "llama"), found)


def test_what_cannot_be_a_patch():
    scope = scope_of("gpt2")
    found = some_direction(scope)
    for strength in (float("inf"), float("nan"), "1", None, True):
        with pytest.raises(ValueError, match="strength= is a finite number"):
            FeaturePatch(scope, found, strength)
    for layer in (-1, 3, 1.5, True):
        with pytest.raises(ValueError, match="layer= is a block of gpt2, 0 to 2"):
            FeaturePatch(scope, found, layer=layer)
    with pytest.raises(ValueError, match="module= is one of attention, mlp"):
        FeaturePatch(scope, found, module="down")
    with pytest.raises(TypeError, match="direction= is a Direction"):
        FeaturePatch(scope, np.ones(32))
    with pytest.raises(ValueError, match="was found in"):
        FeaturePatch(scope_of("llama"), found)
    narrow = Direction("narrow", 1, np.eye(8, dtype=np.float32)[0], 1.0, 1.0, found.provenance)
    with pytest.raises(ValueError, match="another model"):
        FeaturePatch(scope, narrow)


def test_the_layer_is_the_last_that_writes_to_the_direction():
    scope = scope_of("gpt2")
    targets = [FeaturePatch(scope, some_direction(scope, layer)).target for layer in range(4)]
    assert [target.split(".")[2] for target in targets] == ["0", "0", "1", "2"]
