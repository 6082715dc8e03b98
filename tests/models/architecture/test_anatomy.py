"""Models whose parts are not found, and families that no test covers."""

import pytest
import torch

from scope_widgets import Microscope
from scope_widgets.models.architecture.anatomy import UnsupportedModelError
from tests.support.tiny_models import CONFIGS, tiny_tokenizer

IDS = [3, 17, 5, 44, 9, 17, 5, 80, 12, 3]


def close(a, b, tolerance=1e-5):
    torch.testing.assert_close(a, b, rtol=tolerance, atol=tolerance)


def test_models_that_do_not_fit_get_a_sentence():
    with pytest.raises(UnsupportedModelError, match="Expected a Hugging Face causal language model"):
        Microscope.for_model(torch.nn.Linear(2, 2), None)
    import transformers

    config = transformers.MambaConfig(vocab_size=20, hidden_size=8, num_hidden_layers=1, state_size=4)
    with pytest.raises(UnsupportedModelError, match=r"MambaForCausalLM has no part '\w+' that this package knows"):
        Microscope.for_model(transformers.MambaForCausalLM(config), None)


SIZES = {"vocab_size": 96, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48}


GROUPED = {**SIZES, "num_key_value_heads": 2, "head_dim": 8, "pad_token_id": 0}


def test_untested_families_are_checked_before_anything_is_said():
    import transformers as hf

    experts = hf.MixtralForCausalLM(hf.MixtralConfig(**GROUPED, num_local_experts=2)).eval()
    trace = Microscope.for_model(experts, tiny_tokenizer()).trace(IDS)
    close(trace.residual(0) + trace.attention_out(0) + trace.mlp_out(0), trace.residual(1))
    gptj = hf.GPTJConfig(vocab_size=96, n_embd=32, n_layer=2, n_head=4, rotary_dim=4)
    refused = [
        (hf.Glm4ForCausalLM, hf.Glm4Config(**GROUPED), "do not add up"),
        (hf.GraniteForCausalLM, hf.GraniteConfig(**GROUPED, residual_multiplier=0.3), "do not add up"),
        (hf.GptOssForCausalLM, hf.GptOssConfig(**GROUPED, num_local_experts=2, num_experts_per_tok=1), "sinks"),
        (hf.GPTJForCausalLM, gptj, "was not computed"),
    ]
    for model_class, config, sentence in refused:
        torch.manual_seed(0)
        with pytest.raises(UnsupportedModelError, match=sentence):
            Microscope.for_model(model_class(config).eval(), tiny_tokenizer())
    post_norm = hf.OPTConfig(**{**CONFIGS["opt"][2], "do_layer_norm_before": False})
    with pytest.raises(UnsupportedModelError, match="do not add up"):
        Microscope.for_model(hf.OPTForCausalLM(post_norm).eval(), tiny_tokenizer())
