"""Texts as decoders read them, of tokenizers that write what encoders read."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
from tokenizers.processors import TemplateProcessing

from scope_widgets.models.encoder_decoder.tokenizer import DecoderTokenizer
from scope_widgets.models.tokens import encode, encode_with_spans
from tests.support.tiny_models import tiny_tokenizer


def reading(template: str, start: int) -> DecoderTokenizer:
    """Return the tokenizer of a model that writes texts for its encoder by a template."""
    tokenizer: Any = tiny_tokenizer()
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single=template, special_tokens=[("<bos>", 1), ("<eos>", 2), ("w90", 90)]
    )
    return DecoderTokenizer(tokenizer, start)


@pytest.mark.parametrize(
    ("template", "start", "expected"),
    [
        ("$A <eos>", 0, [0, 5, 9]),  # T5, Pegasus, Marian
        ("<bos> $A <eos>", 2, [2, 1, 5, 9]),  # BART
        ("$A <eos> w90", 90, [90, 5, 9]),  # mBART, which ends with a language
        ("w90 $A <eos>", 2, [2, 90, 5, 9]),  # NLLB, which begins with one
        ("<bos> $A <eos>", 1, [1, 5, 9]),  # a decoder that begins as texts do
    ],
)
def test_a_text_is_what_training_shifts_to_the_right(template, start, expected):
    tokenizer = reading(template, start)
    whole = tokenizer.tokenizer("w5 w9")["input_ids"]
    if whole[-1] == 2:  # labels are the whole text, and the decoder reads them one later
        assert expected in ([start, *whole[:-1]], whole[:-1])
    assert encode(tokenizer, "w5 w9", None)[0] == [expected]
    assert tokenizer("w5 w9", add_special_tokens=False)["input_ids"] == [5, 9]
    row, spans = encode_with_spans(tokenizer, "w5 w9")
    assert row == expected
    assert spans is not None
    assert [("w5 w9"[a:b]) for a, b in spans[-2:]] == ["w5", "w9"]
    assert len(spans) == len(row)


def test_a_text_that_begins_with_the_start_token_has_one():
    tokenizer = reading("<bos> $A <eos>", 2)
    assert encode(tokenizer, "<eos> w5", None)[0] == [[2, 5]]
    assert encode(tokenizer, "", None)[0] == [[2]]  # where generate begins


def test_an_empty_text_is_the_start_token_alone():
    assert encode(DecoderTokenizer(tiny_tokenizer(), 0), "", None)[0] == [[0]]  # no special token of its own
    assert encode(reading("$A <eos>", 0), "", None)[0] == [[0]]


def test_everything_else_is_the_tokenizers_own():
    tokenizer = reading("$A <eos>", 0)
    assert tokenizer.bos_token == "<pad>"
    assert tokenizer.eos_token_id == 2
    assert len(tokenizer) == 96
    assert copy.deepcopy(tokenizer)("w5")["input_ids"] == [0, 5]
    assert pickle.loads(pickle.dumps(tokenizer))("w5")["input_ids"] == [0, 5]


def test_no_token_is_dropped_where_special_ones_change_the_others():
    def tokenizer(text_target, add_special_tokens=True):
        return {"input_ids": [9, 11, 12, 1] if add_special_tokens else [10, 12]}

    with pytest.raises(
        ValueError, match=r"\[9, 11, 12, 1\] with its special tokens and \[10, 12\] without.*token ids\."
    ):
        DecoderTokenizer(tokenizer, 0)("text")
