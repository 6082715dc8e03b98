"""Heads that look at subjects: planted ones are found, nulls are not; corrections and tests are scipy's."""

import dataclasses
import typing
import warnings

import numpy as np
import pytest
import scipy.stats
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from scope_widgets import Microscope, heads
from scope_widgets.experiments.statistics.multiple_comparisons import Correction
from scope_widgets.heads import Fact, FactSet, HeadComparison, RecallHeads, SubjectAttention
from scope_widgets.traces.attention_scoring import AttentionScoring
from scope_widgets.traces.not_captured import NotCapturedError
from scope_widgets.widgets import HeadTable
from tests.support.planted_traces import planted_trace, previous, random, uniform
from tests.support.tiny_models import tiny_model, tiny_tokenizer

METHODS = typing.get_args(Correction)
PLANTED = [(3, 7), (8, 0), (11, 11)]


def asked(rng, length=None, planted=(), n_layers=12, n_heads=12):
    """Make a trace whose heads look anywhere from its last token, but for the planted ones, and its subject."""
    length = length or int(rng.integers(8, 15))
    n_subject = int(rng.integers(1, 4))
    start = int(rng.integers(1, length - n_subject))
    subject = list(range(start, start + n_subject))
    last = rng.dirichlet(np.ones(length), size=(n_layers, n_heads))
    for head in planted:
        share = rng.uniform(0.3, 0.9)
        last[head] *= 1 - share
        last[head][subject] += share / n_subject
    patterns = np.broadcast_to(uniform(length), (n_layers, n_heads, length, length)).copy()
    patterns[:, :, -1] = last
    return planted_trace(patterns, np.arange(length)), subject


def measured(rng, n_prompts=20, planted=(), **sizes):
    traces, subjects = zip(*(asked(rng, planted=planted, **sizes) for _ in range(n_prompts)), strict=True)
    return heads.subject_attention(traces, subjects)


# --- attention to the subject -----------------------------------------------------------------------------------------


def test_planted_subject_head_ranks_first():
    for seed in range(10):
        attention = measured(np.random.default_rng(seed), planted=[(5, 2)])
        assert attention.top("subject_attention", 1)[0][:2] == (5, 2)
        assert attention.per_prompt.shape == attention.control.shape == (20, 12, 12)
        np.testing.assert_allclose(attention["subject_attention"], attention.per_prompt.mean(0))


def test_subject_attention_by_hand():
    rng = np.random.default_rng(0)
    patterns = [[random(7, rng), previous(7)], [random(7, rng), uniform(7)]]
    attention = heads.subject_attention(planted_trace(patterns, range(7)), [2, 3])
    for layer in range(2):
        last = np.asarray(patterns[layer][0], dtype=np.float64)[-1]
        assert attention["subject_attention"][layer, 0] == pytest.approx(last[2] + last[3], abs=1e-7)
        assert attention.control[0, layer, 0] == pytest.approx(2 * np.mean(last[[1, 4, 5]]), abs=1e-7)
    assert attention["subject_attention"][:, 1].tolist() == pytest.approx([0, 2 / 7])
    assert attention.control[0, 1, 1] == pytest.approx(2 / 7), "even attention is no preference"
    assert attention.n_prompts == 1


def test_batches_are_their_prompts():
    scope = Microscope.for_model(tiny_model("llama"), tiny_tokenizer())
    prompts, subjects = [[3, 4, 5, 6, 7, 8], [9, 5, 7, 3], [4, 4, 6, 8, 10]], [[1, 2], [1], [2]]
    together = heads.subject_attention(scope.trace(prompts, capture=("attention",)), subjects)
    alone = heads.subject_attention((scope.trace(prompt) for prompt in prompts), subjects)
    from_keys = heads.subject_attention(scope.trace(prompts, capture=("q", "k")), subjects)
    for other in (alone, from_keys):
        np.testing.assert_allclose(together.per_prompt, other.per_prompt, atol=1e-6)
        np.testing.assert_allclose(together.control, other.control, atol=1e-6)
    assert together.provenance.prompts == alone.provenance.prompts
    assert len(together.provenance.prompts) == 3
    expected = scope.trace(prompts[0]).attention(1)[:, -1, [1, 2]].sum(-1).numpy()
    np.testing.assert_allclose(together.per_prompt[0, 1], expected, atol=1e-6)


