"""Answers as text become tokens, with or without a space before."""

import re

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
