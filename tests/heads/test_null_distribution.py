"""P-values of head statistics."""

import dataclasses

import numpy as np
import scipy.stats

from scope_widgets import Microscope, heads
from scope_widgets.heads.null_distribution import shared_p
from scope_widgets.traces.attention_scoring import AttentionScoring
from tests.support.planted_traces import planted_trace, random
from tests.support.tiny_models import tiny_model, tiny_tokenizer


def names(trace):
    labels = heads.label(heads.score(trace))
    return [labels.of(0, head) for head in range(trace.n_heads)]


def test_p_values_by_hand():
    observed = np.array([0.5, 0.0, np.nan])
    draws = np.array([[0.6, 0.1, 0.1], [0.5, 0.2, 0.1], [0.1, 0.3, 0.1]])
    np.testing.assert_array_equal(shared_p(observed, draws), [3 / 4, 1, np.nan])


def test_p_values_of_heads_that_do_nothing_are_uniform():
    rng = np.random.default_rng(0)
    found = []
    for _ in range(200):  # new tokens each time: heads on the same tokens share their luck
        trace = planted_trace([[random(30, rng, 2.0)]], rng.integers(0, 8, 30))
        found.append(heads.score(trace, null_draws=99, seed=int(rng.integers(1 << 30))).null_p)
    for name in found[0]:
        p = [one[name][0, 0] for one in found]
        assert scipy.stats.kstest(p, "uniform").pvalue > 0.001, name


def test_null_knows_the_window():
    window = np.tril(np.ones((40, 40))) - np.tril(np.ones((40, 40)), -2)
    trace = planted_trace([[window / window.sum(-1, keepdims=True)]], np.arange(40))
    assert {"previous_token", "current_token"} <= set(names(trace)[0]), "without the window it stands out"
    trace = dataclasses.replace(trace, scoring=(AttentionScoring(1.0, window=2),))
    assert names(trace)[0] == ["uniform"], "with it, two keys are all that there is"


def test_prompts_of_one_token_do_not_count():
    scope = Microscope.for_model(tiny_model("gpt2"), tiny_tokenizer())
    alone = heads.score(scope.trace([[3, 4, 3, 5]]))
    for prompts in ([[3, 4, 3, 5], [3]], [[3], [3, 4, 3, 5]]):
        scores = heads.score(scope.trace(prompts))
        np.testing.assert_allclose(scores["induction"], alone["induction"], rtol=1e-5)
        assert set(scores.null_p) == set(alone.null_p)
