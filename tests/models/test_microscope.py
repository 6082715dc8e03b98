"""Prompts that a microscope takes, and what it refuses."""

import numpy as np
import pytest
import torch
import transformers as hf

from scope_widgets import Microscope
from scope_widgets.models.architecture.anatomy import UnsupportedModelError
from tests.support.tiny_models import WIDTH, tiny_model, tiny_tokenizer

IDS = [3, 17, 5, 44, 9, 17, 5, 80, 12, 3]


def test_a_model_in_training_mode():
    scope = Microscope.for_model(tiny_model("gpt2"), tiny_tokenizer())
    scope.model.train()
    with pytest.raises(ValueError, match=r"training mode.*call model.eval"):
        scope.trace(IDS)
    with scope.watch() as trace:
        scope.model(torch.tensor([IDS]))
    assert trace.provenance.note == "the model was in training mode"


@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        ("", "prompt is empty"),
        ([], "prompt is empty"),
        (["w3 w4", ""], "prompt is empty"),
        ("w3 " * 65, "65 tokens and local reads at most 64"),
        ([3, 96], "must be 0 to 95 for local; got 96"),
        ([-1, 5], "must be 0 to 95 for local; got -1"),
    ],
)
def test_bad_prompts_get_a_sentence(prompt, message):
    scope = Microscope.for_model(tiny_model("gpt2"), tiny_tokenizer(), "local")
    with pytest.raises(ValueError, match=message):
        scope.trace(prompt)
    with pytest.raises(ValueError, match="Expected token ids .batch, position., got"):
        scope.logits(torch.tensor([3, 4]))
    with pytest.raises(ValueError, match="continues one prompt; got 2"):
        scope.generate(["w3", "w4"])
    with pytest.raises(TypeError, match="Expected the model's Hugging Face tokenizer, got NoneType"):
        Microscope.for_model(scope.model, None)
    with pytest.raises(TypeError, match=r"got Tokenizer\..*PreTrainedTokenizerFast"):
        Microscope.for_model(scope.model, tiny_tokenizer().backend_tokenizer)
    with pytest.raises(ValueError, match="a GPTNeoXTokenizer, knows no token but special ones"):
        Microscope.for_model(scope.model, hf.GPTNeoXTokenizer())


def test_an_encoder_is_traced_and_says_that_it_writes_no_texts():
    model = hf.BertForMaskedLM(hf.BertConfig(**WIDTH)).eval()
    scope = Microscope.for_model(model, tiny_tokenizer())
    with pytest.raises(UnsupportedModelError, match="BertForMaskedLM does not continue texts"):
        scope.generate("w3 w4")
    torch.testing.assert_close(scope.trace("w3 w4").logits, model(torch.tensor([[3, 4]])).logits[0])


@pytest.mark.parametrize("prompt", [3.5, None, [True, False], [[3.9, 4.2]], ["w3", 3], [["w3"]], b"abc", [[[3]]]])
def test_what_is_no_prompt_gets_a_sentence(prompt):
    scope = Microscope.for_model(tiny_model("gpt2"), tiny_tokenizer())
    with pytest.raises(TypeError, match="A prompt is a text, a list of texts, or token ids"):
        scope.trace(prompt)


def test_prompt_forms_agree():
    scope = Microscope.for_model(tiny_model("gpt2"), tiny_tokenizer())
    forms = ["w3 w4 w5", [3, 4, 5], torch.tensor([3, 4, 5]), np.array([3, 4, 5]), list(np.array([3, 4, 5]))]
    logits = [scope.trace(form).logits for form in forms]
    assert all(torch.equal(logits[0], other) for other in logits[1:])
    assert scope.trace("w3 unknown w5").prompt == "w3 unknown w5", "the prompt as it was given, not what became of it"
    assert scope.trace("w3 w4", prepend_bos=True).tokens == ["<bos>", "w3", "w4"]
    assert scope.trace(["w3 w4"]).logits.shape == (1, 2, 96)