def test_control_knows_the_window():
    window = np.tril(np.ones((10, 10))) - np.tril(np.ones((10, 10)), -4)
    trace = planted_trace([[window / window.sum(-1, keepdims=True)]], range(10))
    without = heads.subject_attention(trace, [6, 7])
    assert without.per_prompt[0, 0, 0] - without.control[0, 0, 0] > 0.1, "as if it preferred the late subject"
    within = heads.subject_attention(dataclasses.replace(trace, scoring=(AttentionScoring(1.0, window=4),)), [6, 7])
    assert within.control[0, 0, 0] == pytest.approx(within.per_prompt[0, 0, 0])
    partly = heads.subject_attention(dataclasses.replace(trace, scoring=(AttentionScoring(1.0, window=4),)), [5, 6])
    assert partly.control[0, 0, 0] == partly.per_prompt[0, 0, 0] == pytest.approx(0.25)
    nothing = heads.subject_attention(dataclasses.replace(trace, scoring=(AttentionScoring(1.0, window=2),)), [8])
    assert np.isnan(nothing.control).all()


def test_subject_attention_says_what_is_wrong():
    trace = planted_trace([[uniform(6)]], range(6))
    for positions, message in [
        ([[]], "at least one; got \\[\\]"),
        ([[5]], "before its last token, 0 to 4, and at least one; got \\[5\\]"),
        ([[-1]], "got \\[-1\\]"),
        ([[1], [2]], "There are 1 prompts for 2 lists"),
        ([], "more prompts than the 0 lists"),
    ]:
        with pytest.raises(ValueError, match=message):
            heads.subject_attention(trace, positions)
    with pytest.raises(ValueError, match="There are 0 prompts for 0 lists"):
        heads.subject_attention([], [])
    with pytest.raises(ValueError, match="more prompts than the 1 lists"):
        heads.subject_attention([trace, trace], [[1]])
    scope = Microscope.for_model(tiny_model("gpt2"), tiny_tokenizer())
    with pytest.raises(NotCapturedError, match=r"needs patterns and this trace captured residual\. Trace again"):
        heads.subject_attention(scope.trace([3, 4], capture=("residual",)), [0])
    with pytest.warns(UserWarning, match="first token of its prompt, where heads with nothing to do rest"):
        heads.subject_attention(trace, [0, 1])


# --- recall heads -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("correction", METHODS)
def test_three_of_144_heads_are_found(correction):
    false_shares = []
    for seed in range(60):
        found = heads.recall_heads(measured(np.random.default_rng(seed), planted=PLANTED), correction=correction)
        assert set(PLANTED) <= set(found.heads), "all of them, each time"
        false_shares.append(1 - len(PLANTED) / len(found.heads))
    if correction == "bh":  # it bounds the share of false findings, not the chance of one
        assert np.mean(false_shares) < 0.05
    else:
        with_false = np.count_nonzero(false_shares)
        assert scipy.stats.binomtest(with_false, 60, 0.05, alternative="greater").pvalue > 0.01, with_false


def test_table_of_recall_heads():
    found = heads.recall_heads(measured(np.random.default_rng(0), planted=PLANTED))
    assert sorted(found.heads) == PLANTED
    table = found.to_dataframe()
    assert list(table.columns) == ["layer", "head", "effect", "low", "high", "p", "p_corrected", "found", "why_not"]
    assert len(table) == 144
    rows = table[table["found"]]
    assert (rows["effect"] > 0.1).all()
    assert (rows["p_corrected"] < 0.05).all()
    assert (rows["low"] < rows["effect"]).all()


def test_a_head_that_is_not_found_says_which_condition_failed() -> None:
    found = heads.recall_heads(measured(np.random.default_rng(0), planted=PLANTED), min_effect=0.1)
    strict = heads.recall_heads(measured(np.random.default_rng(0), planted=PLANTED), min_effect=0.9)
    for result in (found, strict):
        for effect, p, why, ok in zip(result.effect, result.p_corrected, result.why_not, result.found, strict=True):
            assert (why == "") == ok
            assert ("effect" in why) == (not effect > result.min_effect)
            assert ("corrected p" in why) == bool(p >= 0.05)
    row = int(np.argmin(strict.p_corrected))
    assert strict.p_corrected[row] < 1e-9
    assert strict.why_not[row] == f"effect {strict.effect[row]:.3g} is not above 0.9"
    table = HeadTable(found)
    assert {one["name"]: one["threshold"] for one in table.columns if one["threshold"] is not None} == {
        "effect": 0.1,
        "p_corrected": 0.05,
    }


