"""IOI prompts, sentences, published heads, comparison and drawing."""

import dataclasses
import json
import shutil
import subprocess
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import transformers as hf
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from scope_widgets import Microscope
from scope_widgets.ioi.comparison import compare
from scope_widgets.ioi.first_names import NAMES, name_tokens
from scope_widgets.ioi.graphviz import to_dot
from scope_widgets.ioi.prompts import ROLES, IOIPrompts, prompts
from scope_widgets.ioi.published import CLASSES, known
from scope_widgets.ioi.sentence import IOISentence
from scope_widgets.ioi.templates import FILLERS, TEMPLATES
from tests.support.tiny_models import tiny_tokenizer

JOHN_AND_MARY = "When John and Mary went to the store, Mary gave a bottle of milk to"


def byte_level_bpe(
    bos: bool = False, vocab_size: int = 1200, names: tuple[str, ...] = NAMES
) -> hf.PreTrainedTokenizerFast:
    """Train a tokenizer like GPT-2's on our own words."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    words = " ".join(w for some in FILLERS.values() for w in some)
    texts = [*TEMPLATES, JOHN_AND_MARY, *(f"and {name} and {name}, {words}" for name in names), "Mary and"] * 20
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=["<s>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    if bos:
        tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    return hf.PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>")


def llama_like() -> hf.PreTrainedTokenizerFast:
    """Train a tokenizer that puts a space before every text by itself, and a token before that."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
    tokenizer.decoder = decoders.Metaspace(prepend_scheme="first")
    words = " ".join([*NAMES, *(w for some in FILLERS.values() for w in some), JOHN_AND_MARY, *TEMPLATES])
    trainer = trainers.BpeTrainer(vocab_size=1500, special_tokens=["<unk>", "<s>"], show_progress=False)
    tokenizer.train_from_iterator([words.replace(",", " ,")] * 20, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return hf.PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", unk_token="<unk>")


def word_level(words: list[str], *, lower: bool = False) -> hf.PreTrainedTokenizerFast:
    vocabulary = {word: i for i, word in enumerate(dict.fromkeys(["<unk>", *words]))}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    if lower:
        tokenizer.normalizer = normalizers.Lowercase()
    return hf.PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>")


def scope_of(tokenizer: hf.PreTrainedTokenizerBase) -> SimpleNamespace:
    return SimpleNamespace(tokenizer=tokenizer, model_id="some", revision=None)


@pytest.fixture(scope="module")
def demo():
    return Microscope.load("demo")


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


def difference(scope, these):
    """Give the logit difference of each prompt."""
    found = []
    for start in range(0, len(these), 50):
        some = these[start : start + 50]
        logits = scope.trace(some.token_ids, capture=()).logits
        last = logits[torch.arange(len(some)), torch.from_numpy(some.positions["END"])].double()
        found += (last.gather(1, ids(some.io_ids)) - last.gather(1, ids(some.subject_ids))).flatten().tolist()
    return np.array(found)


def ids(numbers):
    return torch.from_numpy(numbers)[:, None]


def check_set(tokenizer, these):
    """Check what must hold for every set, clean or corrupted."""
    positions = these.positions
    assert list(positions) == list(ROLES)
    tokens = {one.name: one.id for one in these.names}
    lengths = {}
    for i, prompt in enumerate(these):
        assert list(prompt.token_ids) == tokenizer(prompt.text)["input_ids"]
        assert len(prompt.tokens) == len(prompt.token_ids) == positions["END"][i] + 1
        assert lengths.setdefault(prompt.template, len(prompt.tokens)) == len(prompt.tokens)
        assert "{" not in prompt.text
        assert max(positions["IO"][i], positions["S1"][i]) < positions["S2"][i] < positions["END"][i]
        assert positions["S1+1"][i] == positions["S1"][i] + 1
        assert (positions["IO"][i] < positions["S1"][i]) == (prompt.order == "ABBA")
        assert these.io_ids[i] == tokens[prompt.io] != tokens[prompt.subject] == these.subject_ids[i]
    assert len(set(these.texts)) == len(these)


# --- prompts --------------------------------------------------------------------------------------------------------


@settings(max_examples=15, deadline=None)
@given(n=st.integers(1, 60), seed=st.integers(0, 2**32))
def test_names_stand_where_the_roles_say(scope, n, seed):
    these = prompts(scope, n, seed)
    assert len(these) == n
    check_set(scope.tokenizer, these)
    for role, name in (("IO", these.io_ids), ("S1", these.subject_ids), ("S2", these.subject_ids)):
        np.testing.assert_array_equal([p.token_ids[p.positions[role]] for p in these], name)
    assert abs(these.order.count("ABBA") - these.order.count("BABA")) <= 1
    for corruption in ("abc", "s2_io", "swap"):
        check_set_of_corrupted(scope.tokenizer, these, these.corrupted(corruption, seed=seed))


def check_set_of_corrupted(tokenizer, clean, corrupted):
    # two clean prompts may differ in the names alone and so have one corrupted text
    for attribute in ("answers", "subjects", "template", "order", "templates", "names", "seed"):
        assert getattr(corrupted, attribute) == getattr(clean, attribute)
    np.testing.assert_array_equal(corrupted.io_ids, clean.io_ids)
    names = {one.id for one in clean.names}
    for one, other in zip(clean, corrupted, strict=True):
        assert list(other.token_ids) == tokenizer(other.text)["input_ids"]
        assert one.positions == other.positions
        changed = [at for at, (a, b) in enumerate(zip(one.token_ids, other.token_ids, strict=True)) if a != b]
        io, s1, s2 = (one.positions[role] for role in ("IO", "S1", "S2"))
        now = [other.token_ids[at] for at in (io, s1, s2)]
        was = [one.token_ids[at] for at in (io, s1, s2)]
        if corrupted.corruption == "abc":
            assert changed == sorted([io, s1, s2])
            assert len(set(now)) == 3
            assert set(now) <= names - set(was)
        elif corrupted.corruption == "s2_io":
            assert changed == [s2]
            assert now[2] == was[0]
        else:
            assert now == [was[1], was[0], was[0]]


def test_sets_are_balanced_disjoint_and_the_same_again(demo):
    whole = prompts(demo, 200, seed=3)
    assert whole == prompts(demo, 200, seed=3)
    first, second = whole[:100], whole[100:]
    assert isinstance(first, IOIPrompts)
    assert len(first) == len(second) == 100
    assert set(first.texts).isdisjoint(second.texts)
    assert not set(whole.texts) & set(prompts(demo, 200, seed=4).texts)
    for half in (first, second):
        assert half.order.count("ABBA") == 50
    for some in (first, whole):
        counts = np.bincount(some.template, minlength=len(some.templates))
        assert counts.max() - counts.min() <= 2
    # no two names meet twice before all pairs have met
    assert len({frozenset((p.io, p.subject)) for p in whole}) == 200
    assert first.corrupted("abc", seed=1) == first.corrupted("abc", seed=1)
    assert first.corrupted("abc", seed=1) != first.corrupted("abc", seed=2)
    assert list(whole)[-1] == whole[-1] == whole[199]
    with pytest.raises(IndexError):
        whole[200]


def test_columns_and_files(demo):
    these = prompts(demo, 7, seed=1, order="BABA")
    table = these.to_dataframe()
    assert list(table) == ["text", "io", "subject", "order", "template", *ROLES]
    assert set(table["order"]) == {"BABA"}
    assert these.answers == [f" {name}" for name in table["io"]]
    assert these[0].answer == these.answers[0]
    assert "<table" in these._repr_html_()
    assert repr(these) == "IOIPrompts(7 for demo: 0 ABBA, 7 BABA; 7 templates, seed 1)"
    for some in (these, these.corrupted("abc", seed=5), these[:0]):
        assert IOIPrompts.from_json(some.to_json()) == some
    for text in ("", "[]", "{}", json.dumps({"result": "IOIPrompts"}), json.dumps({"result": "HeadScores"})):
        with pytest.raises(ValueError, match="is no IOIPrompts written by to_json"):
            IOIPrompts.from_json(text)


def test_a_trace_has_the_same_tokens(demo):
    these = prompts(demo, 6)
    trace = demo.trace(these.texts, capture=())
    for i, prompt in enumerate(these):
        assert trace[i].token_ids.tolist() == list(prompt.token_ids)
        assert trace[i].tokens == list(prompt.tokens)
    bare = prompts(demo, 6, prepend_bos=False)
    for role in ROLES:
        np.testing.assert_array_equal(these.positions[role], bare.positions[role] + 1)


def test_there_are_enough_words_of_ours(demo):
    assert len(TEMPLATES) >= 15
    assert len(NAMES) == len(set(NAMES)) >= 100
    these = prompts(demo, 1)
    assert len(these.templates) >= 15
    assert len(these.names) >= 100
    unknown = demo.tokenizer.unk_token_id
    assert not any(unknown in row for row in prompts(demo, 200).token_ids)
    assert all(word[0] not in "aeiou" for word in FILLERS["object"])  # they stand after "a"


def test_words_of_several_tokens_keep_the_length_of_a_template():
    # a vocabulary too small for most words: names stay single, places and objects come in pieces
    tokenizer = byte_level_bpe(vocab_size=520)
    people = ["Amy", "Ann", "Eva", "Ian", "Jim", "Joe", "Kim", "Leo"]
    tokenizer.add_tokens([f" {name}" for name in people])
    these = prompts(scope_of(tokenizer), 80, names=people)
    check_set(tokenizer, these)
    check_set_of_corrupted(tokenizer, these, these.corrupted("abc"))


def test_templates_and_names_of_the_users_own(demo):
    mine = [
        "Today {subject} and {io} were here, and {subject} gave a {object} to",
        TEMPLATES[0].replace("When", "Today"),
    ]
    mine[0] = mine[0].replace("Today", "After")
    mine[1] = mine[1].replace("Today", "After")
    these = prompts(demo, 24, templates=mine, names=["Mary", "John", " Tom"])
    check_set(demo.tokenizer, these)
    assert {p.io for p in these} | {p.subject for p in these} == {"Mary", "John", "Tom"}
    assert these.templates[0].startswith("After {io} and {subject} were here")
    with pytest.raises(ValueError, match=r"'abc' takes three names.*made with 3: Mary, John, Tom"):
        these.corrupted("abc")
    # two names, one template: two prompts of each order, and no more
    two = prompts(demo, 4, templates=["When {io} met {subject}, {subject} spoke to"], names=["Mary", "John"])
    assert sorted(two.texts) == [
        "When John met Mary, John spoke to",
        "When John met Mary, Mary spoke to",
        "When Mary met John, John spoke to",
        "When Mary met John, Mary spoke to",
    ]
    with pytest.raises(ValueError, match=r"n=5 takes 3 different prompts.*has 2 with 2 names"):
        prompts(demo, 5, templates=["When {io} met {subject}, {subject} spoke to"], names=["Mary", "John"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n": 0}, "n=0 would be an empty set of prompts"),
        ({"n": -3}, "empty set of prompts"),
        ({"n": 2.5}, "n= is the number of prompts; got 2.5"),
        ({"order": "AABB"}, "order= is 'ABBA', 'BABA' or 'both'; got 'AABB'"),
        ({"names": ["Mary", "Mary-Ann", "John"]}, r"one token each.*'Mary-Ann' is 'Mary' \+ '-' \+ '<unk>'"),
        ({"names": ["Mary", "Xerxes"]}, "'Xerxes' is not in its vocabulary"),
        ({"names": ["Mary"]}, "at least two names of one token each, and for this tokenizer 1 of 1"),
        ({"names": "Mary"}, "names= is a list of names"),
        ({"names": ["Mary", ""]}, "names= is a list of names"),
        ({"templates": TEMPLATES[0]}, "templates= is a list of texts"),
        ({"templates": []}, "none of the 0 templates"),
        ({"templates": ["When {io} met {subject}, he gave it to"]}, "its names are io, subject"),
        ({"templates": ["When {subject} met {subject}, {io} spoke to"]}, "its names are subject, subject, io"),
        ({"templates": ["When {io} met {subject}, {subject} spoke to {who}"]}, "it has '{who}'"),
        ({"templates": ["Then {io} met {subject}, {subject} spoke to "]}, "begins and ends with a word of its own"),
        ({"templates": ["{io} met {subject}, and {subject} spoke to"]}, "begins and ends with a word of its own"),
        ({"templates": ["When {io} met {subject}, {subject} defenestrated"]}, "does not know, in 'defenestrated'"),
    ],
)
def test_what_cannot_be_made_is_said(demo, options, message):
    with pytest.raises((TypeError, ValueError), match=message):
        prompts(demo, **{"n": 4, **options})


def test_tokenizers_that_will_not_do(gpt2_like):
    with pytest.raises(ValueError, match=r"0 of \d+ will do: 'Aaron' is not in its vocabulary.*and \d+ more"):
        prompts(scope_of(tiny_tokenizer()), 4)
    small = byte_level_bpe(vocab_size=300, names=("Mary",))
    with pytest.raises(ValueError, match=r"will do: 'Aaron' is .* \+ "):
        prompts(scope_of(small), 4)
    with pytest.raises(ValueError, match="knows the words of none of the 23 templates"):
        prompts(scope_of(word_level(list(NAMES))), 4)
    words = [w for t in (*TEMPLATES, *NAMES) for w in t.replace(",", " , ").replace(".", " . ").lower().split()]
    folded = word_level(words, lower=True)
    with pytest.raises(ValueError, match=r"all distinct, but 'mary' is the same token as 'Mary'"):
        prompts(scope_of(folded), 4, names=["Mary", "John", "mary"])
    mixed = name_tokens(gpt2_like, ["Mary", "John"])
    assert [one.token for one in mixed] == [" Mary", " John"]
    template = "When Mary saw {io} and {subject}, {subject} spoke to"
    with pytest.raises(ValueError, match=r"of 'Mary' must stand once"):
        prompts(scope_of(gpt2_like), 4, templates=[template], names=["Mary", "John"])
    ending = byte_level_bpe()
    ending.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="$A <s>", special_tokens=[("<s>", 0)]
    )
    with pytest.raises(ValueError, match="ends a text with '<s>'"):
        prompts(scope_of(ending), 4)


