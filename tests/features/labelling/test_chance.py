"""Labels are not given by chance: p values are those of counting, latents at random get no label, few passages none."""

import itertools

import numpy as np
import pytest

from scope_widgets import Microscope, features
from scope_widgets.features.labelling.within_passages import p_of_hits
from tests.support.random_latents import index_of_random_latents


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    """An index of latents that fire at random, some on a handful of tokens."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("chance")
        return index_of_random_latents(Microscope.load("demo"), folder, 320, (0.0005, 0.2), patch)


@pytest.fixture(scope="module")
def labels(index):
    return features.label(index, progress=False)


def test_p_is_that_of_counting_all_turns():
    draw = np.random.default_rng(0)
    lengths = [5, 3, 5, 4, 1]
    there = np.arange(6)[None] < np.array(lengths)[:, None]
    there[1] = np.roll(there[1], 2)  # a passage may begin later in its window
    for _ in range(20):
        said, fires = (draw.random(there.shape) < 0.5) & there, (draw.random(there.shape) < 0.4) & there
        rows = [(s[t], f[t]) for s, f, t in zip(said, fires, there, strict=True)]
        hits = sum(int((s & f).sum()) for s, f in rows)
        turns = itertools.product(*(range(n) for n in lengths))
        as_many = [
            sum(int((s & np.roll(f, turn)).sum()) for (s, f), turn in zip(rows, some, strict=True)) >= hits
            for some in turns
        ]
        assert p_of_hits(said, fires, there) == pytest.approx(np.mean(as_many), rel=1e-9)


def test_p_is_small_by_chance_as_often_as_it_says():
    """Of labels and latents that have nothing to do with each other, both of which come in stretches."""
    draw = np.random.default_rng(1)
    there = np.ones((15, 21), dtype=bool)
    stretch = np.ones(4)

    def in_stretches():
        starts = draw.random((15, 21)) < 0.08
        return np.array([np.convolve(row, stretch)[:21] > 0 for row in starts])

    p = np.array([p_of_hits(in_stretches(), in_stretches(), there) for _ in range(1000)])
    assert 0.01 < (p < 0.05).mean() < 0.065
    assert (p < 0.01).mean() < 0.02
    same = in_stretches()
    assert p_of_hits(same, same, there) < 1e-6
    assert p_of_hits(there, there, there) == 1.0  # every token of a passage says nothing of where


def by_hand(p):
    """Return q of Benjamini and Hochberg."""
    order = np.argsort(p)
    steps = np.minimum.accumulate((p[order] * len(p) / np.arange(1, len(p) + 1))[::-1])[::-1]
    q = np.empty(len(p))
    q[order] = np.minimum(steps, 1)
    return q


def test_random_latents_get_labels_in_fewer_than_a_twentieth_of_runs(labels):
    """Runs of 16 latents each, by their p alone; what else a label must be makes it fewer still."""
    tested = np.flatnonzero(np.isfinite(labels.q))
    runs = [by_hand(labels.p[tested[at::20]]) for at in range(20)]
    assert sum((q < 0.05).any() for q in runs) <= 1
    assert not labels.labelled()
    p = labels.p[np.isfinite(labels.p)]
    assert len(p) > 250  # rules were found for most
    assert (p < 0.05).mean() < 0.065


def test_few_passages_make_no_label(index, labels):
    few = labels.firing < 5
    assert 10 < (few & np.isfinite(labels.p)).sum() < 200
    assert all(labels.label[at] == "unlabelled" for at in np.flatnonzero(few))
    at = int(np.flatnonzero(few & np.isfinite(labels.p))[0])
    assert labels.evidence[at].startswith(
        f"it fires in {labels.firing[at]} of the passages that it is scored on, fewer"
    )
    assert np.isnan(labels.q[few]).all()
    tested = ~np.isnan(labels.q)
    np.testing.assert_allclose(labels.q[tested], by_hand(labels.p[tested]))
    some = np.flatnonzero(tested)[:9]
    again = features.label(index, latents=labels.feature[some].tolist(), progress=False)
    np.testing.assert_array_equal(again.p, labels.p[some])
    np.testing.assert_allclose(again.q, by_hand(again.p))
    with pytest.raises(ValueError, match="least= is a number of passages"):
        features.label(index, least=0)