def test_recall_test_is_the_paired_t_test():
    attention = measured(np.random.default_rng(3), planted=PLANTED)
    found = heads.recall_heads(attention)
    for row in (0, 43, 143):
        where = np.s_[:, found.layer[row], found.head[row]]
        expected = scipy.stats.ttest_rel(attention.per_prompt[where], attention.control[where])
        assert found.p[row] == pytest.approx(expected.pvalue, rel=1e-12)
        assert found.effect[row] == pytest.approx((attention.per_prompt - attention.control)[where].mean(), rel=1e-12)
        interval = expected.confidence_interval(0.95)
        assert (found.low[row], found.high[row]) == pytest.approx((interval.low, interval.high))
    np.testing.assert_array_equal(found.p_corrected, heads.correct(found.p, method="holm"))


def test_both_evidence_and_effect_are_needed():
    attention = measured(np.random.default_rng(3), planted=PLANTED)
    effects = heads.recall_heads(attention).to_dataframe().query("found")["effect"]
    middle = float(effects.median())
    assert len(heads.recall_heads(attention, min_effect=middle).heads) == 1
    assert heads.recall_heads(attention, alpha=1e-300).heads == []


def runs_with_a_finding(datasets, **options):
    return sum(bool(heads.recall_heads(one, min_effect=0, **options).heads) for one in datasets)


@pytest.fixture(scope="module")
def null_datasets():
    """Heads that look anywhere: 200 data sets of 20 prompts and 144 heads."""
    rng = np.random.default_rng(0)
    return [measured(rng) for _ in range(200)]


@pytest.mark.parametrize("correction", METHODS)
def test_null_traces_give_no_heads(null_datasets, correction):
    # held to the p value alone (min_effect=0): with an effect of 0.1 asked for too, there are fewer still
    flagged = runs_with_a_finding(null_datasets, correction=correction)
    assert scipy.stats.binomtest(flagged, 200, 0.05, alternative="greater").pvalue > 0.01, flagged
    assert flagged / 200 <= 0.05
    assert not any(heads.recall_heads(one, correction=correction).heads for one in null_datasets[:50])


def test_null_traces_need_the_correction(null_datasets):
    uncorrected = [(heads.recall_heads(one).p < 0.05).any() for one in null_datasets[:50]]
    assert np.mean(uncorrected) > 0.9


@pytest.mark.parametrize("shared", [0.0, 0.9])
@pytest.mark.parametrize("correction", METHODS)
def test_family_wise_rate_under_the_complete_null(correction, shared):
    """Normal scores, where the t-test is exact, of heads that are independent or share most of a prompt's luck."""
    rng = np.random.default_rng(5)
    flagged = 0
    for _ in range(400):
        a, b = (
            np.sqrt(1 - shared) * rng.normal(size=(15, 12, 12)) + np.sqrt(shared) * rng.normal(size=(15, 1, 1))
            for _ in range(2)
        )
        flagged += heads.compare_heads(a, b, test="paired-t", correction=correction).different.any()
    assert scipy.stats.binomtest(int(flagged), 400, 0.05, alternative="greater").pvalue > 0.01, flagged
    if not shared and correction != "by":
        assert flagged / 400 > 0.02, "and not because nothing is ever found"