def test_corruptions_that_cannot_be(demo):
    these = prompts(demo, 4)
    with pytest.raises(ValueError, match="one of abc, s2_io, swap; got 'xyz'"):
        these.corrupted("xyz")
    with pytest.raises(ValueError, match=r"corrupted already \(swap\)"):
        these.corrupted("swap").corrupted("abc")


@pytest.mark.parametrize("seed", range(3))
def test_the_demo_model_does_the_task(demo, seed):
    assert (difference(demo, prompts(demo, 100, seed=seed)) > 0).sum() >= 98


def test_corruptions_take_the_task_away(demo):
    these = prompts(demo, 50)
    clean = difference(demo, these).mean()
    assert difference(demo, these.corrupted("s2_io")).mean() < -0.8 * clean
    assert difference(demo, these.corrupted("swap")).mean() < -0.8 * clean
    assert abs(difference(demo, these.corrupted("abc")).mean()) < 0.2 * clean


@pytest.mark.smollm2
def test_smollm2_does_the_task(smollm2):
    these = prompts(smollm2, 100, seed=0)
    assert len(these.templates) == len(TEMPLATES)
    assert len(these.names) >= 100
    assert (difference(smollm2, these) > 0).sum() >= 98


@pytest.mark.smollm2
def test_positions_hold_for_smollm2s_tokenizer(smollm2):
    these = prompts(smollm2, 500, seed=9)
    check_set(smollm2.tokenizer, these)
    for corruption in ("abc", "s2_io", "swap"):
        check_set_of_corrupted(smollm2.tokenizer, these, these.corrupted(corruption))
    sentence = IOISentence.parse(JOHN_AND_MARY, smollm2.tokenizer)
    assert (sentence.io, sentence.s1, sentence.s2) == (1, 3, 9)


