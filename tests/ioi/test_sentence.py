"""Roles of a sentence of the user's own."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from scope_widgets.ioi import prompts
from scope_widgets.ioi.dataset.sentence import IOISentence
from tests.support.tokenizers_of_kinds import JOHN_AND_MARY, byte_level_bpe, llama_like, scope_of, word_level


@pytest.fixture(scope="module")
def gpt2_like():
    return byte_level_bpe()


@pytest.fixture(scope="module", params=["demo", "bpe", "bpe with bos", "llama"])
def scope(request, demo, gpt2_like):
    if request.param == "demo":
        return demo
    if request.param == "llama":
        return scope_of(llama_like())
    return scope_of(gpt2_like if request.param == "bpe" else byte_level_bpe(bos=True))


def test_the_roles_of_a_sentence(gpt2_like):
    sentence = IOISentence.parse(JOHN_AND_MARY, gpt2_like)
    assert (sentence.io, sentence.s1, sentence.s2) == (1, 3, 9)
    assert sentence.order == "ABBA"
    assert sentence.roles == {"IO": 1, "S1": 3, "S1+1": 4, "S2": 9, "END": len(sentence.tokens) - 1}
    assert list(sentence.tokens) == gpt2_like(JOHN_AND_MARY)["input_ids"]
    assert gpt2_like.convert_ids_to_tokens([sentence.correct_answer, sentence.distractor]) == ["ĠJohn", "ĠMary"]
    baba = IOISentence.parse(JOHN_AND_MARY.replace(", Mary", ", John"), gpt2_like)
    assert (baba.io, baba.s1, baba.s2, baba.order) == (3, 1, 9, "BABA")
    with_bos = IOISentence.parse(JOHN_AND_MARY, byte_level_bpe(bos=True))
    assert (with_bos.io, with_bos.s1, with_bos.s2) == (2, 4, 10)
    assert with_bos.token_strings[0] == "<s>"


def test_given_positions_make_an_equal_sentence(gpt2_like):
    parsed = IOISentence.parse(JOHN_AND_MARY, gpt2_like)
    given = {
        "tokens": gpt2_like(JOHN_AND_MARY)["input_ids"],
        "token_strings": list(parsed.token_strings),
        "subject_positions": [3],
        "io_position": 1,
        "subject2_position": 9,
        "end_position": len(parsed.tokens) - 1,
        "correct_answer": parsed.correct_answer,
        "distractor": parsed.distractor,
    }
    assert IOISentence.from_positions(**given) == parsed
    assert IOISentence.from_positions(**{**given, "subject_positions": [3, 9]}) == parsed
    assert IOISentence.from_positions(**{**given, "subject_positions": np.int64(3)}) == parsed
    named = {"correct_answer": "John", "distractor": " Mary", "tokens": np.array(given["tokens"])}
    assert IOISentence.from_positions(**{**given, **named}) == parsed
    assert IOISentence.from_positions(**given).roles == parsed.roles
    for wrong, message in [
        ({"io_position": 99}, "IO is at 99 and the sentence has positions 0 to"),
        ({"end_position": -1}, "END is at -1"),
        ({"subject_positions": [1, 3]}, r"one position before its second at 9; got subject_positions=\[1, 3\]"),
        ({"subject_positions": [9]}, "one position before its second"),
        ({"io_position": 3}, "S1 and IO are two positions before S2"),
        ({"end_position": 8}, "END is not before S2"),
        ({"subject_positions": [2]}, "at 2 and 9 there are 'and' and 'Mary'"),
        ({"token_strings": ["a"]}, "token_strings 1"),
        ({"correct_answer": "Tom"}, "correct_answer='Tom' is no token of this sentence"),
    ]:
        with pytest.raises(ValueError, match=message):
            IOISentence.from_positions(**{**given, **wrong})


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_our_prompts_are_parsed_as_they_were_made(scope, seed):
    for prompt in prompts(scope, n=30, seed=seed):
        sentence = IOISentence.parse(prompt.text, scope.tokenizer)
        assert sentence.roles == prompt.positions
        assert sentence.order == prompt.order
        assert sentence.tokens == prompt.token_ids
        assert sentence.token_strings == prompt.tokens


@pytest.mark.parametrize(
    ("text", "io", "subject"),
    [
        ("Mary and John went to the store. John gave a bottle to", "Mary", "John"),
        ("John came with Mary. John gave a bottle to", "Mary", "John"),
        ("Then Mary met John. Then John gave a bottle to", "Mary", "John"),
        ("When Mary and John went to Paris, John gave a bottle to", "Mary", "John"),
        ("Yesterday John and Mary left Paris. On Monday Mary wrote to", "John", "Mary"),
        ("Mary's friend John said hello, and then John spoke to", "Mary", "John"),
        ("I saw that Mary met John, and I know that John gave it to", "Mary", "John"),
        ('"John and Mary left." "When did Mary write to', "John", "Mary"),
    ],
)
def test_sentences_of_all_kinds(text, io, subject):
    words = text.replace(",", " ").replace(".", " ").replace('"', " ").replace("'", " ").split()
    sentence = IOISentence.parse(text, word_level([*words, ",", ".", '"', "'", '."', ".'"]))
    assert sentence.token_strings[sentence.io] == io
    assert sentence.token_strings[sentence.s1] == sentence.token_strings[sentence.s2] == subject


def test_an_answer_has_its_space_where_the_text_begins_with_the_name(gpt2_like):
    text = "Mary and John left. Later John gave a bottle to"
    sentence = IOISentence.parse(text, gpt2_like)
    assert sentence.io == 0
    assert gpt2_like.convert_ids_to_tokens([sentence.tokens[0], sentence.correct_answer]) == ["Mary", "ĠMary"]
    with pytest.raises(ValueError, match=r"'Zoe' must be one token, and at character 0 it is 'Zo' \+ 'e'"):
        IOISentence.parse(text.replace("Mary", "Zoe"), gpt2_like)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("When John and Mary met in Paris near Tom, Tom spoke to", "may be 'John', 'Mary' or 'Paris'"),
        ("When John and Mary met, Mary gave it to John", "'John' and 'Mary' all do: leave out 'John' at its end"),
        ("When John, Mary and John met, John spoke to", "'John' comes 3 times"),
        ("When John and Mary met, they spoke to", r"no name comes twice \('John', 'Mary' once\)"),
        ("when they met, they spoke to", "no word looks like a name"),
        ("", "no word looks like a name"),
        ("When John left, John spoke to", "'John', which comes twice, but no other name comes before"),
        ("When John left, John spoke to Mary about", "no other name comes before"),
        ("When John and Mary met, Mary spoke to ", "ends with a space"),
        ("When Zebulon and Mary met, Mary spoke to", r"'Zebulon' must be one token, and at character 5 it is .* \+ "),
    ],
)
def test_sentences_that_leave_it_open(gpt2_like, text, message):
    with pytest.raises(ValueError, match=message):
        IOISentence.parse(text, gpt2_like)


def test_what_is_no_text_or_no_fast_tokenizer(demo, gpt2_like):
    with pytest.raises(TypeError, match="takes one text; got list"):
        IOISentence.parse([JOHN_AND_MARY], gpt2_like)
    with pytest.raises(TypeError, match=r"SimpleNamespace does not say where its tokens are.*from_positions"):
        IOISentence.parse(JOHN_AND_MARY, SimpleNamespace(is_fast=False))
    with pytest.raises(ValueError, match="correct_answer=' Xerxes' is not in the vocabulary"):
        IOISentence.parse("When Xerxes and Mary were here, Mary spoke to", demo.tokenizer)


def test_the_logit_difference_is_float64(demo):
    text = "When Mary and John went to the store, John gave a drink to"
    sentence = IOISentence.parse(text, demo.tokenizer)
    logits = demo.trace(text, capture=()).logits
    end = logits[-1].double()
    mary, john = (demo.tokenizer.convert_tokens_to_ids(name) for name in ("Mary", "John"))
    assert sentence.logit_difference(logits) == float(end[mary] - end[john]) > 0
    assert sentence.logit_difference(logits.numpy()) == sentence.logit_difference(logits)
    assert isinstance(sentence.logit_difference(logits), float)
    # two halves whose difference float32 does not hold
    wide = torch.zeros(logits.shape, dtype=torch.float64)
    wide[-1, mary], wide[-1, john] = 1e8 + 1e-6, 1e8
    assert sentence.logit_difference(wide) == pytest.approx(1e-6, rel=0.02)
    for wrong in (logits[None], logits[1:], logits[-1], [1.0]):
        with pytest.raises(ValueError, match=r"Expected logits \[position, vocabulary\] of the 15 tokens"):
            sentence.logit_difference(wrong)
    with pytest.raises(ValueError, match="The logits are of 5 tokens"):
        sentence.logit_difference(logits[:, :5])


def test_a_sentence_is_frozen_and_hashable(gpt2_like):
    sentence = IOISentence.parse(JOHN_AND_MARY, gpt2_like)
    assert {sentence: 1}[dataclasses.replace(sentence, text="")] == 1
    with pytest.raises(dataclasses.FrozenInstanceError):
        sentence.io = 2