def test_facts_are_run_on_a_model():
    scope = Microscope.for_model(tiny_model("llama"), tiny_tokenizer())
    facts = FactSet(
        [Fact(f"w{i} w{i + 1}", "of", f"w{i + 2}") for i in range(10, 50, 2)],
        {"of": ["w3 w4 {subject} w5 w6", "w7 {subject} w8 w9"]},
    )
    found = heads.recall_heads(scope, facts, seed=2)
    prompts = facts.prompts(seed=2)
    assert {prompt.template for prompt in prompts} == set(facts.templates["of"])
    traces = [scope.trace(prompt.text, capture=("attention",)) for prompt in prompts]
    by_hand = [
        [trace.tokens.index(word) for word in p.subject.split()] for trace, p in zip(traces, prompts, strict=True)
    ]
    alone = heads.recall_heads(heads.subject_attention(traces, by_hand))
    np.testing.assert_allclose(found.effect, alone.effect, atol=1e-6)
    np.testing.assert_allclose(found.p, alone.p, rtol=1e-3)
    assert found.provenance.prompts == tuple(prompt.text for prompt in prompts)
    assert found.provenance.seed == 2
    assert found.n_prompts == 20
    shifted = heads.recall_heads(scope, facts, prepend_bos=True)
    assert not np.allclose(shifted.effect, found.effect)


def test_head_of_a_model_made_to_look_at_subjects():
    """A model with a head whose keys are large where a subject stands: facts asked of it find that head alone."""
    model = tiny_model("gpt2")
    subjects = range(40, 60)
    d_model, at = 32, 2 * 8  # head 2 of four, of width 8
    with torch.no_grad():
        model.transformer.wte.weight[subjects, 0] = 10
        inside = model.transformer.h[0].attn.c_attn
        for part in (at, d_model + at):
            inside.weight[:, part : part + 8] = 0
            inside.bias[part : part + 8] = 0
        inside.bias[at] = 5
        inside.weight[0, d_model + at] = 1
    scope = Microscope.for_model(model, tiny_tokenizer())
    # the subject stands at other positions, so that no head finds it by its place
    templates = ["w3 w4 w5 {subject} w6 w7 w8 w9", "w9 {subject} w4 w5 w3 w8 w6 w7", "w6 w8 w3 w5 w7 {subject} w4 w9"]
    facts = FactSet([Fact(f"w{i}", "of", "w3") for i in subjects], {"of": templates})
    found = heads.recall_heads(scope, facts)
    assert found.heads[0] == (0, 2)
    row = found.to_dataframe().query("layer == 0 and head == 2").iloc[0]
    assert row["effect"] > 0.8
    assert row["p_corrected"] < 1e-9


def test_recall_heads_says_what_is_wrong():
    attention = measured(np.random.default_rng(0), 3)
    scope = Microscope.for_model(tiny_model("gpt2"), tiny_tokenizer())
    facts = FactSet([Fact("w5", "of", "w6")], {"of": "w3 {subject} w4 w5 w7"})
    for given_, and_facts in [(scope, None), (attention, facts), (attention.per_prompt, None), (scope, ["w5"])]:
        with pytest.raises(TypeError, match="takes a Microscope and a FactSet, or what subject_attention"):
            heads.recall_heads(given_, and_facts)
    with pytest.raises(ValueError, match="at least 2 prompts, better 20; a has 1"):
        heads.recall_heads(scope, facts)
    with pytest.raises(ValueError, match="one of bonferroni, holm, bh, by; got 'fdr'"):
        heads.recall_heads(attention, correction="fdr")
    with pytest.raises(ValueError, match="alpha= is a level between 0 and 1"):
        heads.recall_heads(attention, alpha=5)
    short = planted_trace([[uniform(3)]], range(3))
    with pytest.raises(ValueError, match=r"Prompt 1 has no token to compare its subject with"):
        heads.recall_heads(heads.subject_attention([planted_trace([[uniform(5)]], range(5)), short], [[1], [1]]))


def test_recall_heads_show_and_round_trip():
    attention = measured(np.random.default_rng(0), planted=PLANTED)
    again = SubjectAttention.from_json(attention.to_json())
    np.testing.assert_array_equal(again.control, attention.control)
    found = heads.recall_heads(again)
    again = RecallHeads.from_json(found.to_json())
    assert again.to_dataframe().equals(found.to_dataframe())
    assert again.heads == found.heads
    assert isinstance(found.widget(), HeadTable)
    assert isinstance(attention.widget(), HeadTable)


# --- corrections ------------------------------------------------------------------------------------------------------

p_values = arrays.arrays(
    np.float64, arrays.array_shapes(max_dims=3, max_side=6), elements=st.floats(0, 1, allow_subnormal=False)
)


