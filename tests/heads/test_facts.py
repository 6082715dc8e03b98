"""Facts: their prompts, counterfactuals and files; and where the subject of a prompt stands."""

import json
import warnings

import pytest
import transformers as hf
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from scope_widgets import Microscope, heads
from scope_widgets.heads import Fact, FactSet
from tests.support.tiny_models import tiny_model, tiny_tokenizer

CAPITALS = [("France", "Paris"), ("Germany", "Berlin"), ("Sri Lanka", "Colombo"), ("New Zealand", "Wellington")]
SPEECH = [("Brazil", "Portuguese"), ("Portugal", "Portuguese"), ("Poland", "Polish")]


def small():
    facts = [Fact(s, "capital", a) for s, a in CAPITALS] + [Fact(s, "language", a) for s, a in SPEECH]
    templates = {"capital": ["The capital of {subject} is", "In {subject}, the capital is"], "language": "{subject}:"}
    return FactSet(facts, templates)


def byte_level(merge=False):
    """Make a byte-level tokenizer as GPT-2's: one token a byte, or a letter with the space before it."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    merges = [("Ġ", letter) for letter in "FPGB"] if merge else []
    vocab = {token: i for i, token in enumerate([*alphabet, *map("".join, merges)])}
    tokenizer = Tokenizer(models.BPE(vocab, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return hf.PreTrainedTokenizerFast(tokenizer_object=tokenizer)


def beginning(tokenizer):
    """Let a tokenizer begin each prompt with <bos> by itself, as Llama's does."""
    from tokenizers.processors import TemplateProcessing

    tokenizer._tokenizer.post_processor = TemplateProcessing(single="<bos> $A", special_tokens=[("<bos>", 1)])
    return tokenizer


# --- facts ------------------------------------------------------------------------------------------------------------


def test_pairs_ask_the_same_of_another_subject():
    facts = small()
    for seed in range(20):
        pairs = facts.prompt_pairs(seed=seed)
        assert [pair.true.fact for pair in pairs] == list(facts)
        for true, other in pairs:
            assert other.fact in facts.facts
            assert other.fact.relation == true.fact.relation
            assert other.template == true.template
            assert other.subject != true.subject
            assert other.answer != true.answer, "Brazil and Portugal are no pair: both speak Portuguese"
            assert true.text == true.template.replace("{subject}", true.subject)
            assert true.answer == f" {true.fact.answer}"
    assert facts.prompt_pairs(seed=3) == facts.prompt_pairs(seed=3)
    assert len({tuple(facts.prompt_pairs(seed=seed)) for seed in range(20)}) > 10
    assert [pair.true for pair in facts.prompt_pairs(seed=5)] == facts.prompts(seed=5)
    templates = {prompt.template for seed in range(20) for prompt in facts.prompts(seed=seed)}
    assert templates == {"The capital of {subject} is", "In {subject}, the capital is", "{subject}:"}


