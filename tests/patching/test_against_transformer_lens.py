"""The same experiments in TransformerLens, which shares no code with this package: one plain forward a cell.

The model is a random GPT-2 of three layers of four heads; with SCOPE_FULL_CROSSCHECK=1, as `make test-heavy` sets it,
it has the size of GPT-2 small. `pytest -s` shows the largest difference of each comparison.
"""

import copy
import logging
import os
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import transformers as hf

from scope_widgets import Microscope, lens, patching
from tests.support.tiny_models import VOCAB, tiny_tokenizer

FULL = os.environ.get("SCOPE_FULL_CROSSCHECK") == "1"
LAYERS, HEADS, LENGTH = (12, 12, 8) if FULL else (3, 4, 8)
WIDTH = 64 * HEADS
TOLERANCE = 1e-5

#: over= -> the function of transformer_lens.patching, and how its axes must be turned to be ours
EACH_POSITION = {
    "attention_out": ("get_act_patch_attn_out", (0, 1)),
    "mlp_out": ("get_act_patch_mlp_out", (0, 1)),
    "head": ("get_act_patch_attn_head_out_by_pos", (0, 2, 1)),
    "q": ("get_act_patch_attn_head_q_by_pos", (0, 2, 1)),
    "k": ("get_act_patch_attn_head_k_by_pos", (0, 2, 1)),
    "v": ("get_act_patch_attn_head_v_by_pos", (0, 2, 1)),
    "attention": ("get_act_patch_attn_head_pattern_by_pos", (0, 1, 2)),
}
ALL_POSITIONS = {
    "head": "get_act_patch_attn_head_out_all_pos",
    "q": "get_act_patch_attn_head_q_all_pos",
    "k": "get_act_patch_attn_head_k_all_pos",
    "v": "get_act_patch_attn_head_v_all_pos",
    "attention": "get_act_patch_attn_head_pattern_all_pos",
}

pytestmark = [pytest.mark.timeout(3600), pytest.mark.heavy] if FULL else []


class Both:
    """One model in both libraries, and pairs of prompts whose logit difference the corruption changes much."""

    def __init__(self, theirs, model, pairs):
        self._patching = theirs.patching
        self.scope = Microscope.for_model(model, tiny_tokenizer(), "random gpt2")
        self.bridge = bridge_to(theirs, model)
        random = torch.Generator().manual_seed(1)
        clean, corrupted = torch.randint(3, VOCAB, (2, pairs, LENGTH), generator=random)
        corrupted[:, 0] = clean[:, 0]  # nothing can come from there
        self.tokens, self.cache, logits = {"clean": clean, "corrupted": corrupted}, {}, {}
        for name, ids in self.tokens.items():
            with torch.no_grad():
                logits[name], self.cache[name] = self.bridge.run_with_cache(ids)
        change = (logits["clean"] - logits["corrupted"])[:, -1]
        self.answer, self.versus = change.argmax(-1), change.argmin(-1)
        self.measured = {name: self.metric(value).item() for name, value in logits.items()}

    def metric(self, logits):
        last, rows = logits[:, -1], torch.arange(len(logits))
        return (last[rows, self.answer] - last[rows, self.versus]).mean()

    def theirs(self, name, base="corrupted", source="clean", **options):
        with torch.no_grad():
            found = getattr(self._patching, name)(
                self.bridge, self.tokens[base], self.cache[source], patching_metric=self.metric, **options
            )
        return ((found - self.measured[base]) / (self.measured[source] - self.measured[base])).numpy()

    def ours(self, function, **options):
        prompts = (self.tokens[name].tolist() for name in ("clean", "corrupted"))
        result = function(self.scope, *prompts, answer=self.answer.tolist(), versus=self.versus.tolist(), **options)
        for name in ("clean", "corrupted"):
            assert getattr(result, name).mean() == pytest.approx(self.measured[name], abs=1e-4)
        return result.values


def bridge_to(theirs, model):
    """Wrap a copy of a model, whose weights are left as they are.

    `TransformerBridge.boot_transformers(hf_model=...)` does the same, but wants a tokenizer that it can load again by
    its name.
    """
    model = copy.deepcopy(model)  # it takes the modules of the model into its own
    model.set_attn_implementation("eager")  # patterns are not seen otherwise
    return theirs.build(model, "GPT2LMHeadModel", hf_config=model.config)


def check(what, ours, theirs):
    difference = np.abs(ours - theirs).max()
    print(f"\n{what}: largest difference {difference:.1e}, largest effect {np.abs(theirs).max():.3f}")
    assert difference <= TOLERANCE
    assert np.abs(theirs).max() > 100 * TOLERANCE


@pytest.fixture(scope="module")
def theirs():
    """What is used of TransformerLens; what its import changes in other libraries is put back for the other tests."""
    hub = pytest.importorskip("huggingface_hub.dataclasses")
    log = logging.getLogger("transformers")
    with pytest.MonkeyPatch.context() as changed:
        changed.setattr(hub, "_validate_simple_type", getattr(hub, "_validate_simple_type", None), raising=False)
        changed.setattr(log, "level", log.level)
        pytest.importorskip(
            "transformer_lens", reason="TransformerLens is not installed: pip install 'scope-widgets[crosscheck]'."
        )
        from transformer_lens import patching
        from transformer_lens.model_bridge.sources import build_bridge_from_module

        yield SimpleNamespace(patching=patching, build=build_bridge_from_module)