@given(p_values, st.sampled_from(["bh", "by"]))
def test_false_discovery_is_scipys(p, method):
    expected = scipy.stats.false_discovery_control(p.ravel(), method=method).reshape(p.shape)
    np.testing.assert_allclose(heads.correct(p, method=method), expected, rtol=0, atol=1e-12)


@given(p_values)
def test_family_wise_by_definition(p):
    flat = p.ravel()
    n = len(flat)
    np.testing.assert_allclose(heads.correct(p, method="bonferroni").ravel(), [min(1, n * one) for one in flat])
    order = sorted(range(n), key=lambda i: flat[i])
    holm = [0.0] * n
    for rank, i in enumerate(order):
        holm[i] = min(1, max([holm[order[rank - 1]] if rank else 0, (n - rank) * flat[i]]))
    np.testing.assert_allclose(heads.correct(p, method="holm").ravel(), holm)


@given(p_values, st.sampled_from(METHODS), st.randoms(use_true_random=False))
def test_corrections_keep_order_and_ignore_nan(p, method, shuffle):
    corrected = heads.correct(p, method=method)
    assert corrected.shape == p.shape
    assert (corrected >= p - 1e-15).all()
    assert (corrected <= 1).all()
    order = np.argsort(p.ravel(), kind="stable")
    assert (np.diff(corrected.ravel()[order]) >= -1e-15).all()
    holes = list(p.ravel()) + [np.nan] * 3
    at = list(range(len(holes)))
    shuffle.shuffle(at)
    with_holes = heads.correct([holes[i] for i in at], method=method)
    np.testing.assert_allclose(with_holes[np.argsort(at)], [*corrected.ravel(), np.nan, np.nan, np.nan], atol=1e-15)


def test_corrections_of_nothing_and_of_nonsense():
    for method in METHODS:
        assert heads.correct([], method=method).shape == (0,)
        assert np.isnan(heads.correct([np.nan, np.nan], method=method)).all()
    assert heads.correct([0.01, 0.04, 0.03]).tolist() == pytest.approx([0.03, 0.06, 0.06])
    with pytest.raises(ValueError, match="one of bonferroni, holm, bh, by; got 'none'"):
        heads.correct([0.1], method="none")
    with pytest.raises(ValueError, match=r"P values are 0 to 1; got 1\.5"):
        heads.correct([0.1, 1.5])


# --- comparison -------------------------------------------------------------------------------------------------------


def two_sets(rng, n=12, m=12, ties=False):
    a, b = rng.normal(0.3, 1, size=(n, 3, 4)), rng.normal(0, 2, size=(m, 3, 4))
    return (np.round(a), np.round(b)) if ties else (a, b)


SCIPY = {
    "t": scipy.stats.ttest_ind,
    "welch": lambda a, b, **options: scipy.stats.ttest_ind(a, b, equal_var=False, **options),
    "paired-t": scipy.stats.ttest_rel,
    "mann-whitney": scipy.stats.mannwhitneyu,
}


@pytest.mark.parametrize("test", SCIPY)
@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("n", [5, 30])
def test_comparison_has_scipys_p(test, ties, n):
    a, b = two_sets(np.random.default_rng(n), n, n if test == "paired-t" else n + 3, ties)
    result = heads.compare_heads(a, b, test=test, correction="bh")
    if test != "mann-whitney":
        np.testing.assert_array_equal(result.p, SCIPY[test](a, b).pvalue.ravel())
    one_by_one = [SCIPY[test](a[:, i, j], b[:, i, j]).pvalue for i in range(3) for j in range(4)]
    np.testing.assert_allclose(result.p, one_by_one, rtol=1e-12)
    np.testing.assert_array_equal(result.p_corrected, heads.correct(result.p, method="bh"))
    np.testing.assert_allclose(result.effect, (a.mean(0) - b.mean(0)).ravel(), atol=1e-12)
    assert list(zip(result.layer, result.head, strict=True)) == [(i, j) for i in range(3) for j in range(4)]
    assert result.n_prompts == [len(a), len(b)]
    if test == "mann-whitney":
        pairs = np.sign(a[:, None] - b[None]).mean((0, 1))
        np.testing.assert_allclose(result.size, pairs.ravel(), atol=1e-12)
        assert np.isnan(result.low).all()
    elif test == "paired-t":
        np.testing.assert_allclose(result.size, ((a - b).mean(0) / (a - b).std(0, ddof=1)).ravel())
    else:
        squares = ((a - a.mean(0)) ** 2).sum(0) + ((b - b.mean(0)) ** 2).sum(0)
        spread = np.sqrt(squares / (len(a) + len(b) - 2))
        np.testing.assert_allclose(result.size, ((a.mean(0) - b.mean(0)) / spread).ravel())
        assert ((result.low < result.effect) & (result.effect < result.high)).all()