def test_pairs_of_equal_token_length_and_what_was_dropped():
    words = tiny_tokenizer()  # a token a word: Sri Lanka and New Zealand are two
    with pytest.warns(
        UserWarning, match=r"Left out 3 of 5 facts.*equally many tokens\): Sri Lanka, Brazil, Portugal\.$"
    ):
        pairs = (
            small().filter(predicate=lambda f: f.subject not in ("New Zealand", "Poland")).prompt_pairs(tokenizer=words)
        )
    assert [pair.true.subject for pair in pairs] == ["France", "Germany"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pairs = small().prompt_pairs(tokenizer=words)
    for true, other in pairs:
        assert len(words(true.text)["input_ids"]) == len(words(other.text)["input_ids"])
    alone = small().filter(predicate=lambda fact: fact.subject == "France")
    with pytest.raises(
        ValueError, match=r"None of the 1 facts has a counterfactual \(another fact of the same relation"
    ):
        alone.prompt_pairs()


def test_own_counterfactuals():
    fact = Fact("France", "capital", "Paris", counterfactual=["Norway", "Oslo"])
    other = heads.FactSet([fact], {"capital": "{subject}'s capital is"}).prompt_pairs()[0].counterfactual
    assert (other.text, other.answer) == ("Norway's capital is", " Oslo")
    assert hash(fact) == hash(Fact("France", "capital", "Paris", ("Norway", "Oslo")))


def test_filter():
    facts = small()
    assert facts.filter("capital").relations == ("capital",)
    assert facts.filter("capital").templates == {"capital": facts.templates["capital"]}
    assert [fact.subject for fact in facts.filter("language", lambda fact: fact.subject > "Ph")] == [
        "Portugal",
        "Poland",
    ]
    assert len(facts.filter()) == len(facts) == 7
    assert facts.filter() == facts
    with pytest.raises(ValueError, match=r"no relation 'capitals' in this FactSet; there are capital, language"):
        facts.filter("capitals")
    with pytest.raises(ValueError, match=r"No fact passes the filter: predicate= holds for none of the 7 facts"):
        facts.filter(predicate=lambda fact: False)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: FactSet([], {}), "at least one Fact"),
        (
            lambda: FactSet([("a", "b", "c")], {"b": "{subject} is"}),
            r"holds Fact\(subject, relation, answer\); got \('a'",
        ),
        (lambda: FactSet([Fact("a", "b", "c")], {}), "relation 'b' has no template. Give one, such as"),
        (lambda: FactSet([Fact("a", "b", "c")], {"b": []}), "relation 'b' has no template"),
        (
            lambda: FactSet([Fact("a", "b", "c")], {"b": "a is"}),
            "holds {subject} once and ends without a space; got 'a is",
        ),
        (lambda: FactSet([Fact("a", "b", "c")], {"b": "{subject} is "}), "ends without a space"),
        (
            lambda: FactSet([Fact("a", "b", "c")] * 2, {"b": "{subject}"}),
            "A subject has one answer in a relation; 'a' has 'c' and 'c'",
        ),
        (lambda: Fact("", "b", "c"), "have a letter and no spaces around them; got ''"),
        (lambda: Fact("a", "b", " c"), "no spaces around them; got ' c'"),
        (lambda: Fact("a", "b", 3), r"are texts; got 3 in \('a', 'b', 3\)"),
        (lambda: Fact("a", "b", "c", ("d", "c")), "must have another subject and another answer"),
        (lambda: Fact("a", "b", "c", "de"), r"counterfactual= is \(subject, answer\) or None; got 'de'"),
    ],
)
def test_wrong_facts_are_refused(make, message):
    with pytest.raises((TypeError, ValueError), match=message):
        make()


def test_braces_are_text():
    facts = FactSet([Fact("{x}", "b", "{0}")], {"b": "{y} {subject} {"})
    assert facts.prompts()[0].text == "{y} {x} {"


words = st.text(min_size=1).map(str.strip).filter(bool)
triples = st.lists(st.tuples(words, words, words), min_size=1, unique_by=lambda triple: triple[:2])


@given(triples, st.booleans())
def test_files_and_tables_round_trip(tmp_path_factory, some, own):
    counterfactual = ("other subject \x00", "other answer 🦉") if own else None
    facts = FactSet(
        [Fact(*triple, counterfactual) for triple in some], {relation: "{subject} is" for _, relation, _ in some}
    )
    assert FactSet.from_json(facts.to_json()) == facts
    path = tmp_path_factory.getbasetemp() / "facts.json"
    facts.save(path)
    assert FactSet.load(path) == facts
    assert FactSet.from_dataframe(facts.to_dataframe(), facts.templates) == facts


def test_files_of_something_else():
    for text in (
        "",
        "{}",
        "[]",
        '"x"',
        json.dumps({"format": "scope-widgets facts 1", "facts": [{"a": 1}], "templates": {}}),
    ):
        with pytest.raises(ValueError, match="not a FactSet written by to_json"):
            FactSet.from_json(text)


