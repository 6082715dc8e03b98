"""IOI prompts: roles, balance, corruption, and that models do the task."""

import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import processors

from scope_widgets.ioi import IOIPrompts, prompts
from scope_widgets.ioi.dataset.first_names import NAMES, name_tokens
from scope_widgets.ioi.dataset.prompt_set import ROLES
from scope_widgets.ioi.dataset.sentence import IOISentence
from scope_widgets.ioi.dataset.templates import FILLERS, TEMPLATES
from tests.support.tiny_models import tiny_tokenizer
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


@settings(max_examples=15, deadline=None)
@given(n=st.integers(1, 60), seed=st.integers(0, 2**32))
def test_names_stand_where_the_roles_say(scope, n, seed):
    these = prompts(scope, n=n, seed=seed)
    assert len(these) == n
    check_set(scope.tokenizer, these)
    for role, name in (("IO", these.io_ids), ("S1", these.subject_ids), ("S2", these.subject_ids)):
        np.testing.assert_array_equal([p.token_ids[p.positions[role]] for p in these], name)
    assert abs(these.order.count("ABBA") - these.order.count("BABA")) <= 1
    for corruption in ("abc", "io", "s", "s2_io", "swap"):
        check_set_of_corrupted(scope.tokenizer, these, these.corrupted(corruption, seed=seed))


def check_set_of_corrupted(tokenizer, clean, corrupted):
    # two clean prompts may differ in the names alone and so have one corrupted text
    for attribute in ("answers", "subjects", "template", "order", "templates", "names", "seed"):
        assert getattr(corrupted, attribute) == getattr(clean, attribute)
    np.testing.assert_array_equal(corrupted.io_ids, clean.io_ids)
    names = {one.id for one in clean.names}
    all_new = clean.corrupted("abc", seed=corrupted.corruption_seed) if corrupted.corruption in ("io", "s") else clean
    for one, other, new in zip(clean, corrupted, all_new, strict=True):
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
        elif corrupted.corruption in ("io", "s"):
            drawn = [new.token_ids[at] for at in (io, s1, s2)]
            assert now == ([drawn[0], *was[1:]] if corrupted.corruption == "io" else [was[0], *drawn[1:]])
        elif corrupted.corruption == "s2_io":
            assert changed == [s2]
            assert now[2] == was[0]
        else:
            assert now == [was[1], was[0], was[0]]


def test_sets_are_balanced_disjoint_and_the_same_again(demo):
    whole = prompts(demo, n=200, seed=3)
    assert whole == prompts(demo, n=200, seed=3)
    first, second = whole[:100], whole[100:]
    assert isinstance(first, IOIPrompts)
    assert len(first) == len(second) == 100
    assert set(first.texts).isdisjoint(second.texts)
    assert not set(whole.texts) & set(prompts(demo, n=200, seed=4).texts)
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
    these = prompts(demo, n=7, seed=1, order="BABA")
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
    these = prompts(demo, n=6)
    trace = demo.trace(these.texts, capture=())
    for i, prompt in enumerate(these):
        assert trace[i].token_ids.tolist() == list(prompt.token_ids)
        assert trace[i].tokens == list(prompt.tokens)
    bare = prompts(demo, n=6, prepend_bos=False)
    for role in ROLES:
        np.testing.assert_array_equal(these.positions[role], bare.positions[role] + 1)


def test_there_are_enough_words_of_ours(demo):
    assert len(TEMPLATES) >= 15
    assert len(NAMES) == len(set(NAMES)) >= 100
    these = prompts(demo, n=1)
    assert len(these.templates) >= 15
    assert len(these.names) >= 100
    unknown = demo.tokenizer.unk_token_id
    assert not any(unknown in row for row in prompts(demo, n=200).token_ids)
    assert all(word[0] not in "aeiou" for word in FILLERS["object"])  # they stand after "a"


def test_words_of_several_tokens_keep_the_length_of_a_template():
    # a vocabulary too small for most words: names stay single, places and objects come in pieces
    tokenizer = byte_level_bpe(vocab_size=520)
    people = ["Amy", "Ann", "Eva", "Ian", "Jim", "Joe", "Kim", "Leo"]
    tokenizer.add_tokens([f" {name}" for name in people])
    these = prompts(scope_of(tokenizer), n=80, names=people)
    check_set(tokenizer, these)
    check_set_of_corrupted(tokenizer, these, these.corrupted("abc"))


