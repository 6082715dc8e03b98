"""Labels of planted heads, and none of random ones."""

import numpy as np
import pytest

from scope_widgets import heads
from tests.support.planted_traces import current, duplicate, first, induction, planted_trace, previous, random, uniform

pytestmark = pytest.mark.numeric


def names(trace):
    labels = heads.label(heads.score(trace))
    return [labels.of(0, head) for head in range(trace.n_heads)]


@pytest.mark.parametrize("length", [4, 5, 8, 16, 64, 256, 1024])
def test_planted_heads_get_their_names(length):
    trace = planted_trace([[previous(length), first(length), uniform(length), current(length)]], np.arange(length))
    assert names(trace) == [["previous_token"], ["first_token"], ["uniform"], ["current_token"]]


def test_induction_without_false_positives():
    rng = np.random.default_rng(0)
    half = rng.permutation(500)[:50]
    ids = np.concatenate([[999], half, half])
    length = len(ids)
    others = [previous(length), first(length), uniform(length), current(length)]
    others += [random(length, rng, sharpness) for sharpness in (0.1, 1, 3, 10) for _ in range(5)]
    trace = planted_trace([[induction(ids), duplicate(ids), *others]], ids)
    found = names(trace)
    assert "induction" in found[0]
    assert "duplicate_token" in found[1]
    assert not any({"induction", "duplicate_token"} & set(labels) for labels in found[2:])
    assert heads.label(heads.score(trace)).letters()[0, 0] == "I"


def test_random_heads_are_not_labelled():
    rng = np.random.default_rng(1)
    flagged = total = 0
    for length in (4, 8, 14, 40):
        ids = rng.integers(0, length // 2, length)
        trace = planted_trace([[random(length, rng, 4.0) for _ in range(50)]], ids)
        flagged += len(heads.label(heads.score(trace)).label)
        total += 50 * 5
    assert flagged / total < 0.05


def test_label_carries_its_evidence():
    length = 30
    labels = heads.label(heads.score(planted_trace([[previous(length), uniform(length)]], np.arange(length))))
    row = labels.to_dataframe().iloc[0]
    assert row.to_dict() == {
        "layer": 0,
        "head": 0,
        "label": "previous_token",
        "statistic": "previous_token",
        "score": 1.0,
        "threshold": 0.4,
        "null_p": pytest.approx(1 / 201),
    }
    assert len(heads.label(heads.score(planted_trace([[random(9, np.random.default_rng(0))]], range(9)))).label) == 0
    with pytest.raises(ValueError, match=r"No label inductive; thresholds can be set for induction"):
        heads.label(heads.score(planted_trace([[previous(5)]], range(5))), thresholds={"inductive": 0.3})
