"""Answers as text become tokens, with or without a space before."""

import re
import warnings

import pytest
import torch

from scope_widgets.experiments.answer_tokens import answer_ids, check_distinct
from tests.support.tiny_models import tiny_tokenizer


def test_answers_of_a_word_tokenizer():
    tokenizer = tiny_tokenizer()
    assert answer_ids(tokenizer, " w7", 2).tolist() == [7, 7]
    assert answer_ids(tokenizer, ["w7", 8], 2).tolist() == [7, 8]
    assert answer_ids(tokenizer, torch.tensor([9]), 1).tolist() == [9]
    assert answer_ids(tokenizer, "<eos>", 1).tolist() == [2]
    for answer, error, words in [
        ("zebra", ValueError, "answer='zebra' is not in the vocabulary of this tokenizer, which reads it as '<pad>'"),
        ("w7 w8", ValueError, "'w7 w8' is 2 for this tokenizer: 'w7' + 'w8'"),
        ("", ValueError, "is 0 for this tokenizer: nothing"),
        (96, ValueError, "token id 96; this tokenizer has 0 to 95"),
        (True, TypeError, "got True"),
        (7.0, TypeError, "got 7.0"),
        ([7, 8, 9], ValueError, "answer= has 3 entries for 1 prompt"),
    ]:
        with pytest.raises(error, match=re.escape(words)):
            answer_ids(tokenizer, answer, 1)
    check_distinct(tokenizer, torch.tensor([1, 2]), torch.tensor([2, 1]))


@pytest.fixture(scope="module")
def byte_tokenizer():
    """Byte-level BPE as GPT-2's, that knows " Mary" with its space and "Mary" without as different tokens."""
    import transformers as hf
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    merges = [("M", "a"), ("r", "y"), ("Ma", "ry"), ("Ġ", "Mary")]
    vocabulary = {piece: i for i, piece in enumerate([*alphabet, *("".join(pair) for pair in merges)])}
    tokenizer = Tokenizer(models.BPE(vocabulary, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return hf.PreTrainedTokenizerFast(tokenizer_object=tokenizer)


@pytest.fixture(scope="module")
def sentencepiece_tokenizer():
    """As Llama 2's: a space before every text, spaces as "▁"."""
    import transformers as hf
    from tokenizers import Tokenizer, decoders, models, normalizers

    pieces = ["<unk>", "▁", *"Maryn", "Ma", "ry", "Mary", "▁Mary"]
    merges = [("M", "a"), ("r", "y"), ("Ma", "ry"), ("▁", "Mary")]
    tokenizer = Tokenizer(models.BPE({piece: i for i, piece in enumerate(pieces)}, merges, unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = decoders.Replace("▁", " ")
    return hf.PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>")


def test_answers_and_spaces(byte_tokenizer, sentencepiece_tokenizer):
    def piece(tokenizer, text):
        return tokenizer.convert_ids_to_tokens(int(answer_ids(tokenizer, text, 1)[0]))

    assert piece(byte_tokenizer, " Mary") == "ĠMary"
    assert piece(byte_tokenizer, "Mary") == "Mary"
    with pytest.raises(ValueError, match="' Mar' is 3 for this tokenizer: ' ' \\+ 'Ma' \\+ 'r'"):
        answer_ids(byte_tokenizer, " Mar", 1)
    assert piece(sentencepiece_tokenizer, " Mary") == "▁Mary"
    with pytest.raises(ValueError, match="' Maryn' is 2 for this tokenizer: ' Mary' \\+ 'n'"):
        answer_ids(sentencepiece_tokenizer, " Maryn", 1)


def test_the_likelier_spelling_is_named(byte_tokenizer, sentencepiece_tokenizer):
    def logits(*chances):
        """Logits of prompts, each a probability of "Mary" and of " Mary"."""
        p = torch.full((len(chances), len(byte_tokenizer)), 1e-9)
        for row, (without, with_space) in enumerate(chances):
            p[row, byte_tokenizer.convert_tokens_to_ids("Mary")] = without
            p[row, byte_tokenizer.convert_tokens_to_ids("ĠMary")] = with_space
            p[row, 0] = 1 - without - with_space
        return p.log()

    after_a_word = logits((4e-5, 0.3))
    for answer in ("Mary", [byte_tokenizer.convert_tokens_to_ids("Mary")]):
        with pytest.warns(UserWarning, match="answer='Mary' has a probability of 4e-05 here and ' Mary' one of 0.3"):
            answer_ids(byte_tokenizer, answer, 1, logits=after_a_word)
    with pytest.warns(UserWarning, match="give versus='Mary'"):
        answer_ids(byte_tokenizer, " Mary", 2, "versus", logits=logits((0.3, 1e-4), (0.2, 1e-3)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        answer_ids(byte_tokenizer, " Mary", 1, logits=after_a_word)
        answer_ids(byte_tokenizer, "Mary", 1)
        answer_ids(byte_tokenizer, "Mary", 1, logits=logits((1e-7, 1e-5)))  # the model says neither
        answer_ids(byte_tokenizer, "Mary", 1, logits=after_a_word * torch.nan)
        answer_ids(byte_tokenizer, ["Ma"], 1, logits=after_a_word)
        answer_ids(sentencepiece_tokenizer, "Mary", 1, logits=torch.zeros(1, len(sentencepiece_tokenizer)))


def test_analyses_name_the_likelier_spelling(byte_tokenizer):
    import transformers as hf

    from scope_widgets import Microscope, circuits, lens, patching, steering

    torch.manual_seed(0)
    n = len(byte_tokenizer)
    config = hf.LlamaConfig(vocab_size=n, hidden_size=16, intermediate_size=16, num_hidden_layers=1,
                            num_attention_heads=2)  # fmt: skip
    model = hf.LlamaForCausalLM(config).eval()
    first, second = 3, 4
    with torch.no_grad():  # " Mary" comes next
        final = model.model(torch.tensor([[first]])).last_hidden_state[0, 0]
        model.lm_head.weight.zero_()
        model.lm_head.weight[byte_tokenizer.convert_tokens_to_ids("ĠMary")] = final
    scope = Microscope.for_model(model, byte_tokenizer)
    for measure in (
        lambda: patching.ablate(scope, [[first]], [(0, 1)], answer="Mary"),
        lambda: patching.attribution(scope, [first], [second], answer="Mary", versus=5),
        lambda: lens.direct_logit_attribution(scope.trace([first]), answer="Mary"),
        lambda: steering.Session(scope, [first], answer="Mary", versus=5),
        lambda: circuits.discover(scope, circuits.Task.of(scope, [[first]], [[second]], ["Mary"], [5]), "eap"),
    ):
        with pytest.warns(UserWarning, match="answer='Mary' has a probability of .* and ' Mary' one of"):
            measure()