# --- sentences ------------------------------------------------------------------------------------------------------


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
        ({"subject_positions": [1, 3]}, r"one place before its second at 9; got subject_positions=\[1, 3\]"),
        ({"subject_positions": [9]}, "one place before its second"),
        ({"io_position": 3}, "S1 and IO are two places before S2"),
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
    for prompt in prompts(scope, 30, seed):
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


# --- published heads, comparison, drawing ---------------------------------------------------------------------------


def test_the_paper_has_26_heads():
    heads = known("gpt2")
    assert tuple(heads) == tuple(name for name in CLASSES if name != "subject_suppressor")  # the paper has none
    assert [len(some) for some in heads.values()] == [3, 2, 4, 4, 3, 2, 8]
    assert len({head for some in heads.values() for head in some}) == 26
    assert all(0 <= layer < 12 and 0 <= head < 12 for some in heads.values() for layer, head in some)
    assert known("openai-community/gpt2") == heads
    with pytest.raises(ValueError, match="No published IOI circuit is known for 'gpt2-xl'; there is one for 'gpt2'"):
        known("gpt2-xl")


def test_the_exact_sets_score_one():
    table = compare(known("gpt2"), "gpt2").to_dataframe()
    assert list(table["class"]) == [*known("gpt2"), "all"]
    assert (table[["precision", "recall", "f1"]] == 1.0).all(axis=None)
    assert set(table["missed"]) == set(table["extra"]) == {""}