def test_templates_and_names_of_the_users_own(demo):
    mine = [
        "Today {subject} and {io} were here, and {subject} gave a {object} to",
        TEMPLATES[0].replace("When", "Today"),
    ]
    mine[0] = mine[0].replace("Today", "After")
    mine[1] = mine[1].replace("Today", "After")
    these = prompts(demo, n=24, templates=mine, names=["Mary", "John", " Tom"])
    check_set(demo.tokenizer, these)
    assert {p.io for p in these} | {p.subject for p in these} == {"Mary", "John", "Tom"}
    assert these.templates[0].startswith("After {io} and {subject} were here")
    with pytest.raises(ValueError, match=r"'abc' takes three names.*made with 3: Mary, John, Tom"):
        these.corrupted("abc")
    # two names, one template: two prompts of each order, and no more
    two = prompts(demo, n=4, templates=["When {io} met {subject}, {subject} spoke to"], names=["Mary", "John"])
    assert sorted(two.texts) == [
        "When John met Mary, John spoke to",
        "When John met Mary, Mary spoke to",
        "When Mary met John, John spoke to",
        "When Mary met John, Mary spoke to",
    ]
    with pytest.raises(ValueError, match=r"n=5 takes 3 different prompts.*has 2 with 2 names"):
        prompts(demo, n=5, templates=["When {io} met {subject}, {subject} spoke to"], names=["Mary", "John"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n": 0}, "n=0 would be an empty set of prompts"),
        ({"n": -3}, "empty set of prompts"),
        ({"n": 2.5}, "n= is the number of prompts; got 2.5"),
        ({"order": "AABB"}, "order= is one of both, ABBA, BABA; got 'AABB'"),
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
        prompts(scope_of(tiny_tokenizer()), n=4)
    small = byte_level_bpe(vocab_size=300, names=("Mary",))
    with pytest.raises(ValueError, match=r"will do: 'Aaron' is .* \+ "):
        prompts(scope_of(small), n=4)
    with pytest.raises(ValueError, match="knows the words of none of the 23 templates"):
        prompts(scope_of(word_level(list(NAMES))), n=4)
    words = [w for t in (*TEMPLATES, *NAMES) for w in t.replace(",", " , ").replace(".", " . ").lower().split()]
    folded = word_level(words, lower=True)
    with pytest.raises(ValueError, match=r"all distinct, but 'mary' is the same token as 'Mary'"):
        prompts(scope_of(folded), n=4, names=["Mary", "John", "mary"])
    mixed = name_tokens(gpt2_like, ["Mary", "John"])
    assert [one.token for one in mixed] == [" Mary", " John"]
    template = "When Mary saw {io} and {subject}, {subject} spoke to"
    with pytest.raises(ValueError, match=r"of 'Mary' must stand once"):
        prompts(scope_of(gpt2_like), n=4, templates=[template], names=["Mary", "John"])
    ending = byte_level_bpe()
    ending.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="$A <s>", special_tokens=[("<s>", 0)]
    )
    with pytest.raises(ValueError, match="ends a text with '<s>'"):
        prompts(scope_of(ending), n=4)


def test_corruptions_that_cannot_be(demo):
    these = prompts(demo, n=4)
    with pytest.raises(ValueError, match="one of abc, io, s, s2_io, swap; got 'xyz'"):
        these.corrupted("xyz")
    with pytest.raises(ValueError, match=r"corrupted already \(swap\)"):
        these.corrupted("swap").corrupted("abc")


@pytest.mark.parametrize("seed", range(3))
def test_the_demo_model_does_the_task(demo, seed):
    assert (difference(demo, prompts(demo, n=100, seed=seed)) > 0).sum() >= 98


def test_corruptions_take_the_task_away(demo):
    these = prompts(demo, n=50)
    clean = difference(demo, these).mean()
    assert difference(demo, these.corrupted("s2_io")).mean() < -0.8 * clean
    assert difference(demo, these.corrupted("swap")).mean() < -0.8 * clean
    assert abs(difference(demo, these.corrupted("abc")).mean()) < 0.2 * clean


@pytest.mark.smollm2
@pytest.mark.parametrize("n", [25, pytest.param(100, marks=pytest.mark.heavy)])
def test_smollm2_does_the_task(smollm2, n):
    these = prompts(smollm2, n=n, seed=0)
    assert len(these.templates) == len(TEMPLATES)
    assert len(these.names) >= 100
    assert (difference(smollm2, these) > 0).mean() >= 0.98


@pytest.mark.smollm2
def test_positions_hold_for_smollm2s_tokenizer(smollm2):
    these = prompts(smollm2, n=500, seed=9)
    check_set(smollm2.tokenizer, these)
    for corruption in ("abc", "io", "s", "s2_io", "swap"):
        check_set_of_corrupted(smollm2.tokenizer, these, these.corrupted(corruption))
    sentence = IOISentence.parse(JOHN_AND_MARY, smollm2.tokenizer)
    assert (sentence.io, sentence.s1, sentence.s2) == (1, 3, 9)
