"""Models whose parts are not found, or do something that this package cannot read."""

import pytest
import torch
import transformers as hf

from scope_widgets import Microscope
from scope_widgets.models.architecture.anatomy import UnsupportedModelError
from tests.support.tiny_models import tiny_tokenizer

SIZES = {"vocab_size": 96, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48}


def test_models_that_do_not_fit_get_a_sentence():
    with pytest.raises(UnsupportedModelError, match="Expected a Hugging Face causal language model"):
        Microscope.for_model(torch.nn.Linear(2, 2), None)
    xlm = hf.XLMWithLMHeadModel(hf.XLMConfig(vocab_size=96, emb_dim=32, n_layers=2, n_heads=4))
    with pytest.raises(UnsupportedModelError, match=r"XLMWithLMHeadModel has no part '\w+' that this package knows"):
        Microscope.for_model(xlm, tiny_tokenizer())


@pytest.mark.parametrize(
    "model",
    [hf.LlamaModel, hf.LlamaForSequenceClassification, hf.BertModel, hf.T5EncoderModel],
    ids=lambda one: one.__name__,
)
def test_a_class_without_an_unembedding_says_which_has_one(model):
    sizes = {"d_model": 32, "d_kv": 8, "d_ff": 48, "num_layers": 2, "num_heads": 4, "vocab_size": 96}
    made = model(model.config_class(**(sizes if model is hf.T5EncoderModel else SIZES)))
    with pytest.raises(UnsupportedModelError, match=f"{model.__name__} predicts no tokens.*AutoModelForCausalLM"):
        Microscope.for_model(made, tiny_tokenizer())


def test_a_model_that_does_not_run_as_its_own_is_refused():
    class Twice(hf.MixtralForCausalLM):
        def forward(self, *args, **kwargs):
            super().forward(*args, **kwargs)
            return super().forward(*args, **kwargs)

    model = Twice(hf.MixtralConfig(**SIZES, num_key_value_heads=2, num_local_experts=2)).eval()
    with pytest.raises(UnsupportedModelError, match="its 2 blocks ran 4 times in a forward"):
        Microscope.for_model(model, tiny_tokenizer())