def test_exact_ranks_where_only_another_head_has_ties():
    a, b = two_sets(np.random.default_rng(1), 6, 6)
    a[0, 0, 0] = b[0, 0, 0]
    result = heads.compare_heads(a, b, test="mann-whitney")
    assert result.p[5] == scipy.stats.mannwhitneyu(a[:, 1, 1], b[:, 1, 1], method="exact").pvalue


@pytest.mark.parametrize("test", SCIPY)
def test_undefined_scores_do_not_count(test):
    a, b = two_sets(np.random.default_rng(2))
    a[3, 0, 0] = b[5, 0, 0] = np.nan
    a[:, 0, 1] = np.nan
    a[:, 0, 2] = b[:, 0, 2] = 0.25
    a[:, 0, 3], b[:, 0, 3] = 1, 0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = heads.compare_heads(a, b, test=test)
    x, y = a[:, 0, 0], b[:, 0, 0]
    kept = np.isfinite(x) & np.isfinite(y) if test == "paired-t" else slice(None)
    x, y = (values[kept][np.isfinite(values[kept])] for values in (x, y))
    assert result.p[0] == pytest.approx(SCIPY[test](x, y).pvalue, rel=1e-12)
    assert result.effect[0] == pytest.approx(x.mean() - y.mean())
    assert np.isnan([result.p[1], result.p_corrected[1], result.effect[1], result.size[1]]).all()
    assert not result.different[1]
    assert not result.different[2]
    assert result.different[3]
    assert result.p[3] < 1e-3
    np.testing.assert_array_equal(result.p_corrected, heads.correct(result.p))


def test_planted_difference_and_its_table():
    rng = np.random.default_rng(0)
    base, other = measured(rng), measured(rng, planted=PLANTED)
    result = heads.compare_heads(other, base, test="mann-whitney")
    table = result.to_dataframe()
    assert list(table.columns[2:]) == ["effect", "low", "high", "rank_biserial", "p", "p_corrected", "different"]
    assert [(row.layer, row.head) for row in table[table["different"]].itertuples()] == PLANTED
    assert (table[table["different"]]["rank_biserial"] > 0.5).all()
    assert HeadComparison.from_json(result.to_json()).to_dataframe().equals(table)
    assert result.provenance.model == "planted"
    assert isinstance(result.widget(), HeadTable)
    assert "cohens_d" in heads.compare_heads(other.per_prompt, base.per_prompt).to_dataframe()


def test_comparison_says_what_is_wrong():
    a, b = two_sets(np.random.default_rng(0))
    for args, options, message in [
        ((a, b), {"test": "anova"}, "test= is one of t, welch, paired-t, mann-whitney; got 'anova'"),
        ((a[0], b), {}, r"a must be scores \[prompt, layer, head\]; got an array of shape \(3, 4\)"),
        ((a, b[:, :0]), {}, r"b must be scores .* shape \(12, 0, 4\)"),
        ((a, b[:1]), {}, "at least 2 prompts, better 20; b has 1"),
        ((a, b[:0]), {}, "at least 2 prompts, better 20; b has 0"),
        ((a, b[:, :2]), {}, "of the same heads; got 3 layers x 4 heads and 2 layers x 4 heads"),
        ((a, b[:5]), {"test": "paired-t"}, "they have 12 and 5 prompts. Give equally many"),
        ((a, b), {"alpha": 0}, "alpha= is a level"),
    ]:
        with pytest.raises(ValueError, match=message):
            heads.compare_heads(*args, **options)