def test_comparison_by_hand():
    found = {"name_mover": [(9, 9), (10, 10), (9, 9), np.array([9, 6])], "induction": [], "previous_token": [[10, 0]]}
    result = compare(found, "gpt2")
    rows = result.to_dataframe().set_index("class")
    mover = rows.loc["name_mover"]
    assert (mover["found"], mover["reference"], mover["true_positives"]) == (3, 3, 2)
    assert mover["precision"] == mover["recall"] == mover["f1"] == pytest.approx(2 / 3)
    assert (mover["missed"], mover["extra"]) == ("10.0", "10.10")
    induction = rows.loc["induction"]
    assert np.isnan(induction["precision"])
    assert induction["recall"] == induction["f1"] == 0
    assert induction["missed"] == "5.5 5.8 5.9 6.9"
    # 10.0 is found in the wrong class: wrong there, right among all
    assert rows.loc["previous_token", "precision"] == 0
    everything = rows.loc["all"]
    assert (everything["found"], everything["reference"], everything["true_positives"]) == (4, 26, 4)
    assert everything["f1"] == pytest.approx(2 * 4 / 30)
    assert "Comparison with gpt2" in repr(result)
    assert "<table" in result._repr_html_()


def test_comparison_with_heads_of_the_users_own():
    rows = compare({"induction": [(1, 2)]}, {"previous_token": [(0, 3)]}).to_dataframe().set_index("class")
    assert list(rows.index) == ["induction", "previous_token", "all"]
    assert np.isnan(rows.loc["induction", "recall"])
    assert np.isnan(rows.loc["previous_token", "precision"])
    assert rows["f1"].tolist() == [0, 0, 0]
    nothing = compare({}, {}).to_dataframe()
    assert nothing["class"].tolist() == ["all"]
    assert nothing[["precision", "recall", "f1"]].isna().all(axis=None)


