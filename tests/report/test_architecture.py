"""Facts of tiny models whose makers' configurations are known, and of weights that differ from the configuration."""

import pytest
import torch

from scope_widgets import Microscope, report
from tests.support.tiny_models import tiny_model, tiny_tokenizer

KNOWN = {
    "gpt2": {
        "heads": "4, each with keys and values of its own",
        "norm": "LayerNorm before attention and MLP",
        "activation": "gelu_tanh",
        "embeddings": "tied",
        "positions": "absolute (a learned table, transformer.wpe.weight)",
        "window": "none",
        "attention bias": "yes",
    },
    "llama": {
        "heads": "4, 2 over each key-value head (GQA)",
        "norm": "RMSNorm before attention and MLP",
        "activation": "silu, gated",
        "embeddings": "not tied",
        "positions": "relative (rotary or the like)",
        "window": "none",
        "attention bias": "no",
        "d_mlp": "48",
    },
    "gemma2": {
        "norm": "RMSNorm before attention and MLP, after them, on what they write",
        "activation": "gelu_tanh, gated",
        "window": "4 tokens in layers 0, 2",
    },
    "olmo2": {"norm": "RMSNorm after them, on what they write"},
    "opt": {"activation": "relu", "positions": "absolute (a learned table, model.decoder.embed_positions.weight)"},
}


@pytest.mark.parametrize("family", KNOWN)
def test_facts_of_families(family):
    facts = report.architecture(Microscope.for_model(tiny_model(family), tiny_tokenizer()))
    assert {name: facts[name].value for name in KNOWN[family]} == KNOWN[family]
    assert all(facts[name].checked for name in KNOWN[family])


def test_weights_count_and_not_what_the_configuration_says():
    model = tiny_model("llama")
    model.config.tie_word_embeddings = True
    model.config.hidden_act = "gelu"
    facts = report.architecture(Microscope.for_model(model, tiny_tokenizer()))
    assert (facts["embeddings"].value, facts["embeddings"].config) == ("not tied", "True")
    assert facts["activation"].value == "silu, gated"


def test_another_weight_is_another_fingerprint():
    scope = Microscope.for_model(tiny_model("gpt2"), tiny_tokenizer())
    before = report.fingerprint(scope)
    assert report.fingerprint(scope) == before
    with torch.no_grad():
        scope.model.transformer.h[1].mlp.c_fc.weight[3, 5] += 1e-3
    assert report.fingerprint(scope) != before
