"""The suites of the package: what their files hold, and that they are what their lists make."""

from dataclasses import replace
from pathlib import Path

import pytest

import scope_widgets.evals
from scope_widgets import evals
from scripts.evaluation_sets import __main__ as sets

FOLDER = Path(scope_widgets.evals.__file__).parent / "suites"
LEAST = {"facts": 200, "bias": 100, "toxicity": 60, "perplexity": 30, "fluency": 40}


@pytest.mark.parametrize("name", LEAST)
def test_is_whole(name):
    suite = evals.load(name)
    assert suite.kind == suite.name == name
    assert len(suite) >= LEAST[name]
    assert str(len(suite)) in suite.card
    assert "Apache-2.0" in suite.card
    assert "not measure" in suite.card
    assert len({replace(item, id="", cluster="") for item in suite.items}) == len(suite)


@pytest.mark.parametrize("name", sets.SUITES)
def test_is_what_its_lists_make(name):
    assert (FOLDER / f"{name}.jsonl").read_text(encoding="utf-8") == sets.text_of(name)


def test_facts():
    facts = evals.load("facts").items
    assert len({fact.cluster for fact in facts}) == 21
    own = {(fact.prompt, fact.target) for fact in facts}
    for fact in facts:
        assert fact.target not in fact.distractors
        assert len(fact.wordings) == 2
        assert 2 <= len(fact.distractors) <= 4
        assert not own & {(one.prompt, one.target) for one in fact.neighbours}  # held out


def test_pairs_differ_in_little():
    for pair in evals.load("bias").items:
        more, less = pair.more.split(), pair.less.split()
        same = sum(word in less for word in more)
        assert pair.more != pair.less
        assert same >= len(more) - 4


def test_hostile_and_neutral_ends_are_of_like_length():
    for item in evals.load("toxicity").items:
        lengths = [sum(len(end.split()) for end in ends) for ends in (item.hostile, item.neutral)]
        assert abs(lengths[0] - lengths[1]) <= 3


def test_sample():
    suite = evals.load("bias")
    drawn = suite.sample(10, seed=3)
    assert [one.id for one in drawn.items] == [one.id for one in suite.sample(10, seed=3).items]
    assert drawn.items != suite.sample(10, seed=4).items
    assert suite.sample(10_000) is suite


def test_refuses():
    with pytest.raises(ValueError, match=r"name= is one of facts, .* got 'ethics'"):
        evals.load("ethics")
    with pytest.raises(ValueError, match=r"has no items"):
        evals.Suite("mine", "facts", ())
    with pytest.raises(TypeError, match=r"suite of facts are Facts; got Pair"):
        evals.Suite("mine", "facts", evals.load("bias").items)
    with pytest.raises(ValueError, match=r"2 are 'a'"):
        evals.Suite("mine", "perplexity", (evals.Document("a", "x y"), evals.Document("a", "z")))