@pytest.mark.parametrize(
    ("found", "reference", "message"),
    [
        ({"name_movers": []}, "gpt2", "found= has the class 'name_movers', which is not known; there are name_mover"),
        ({}, {"mover": []}, "reference= has the class 'mover'"),
        ({}, "pythia", "No published IOI circuit is known for 'pythia'"),
        ({"induction": [3]}, "gpt2", r"found\['induction'\] holds heads as \(layer, head\).*got 3"),
        ({"induction": [(1, 2, 3)]}, "gpt2", r"got \(1, 2, 3\)"),
        ({"induction": [(-1, 2)]}, "gpt2", r"counted from 0; got \(-1, 2\)"),
        ([(1, 2)], "gpt2", "got list"),
    ],
)
def test_comparisons_that_cannot_be(found, reference, message):
    with pytest.raises((TypeError, ValueError), match=message):
        compare(found, reference)


def svg_of(dot):
    """Draw with Graphviz; gives the titles of nodes and edges."""
    if shutil.which("dot") is None:
        pytest.skip("Graphviz is not on this machine: install it to check the drawing (apt-get install graphviz).")
    import xml.etree.ElementTree as ElementTree

    done = subprocess.run(["dot", "-Tsvg"], input=dot, text=True, capture_output=True, check=True)
    assert done.stderr == ""
    groups = ElementTree.fromstring(done.stdout).iter("{http://www.w3.org/2000/svg}g")
    found = {"node": {}, "edge": [], "text": done.stdout}
    for group in groups:
        title = group.findtext("{http://www.w3.org/2000/svg}title")
        if group.get("class") == "node":
            found["node"][title] = group
        elif group.get("class") == "edge":
            found["edge"].append(tuple(title.split("->")))
    return found


