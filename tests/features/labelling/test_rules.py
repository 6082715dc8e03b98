"""Rules are read again as they were said; intervals are those of the formula."""

import numpy as np
import pytest
from scipy.stats import binomtest

from scope_widgets.features.labelling.passages import FORMS, Passages, Vocabulary
from scope_widgets.features.labelling.rules import fires_by, rules_of, words_of
from scope_widgets.features.labelling.scores import Accuracy

TEXTS = ["it's", 'a "b"', "1 or 2", "\n", "after", "Mary", "42", "NASA", "x", ",", "\\", "é", "said before", " "]


class Index:
    """An index that knows texts only."""

    @staticmethod
    def text(token_id):
        return TEXTS[token_id]


@pytest.fixture
def vocabulary():
    return Vocabulary(Index, np.arange(len(TEXTS)))


def test_rules_are_read_again(vocabulary):
    rng = np.random.default_rng(0)
    kinds = [("on",), ("form",), ("last",), ("again",), ("on", "again"), ("form", "again"), ("on", "last"),
             ("form", "last"), ("last", "second"), ("on", "last", "second"), ("next",), ("on", "next")]  # fmt: skip
    for _ in range(300):
        rules = []
        for at in rng.integers(0, len(kinds), rng.integers(1, 5)):
            limits = {"form": (1, len(FORMS) + 1), "again": (1, 2), "last": (0, 15), "second": (0, 15)}
            rules.append(tuple((name, int(rng.integers(*limits.get(name, (1, 15))))) for name in kinds[at]))
        read = rules_of(words_of(rules, vocabulary), vocabulary)
        assert [dict(one) for one in read] == [dict(one) for one in rules]
    for other in ("", "verbs of motion", "'a' or", "'a' or or 'b'", "'a", "Mary", "'a'" + " or 'a'" * 9_000):
        assert rules_of(other, vocabulary) is None
    assert rules_of("'never seen'", vocabulary) == [(("on", len(TEXTS) + 1),)]


def test_what_rules_hold_on(vocabulary):
    window = np.full((1, 24), -1)
    said = ["Mary", "after", "x", "x", "Mary", "42", "NASA", ",", "\n", " ", "é"]
    window[0, 2 : 2 + len(said)] = [TEXTS.index(one) for one in said]
    passages = Passages.of(vocabulary, window, np.zeros((1, 24), dtype=bool))

    def on(label):
        return np.flatnonzero(fires_by(rules_of(label, vocabulary), passages)[0]).tolist()

    assert on("'x'") == [2, 3]
    assert on("'x' after 'x'") == [3]
    assert on("after 'after' 'x'") == [3]
    assert on("after the beginning") == [0]
    assert on("'x' before 'Mary'") == [3]
    assert on("said before") == [3, 4]
    assert on("'Mary' said before") == [4]
    assert [on(form) for form in FORMS] == [[8], [9], [5], [6], [0, 4], [1, 2, 3, 10], [7], []]
    assert on("digits or 'never seen' or capitals") == [5, 6]


def test_where_tokens_have_their_spaces_words_without_are_pieces(monkeypatch):
    monkeypatch.setitem(globals(), "TEXTS", [" walk", "ing", " Mary", "Mc", ",", " "])
    vocabulary = Vocabulary(Index, np.arange(6))
    names = ["", *FORMS]
    found = [names[one] for one in vocabulary.forms(np.arange(1, 7))]
    assert found == ["a word", "a piece of a word", "a capitalised word", "a capitalised word", "punctuation", "spaces"]


def test_intervals_are_those_of_the_formulas():
    one = Accuracy(8, 10, 45, 50)
    assert one.balanced == pytest.approx(0.85)
    ends = [binomtest(*some).proportion_ci(method="wilson") for some in ((8, 10), (45, 50))]
    low = 0.85 - np.hypot(0.8 - ends[0].low, 0.9 - ends[1].low) / 2
    high = 0.85 + np.hypot(ends[0].high - 0.8, ends[1].high - 0.9) / 2
    assert one.interval(10, 50) == pytest.approx((low, high), abs=1e-6)
    assert one.interval(4, 50)[0] < low
    assert np.isnan(Accuracy(0, 0, 3, 4).balanced)


def test_the_interval_covers_the_truth_as_often_as_it_says():
    rng, covered = np.random.default_rng(1), 0
    for _ in range(1000):
        one = Accuracy(rng.binomial(20, 0.9), 20, rng.binomial(200, 0.7), 200)
        low, high = one.interval(20, 200)
        covered += low <= 0.8 <= high
    assert 930 <= covered <= 990
