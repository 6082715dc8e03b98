"""Rotary frequencies that depend on a prompt's length: each prompt has the numbers that it has alone."""

import pytest
import torch
import transformers as hf

from scope_widgets import Microscope, patching
from tests.support.tiny_models import GROUPED, WIDTH, tiny_tokenizer

pytestmark = pytest.mark.numeric

SHORT, LONG, LONGER = list(range(3, 12)), list(range(20, 50)), list(range(15, 55))
_LONGROPE = {
    "rope_type": "longrope",
    "rope_theta": 10000.0,
    "short_factor": [1.0] * 4,
    "long_factor": [1.5, 3.0, 6.0, 9.0],
    "original_max_position_embeddings": 16,
}
_DYNAMIC = {"rope_type": "dynamic", "rope_theta": 10000.0, "factor": 4.0}


def longrope():
    config = hf.Phi3Config(
        **{**WIDTH, "num_key_value_heads": 2},
        rope_parameters=_LONGROPE,
        original_max_position_embeddings=16,
    )
    return hf.Phi3ForCausalLM(config)


def dynamic():
    return hf.LlamaForCausalLM(hf.LlamaConfig(**{**GROUPED, "max_position_embeddings": 24}, rope_parameters=_DYNAMIC))


def by_layer_type():
    parameters = {
        "full_attention": {**_DYNAMIC, "rope_theta": 5000.0},
        "sliding_attention": {"rope_type": "default", "rope_theta": 10000.0},
    }
    options = {**GROUPED, "max_position_embeddings": 24, "sliding_window": 8, "rope_parameters": parameters}
    return hf.Gemma3ForCausalLM(
        hf.Gemma3TextConfig(**options, layer_types=["sliding_attention", "full_attention", "full_attention"])
    )


@pytest.fixture(params=[longrope, dynamic, by_layer_type])
def made(request):
    """A microscope, and the logits and patterns of each prompt by a model that has run nothing else."""

    def fresh():
        torch.manual_seed(0)
        model = request.param().eval()
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                if parameter.ndim == 2 and "emb" not in name:
                    parameter.mul_(8.0)
        return model

    def alone(ids):
        model = fresh()
        model.set_attn_implementation("eager")
        with torch.no_grad():
            return model(torch.tensor([ids]), output_attentions=True)

    return Microscope.for_model(fresh(), tiny_tokenizer(), "made"), alone


def close(a, b, tolerance=1e-4):
    torch.testing.assert_close(a, b, rtol=tolerance, atol=tolerance)


def test_prompts_of_a_batch_are_as_they_are_alone(made):
    scope, alone = made
    rows = [SHORT, LONG, LONGER, SHORT[:4]]
    for _ in range(2):  # what ran before changes nothing
        batch = scope.trace(rows)
        for index, ids in enumerate(rows):
            expected = alone(ids)
            close(batch[index].logits, expected.logits[0])
            close(batch[index].attention(1), expected.attentions[1][0])
    one = scope.trace(SHORT)
    close(one.logits, alone(SHORT).logits[0])


def test_the_model_is_left_as_it_was(made):
    scope, _ = made
    with torch.no_grad():
        scope.model(torch.tensor([LONG]))
        before = scope.model(torch.tensor([LONG[:26]])).logits
        scope.trace([SHORT, LONGER])
        assert torch.equal(scope.model(torch.tensor([LONG[:26]])).logits, before)
    assert not any(module._forward_hooks for module in scope.model.modules())


def test_runs_from_the_middle(made):
    scope, alone = made
    rows = [SHORT, LONG, LONGER]
    run = scope.run(rows)
    expected = torch.stack([alone(ids).logits[0, -1] for ids in rows])
    close(run.logits, expected)
    which = torch.tensor([2, 0, 1])
    for layer in range(scope.n_layers):
        close(run.again({}, rows=which, positions=run.suffix(which, 7), layer=layer), expected[which])
    close(scope.logits(torch.tensor([LONG]))[0, -1], expected[1])


def test_patching_pairs_of_several_lengths(made):
    scope, _ = made
    pairs = [(ids, [ids[0], ids[1] + 1, *ids[2:]]) for ids in (SHORT, LONG)]

    def effects(chosen):
        clean, corrupted = map(list, zip(*chosen, strict=True))
        found = patching.activations(scope, clean, corrupted, answer=7, versus=8, over="attention_out", positions="all")
        return found.per_prompt

    together = effects(pairs)
    for index, pair in enumerate(pairs):
        ours, single = torch.as_tensor(together[index]), torch.as_tensor(effects([pair])[0])
        close(ours * single[-1], single * ours[-1], 1e-3)  # shares of the mean difference, which is of other prompts


def test_how_long_a_prompt_may_be(made):
    scope, _ = made
    kinds = str(scope.model.config.rope_parameters)
    if "dynamic" in kinds:
        assert scope.trace(list(range(3, 60))).logits.shape == (57, 96)
    else:
        with pytest.raises(ValueError, match="reads at most 64"):
            scope.trace(list(range(3, 90)))