def height(group):
    return float(next(group.iter("{http://www.w3.org/2000/svg}ellipse")).get("cy"))


def test_the_drawing_of_the_paper():
    drawn = svg_of(to_dot(known("gpt2"), title='The "paper" \\ <b>&\nnew line'))
    assert len(drawn["node"]) == 26
    assert ("2.2", "5.5") in drawn["edge"]
    assert ("8.6", "9.9") in drawn["edge"]
    assert ("9.9", "8.6") not in drawn["edge"]
    assert "The &quot;paper&quot; \\ &lt;b&gt;&amp;" in drawn["text"]
    by_layer = sorted((int(name.split(".")[0]), height(group)) for name, group in drawn["node"].items())
    heights = {}
    for layer, y in by_layer:
        assert heights.setdefault(layer, y) == y
    assert list(heights.values()) == sorted(heights.values(), reverse=True)


def test_drawings_of_some_heads():
    some = svg_of(to_dot({"induction": [(1, 2)], "name_mover": [(3, 1), (1, 2)]}, title=""))
    assert set(some["node"]) == {"1.2", "3.1"}
    text = "".join(some["node"]["1.2"].itertext())
    assert "NI" in text
    assert "N name mover, I induction" in some["text"]
    assert len(svg_of(to_dot({}))["node"]) == 0
    edges = [((0, 1), (3, 3)), ((0, 1), (3, 3))]
    given = svg_of(to_dot({"duplicate_token": [(0, 1)], "name_mover": [(3, 3), (5, 0)]}, edges=edges))
    assert given["edge"] == [("0.1", "3.3")]
    assert height(given["node"]["5.0"]) < height(given["node"]["3.3"]) < height(given["node"]["0.1"])
    with pytest.raises(ValueError, match=r"to or from \(9, 9\), which is no head of classes="):
        to_dot({"name_mover": [(3, 3)]}, edges=[((3, 3), (9, 9))])
    with pytest.raises(ValueError, match="classes= has the class 'mover'"):
        to_dot({"mover": [(3, 3)]})