def test_tables():
    import pandas as pd

    table = pd.DataFrame({"answer": ["Paris", "Oslo"], "subject": ["France", "Norway"], "relation": ["capital"] * 2})
    facts = FactSet.from_dataframe(table, {"capital": "{subject}:"})
    assert facts.facts[1] == Fact("Norway", "capital", "Oslo")
    table = facts.to_dataframe()
    assert list(table.columns) == ["subject", "relation", "answer", "counterfactual_subject", "counterfactual_answer"]
    table[["counterfactual_subject", "counterfactual_answer"]] = float("nan")
    assert FactSet.from_dataframe(table, {"capital": "{subject}:"}) == facts, "NaN is how tables say None"
    with pytest.raises(ValueError, match=r"has subject, relation, answer; this one lacks \['relation'\]"):
        FactSet.from_dataframe(table.drop(columns="relation"), {})


def test_known_facts():
    facts = heads.known_facts()
    assert len(facts) == 44
    assert facts.relations == ("capital", "country", "language", "continent")
    assert Fact("Norway", "capital", "Oslo") in facts.facts
    assert len(facts.prompt_pairs()) == len(facts)
    assert all(len(facts.filter(relation)) >= 10 for relation in facts.relations)
    assert repr(facts) == "FactSet(44 facts: capital, country, language, continent)"


# --- where the subject stands -----------------------------------------------------------------------------------------


def test_positions_with_offsets():
    tokenizer = byte_level()
    assert heads.subject_positions(tokenizer, "of Rome is", "Rome") == [3, 4, 5, 6]
    assert heads.subject_positions(tokenizer, "é Rome", "Rome") == [3, 4, 5, 6], "é is two tokens"
    assert heads.subject_positions(tokenizer, "a é b", "é") == [2, 3]
    assert heads.subject_positions(byte_level(merge=True), "a Po.", "Po") == [1, 2], "the space belongs to the token"
    assert heads.subject_positions(tokenizer, "Ann saw Ann", "Ann") == [0, 1, 2, 8, 9, 10]
    assert heads.subject_positions(tokenizer, "Anna, Ann's", "Ann") == [6, 7, 8]
    assert heads.subject_positions(tokenizer, "法国的", "法国") == [0, 1, 2, 3, 4, 5], "no spaces in this script"


def test_positions_are_those_of_the_trace():
    for tokenizer in (tiny_tokenizer(), beginning(tiny_tokenizer())):
        scope = Microscope.for_model(tiny_model("llama"), tokenizer)
        for prepend_bos in (None, True, False):
            trace = scope.trace("w7 w8 w9 w5", capture=(), prepend_bos=prepend_bos)
            at = heads.subject_positions(tokenizer, "w7 w8 w9 w5", "w8 w9", prepend_bos=prepend_bos)
            assert [trace.tokens[i] for i in at] == ["w8", "w9"]


def test_positions_without_offsets():
    slow = hf.ByT5Tokenizer()
    assert not slow.is_fast
    assert heads.subject_positions(slow, "of Rome is", "Rome") == [2, 3, 4, 5, 6], "with its space, as it was found"
    assert heads.subject_positions(slow, "Rome is", "Rome") == [0, 1, 2, 3]
    assert heads.subject_positions(slow, "(Rome) in Rome.", "Rome") == [1, 2, 3, 4, 9, 10, 11, 12, 13]
    with pytest.raises(ValueError, match=r"is 1 times in the prompt and its tokens 2 times.*Load a fast one"):
        heads.subject_positions(slow, "Alice met Ali here", "Ali")


@pytest.mark.parametrize("subject", ["Paris", "Fran", "rance", ""])
def test_subject_that_is_not_there(subject):
    with pytest.raises(
        ValueError, match=f"The subject '{subject}' is not in the prompt 'of France is' as a whole word"
    ):
        heads.subject_positions(byte_level(), "of France is", subject)


def test_subject_without_tokens():
    tokenizer = Tokenizer(models.BPE({"a": 0}, []))  # what it does not know it leaves out
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    with pytest.raises(ValueError, match="no token of this tokenizer covers it"):
        heads.subject_positions(hf.PreTrainedTokenizerFast(tokenizer_object=tokenizer), "a b a", "b")
