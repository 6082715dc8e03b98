"""Neurons of a mixture of experts, which are no inputs of one matrix."""

import pytest
import torch
import transformers as hf

from scope_widgets import Microscope, steering
from scope_widgets.models.architecture.anatomy import UnsupportedModelError
from tests.support.tiny_models import tiny_tokenizer

IDS = [3, 17, 5, 44, 9]


def mixture():
    config = hf.Qwen3MoeConfig(
        vocab_size=96, hidden_size=32, intermediate_size=48, moe_intermediate_size=16, num_hidden_layers=3,
        num_attention_heads=4, num_key_value_heads=2, head_dim=8, num_experts=4, num_experts_per_tok=2,
        mlp_only_layers=[1], max_position_embeddings=64,
    )  # fmt: skip
    torch.manual_seed(0)
    return Microscope.for_model(hf.Qwen3MoeForCausalLM(config).eval(), tiny_tokenizer())


def test_neurons_of_experts_are_refused():
    scope = mixture()
    clamp = steering.ClampNeuron(0, 3, 2.0)
    ids = torch.tensor([IDS])
    for use in (
        lambda: steering.steer(scope, clamp).__enter__(),
        lambda: steering.Session(scope, IDS, [clamp]),
        lambda: scope.logits(ids, {("neurons", 0): torch.zeros_like}),
        lambda: scope.run(IDS, edits={("neurons", 2): torch.zeros_like}),
    ):
        with pytest.raises(UnsupportedModelError, match="of each expert.*no 'neurons'.*'mlp_out'"):
            use()


def test_a_dense_layer_among_experts_has_neurons():
    scope = mixture()
    with pytest.raises(ValueError, match="neurons 0 to 47"):
        steering.ClampNeuron(1, 48).check(scope)
    down = scope.model.model.layers[1].mlp.down_proj

    def clamp(_, args):
        new = args[0].clone()
        new[..., 3] = 2.0
        return (new,)

    ids = torch.tensor([IDS])
    with torch.no_grad():
        handle = down.register_forward_pre_hook(clamp)
        expected = scope.model(ids).logits
        handle.remove()
        with steering.steer(scope, steering.ClampNeuron(1, 3, 2.0)):
            torch.testing.assert_close(scope.model(ids).logits, expected)