@pytest.fixture(scope="module")
def model():
    """A GPT-2 whose attention is far from uniform, and whose biases and norms are not those of an untrained model."""
    torch.manual_seed(0)
    config = hf.GPT2Config(
        vocab_size=VOCAB,
        n_positions=64,
        n_embd=64 * HEADS,
        n_layer=LAYERS,
        n_head=HEADS,
        bos_token_id=1,
        eos_token_id=2,
    )
    model = hf.GPT2LMHeadModel(config).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.ndim == 1:
                parameter.add_(0.2 * torch.randn_like(parameter))
            elif ".h." in name:
                parameter.mul_(3.0 * (768 / WIDTH) ** 0.5)
    return model


@pytest.fixture(scope="module")
def one(theirs, model):
    return Both(theirs, model, pairs=1)


@pytest.fixture(scope="module")
def several(theirs, model):
    return Both(theirs, model, pairs=2)


def test_the_experiment_is_worth_comparing(one):
    pattern = one.cache["clean"]["pattern", 1][0]
    assert pattern[:, -1].amax(-1).mean() > 2 / LENGTH
    assert one.measured["clean"] - one.measured["corrupted"] > 1


def test_the_residual_stream_before_and_after_every_block(one):
    ours = one.ours(patching.activations, over="residual")
    check("residual, entering a block", ours[:-1], one.theirs("get_act_patch_resid_pre"))
    after = one.theirs(
        "generic_activation_patch",
        patch_setter=one._patching.layer_pos_patch_setter,
        activation_name="resid_post",
        index_axis_names=("layer", "pos"),
    )
    check("residual, leaving a block", ours[1:], after)


@pytest.mark.parametrize("over", list(EACH_POSITION))
def test_every_position_by_itself(one, over):
    name, axes = EACH_POSITION[over]
    ours = one.ours(patching.activations, over=over)
    check(f"{over}, each position", ours, one.theirs(name).transpose(axes))


@pytest.mark.parametrize("over", list(ALL_POSITIONS))
def test_all_positions_at_once_and_noising_of_several_prompts(several, over):
    ours = several.ours(patching.activations, over=over, positions="all", direction="noising")
    theirs = several.theirs(ALL_POSITIONS[over], base="clean", source="corrupted")
    check(f"{over}, all positions, noising", ours, theirs)


@pytest.mark.parametrize("into", ["q", "k", "v"])
def test_paths_from_a_head_to_a_head(theirs, model, into):
    """TransformerLens' paths go through the residual stream only, ours also through MLPs: here these write nothing."""
    model = copy.deepcopy(model)
    for block in model.transformer.h:
        torch.nn.init.zeros_(block.mlp.c_proj.weight)
        torch.nn.init.zeros_(block.mlp.c_proj.bias)
    both = Both(theirs, model, pairs=1)
    direct = both.theirs(
        "get_act_patch_direct_path",
        corrupted_cache=both.cache["corrupted"],
        src_layer=0,
        src_head=3,
        component=into,
        verbose=False,
    )
    ours = np.empty((LAYERS - 1, HEADS))
    for layer, head in np.ndindex(ours.shape):
        path = {"senders": [(0, 3)], "receivers": [(layer + 1, head, into)], "direction": "denoising"}
        ours[layer, head] = both.ours(patching.paths, **path)[0, 3]
    check(f"paths to {into}", ours, direct[1:])


def test_direct_logit_attribution(theirs, model, several):
    """TransformerLens folds the final norm into the unembedding and centres what writes; the parts stay the same."""
    bridge = bridge_to(theirs, model)
    bridge.enable_compatibility_mode(fold_value_biases=False)  # folded, they would go from the heads to the bias
    with torch.no_grad():
        _, cache = bridge.run_with_cache(several.tokens["clean"])
        parts, labels = cache.get_full_resid_decomposition(expand_neurons=False, pos_slice=-1, return_labels=True)
        found = cache.logit_attrs(parts, several.answer, several.versus, pos_slice=-1).numpy()
    trace = several.scope.trace(several.tokens["clean"].tolist(), capture=("residual", "z", "mlp_out"))
    result = lens.direct_logit_attribution(trace, answer=several.answer.tolist(), versus=several.versus.tolist())
    ours, component = result.per_prompt.T, np.array(result.component)
    heads = LAYERS * HEADS
    assert labels[heads:] == [*(f"{layer}_mlp_out" for layer in range(LAYERS)), "embed", "pos_embed", "bias"]
    check("attribution to heads", ours[component == "attention"], found[:heads])
    check("attribution to MLPs", ours[component == "mlp"], found[heads:-3])
    check("attribution to embeddings", ours[component == "embedding"], found[-3:-1].sum(0, keepdims=True))
    check("attribution to biases", ours[component == "attention_bias"].sum(0), found[-1])
