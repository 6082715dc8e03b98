"""Head statistics and labels on planted heads, on nulls, and against the model itself."""

import dataclasses

import numpy as np
import pytest
import scipy.stats
import torch

from scope_widgets import Microscope, heads
from scope_widgets.heads import HeadLabels, HeadScores
from scope_widgets.heads.null_distribution import shared_p
from scope_widgets.traces.attention_scoring import Scoring
from scope_widgets.traces.trace import NotCapturedError
from tests.support.planted_traces import current, duplicate, first, induction, planted_trace, previous, random, uniform
from tests.support.tiny_models import tiny_model, tiny_tokenizer


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


def test_entropy_of_known_rows():
    trace = planted_trace([[uniform(4), first(4)]], np.arange(4))
    entropies = heads.entropy(trace, 0)
    np.testing.assert_allclose(entropies[0], np.log([1, 2, 3, 4]), atol=1e-6)
    np.testing.assert_allclose(entropies[1], 0, atol=1e-6)
    assert heads.score(trace)["normalised_entropy"].tolist() == [pytest.approx([1, 0])]


def test_batch_scores_are_the_mean_of_single_ones():
    scope = Microscope.for_model(tiny_model("llama"), tiny_tokenizer())
    prompts = [[3, 4, 3, 5, 6, 4], [7, 8, 9], [5, 5, 6, 5, 6]]
    batch = heads.score(scope.trace(prompts))
    single = [heads.score(scope.trace(prompt)) for prompt in prompts]
    assert batch.n_prompts == 3
    for name, values in batch.statistics.items():
        np.testing.assert_allclose(values, np.nanmean([one[name] for one in single], axis=0), rtol=1e-5, err_msg=name)


@pytest.mark.parametrize("family", ["gpt2", "llama", "mistral", "gemma2", "gpt_neo"])
def test_scores_from_queries_and_keys(family):
    scope = Microscope.for_model(tiny_model(family), tiny_tokenizer())
    ids = [3, 4, 3, 5, 6, 4, 9, 9, 3, 4, 11, 5]
    from_patterns = heads.score(scope.trace(ids))
    in_tiles = heads.score(scope.trace(ids, capture=("q", "k")))
    assert not in_tiles.null_p
    for name, values in from_patterns.statistics.items():
        np.testing.assert_allclose(in_tiles[name], values, atol=1e-5, err_msg=name)


def test_score_needs_attention():
    scope = Microscope.for_model(tiny_model("gpt2"), tiny_tokenizer())
    with pytest.raises(NotCapturedError, match=r"need attention and this trace captured residual.*capture="):
        heads.score(scope.trace([3, 4], capture=("residual",)))


def test_repeated_tokens_by_hand():
    scope = Microscope.for_model(tiny_model("llama"), tiny_tokenizer())
    scores = heads.score_repeated_tokens(scope, 2, length=10, seed=3)
    ids = np.random.default_rng(3).spawn(2)[0].choice(np.arange(3, 96), 10).tolist()
    trace = scope.trace([1, *ids, *ids])
    one = heads.score_repeated_tokens(scope, 1, length=10, seed=3)
    for layer in range(3):
        pattern = trace.attention(layer).numpy()
        for head in range(4):
            expected = np.mean([pattern[head, q, q - 9] for q in range(11, 21)])
            assert one["induction"][layer, head] == pytest.approx(expected, abs=1e-6)
            expected = np.mean([pattern[head, q, q - 10] for q in range(11, 21)])
            assert one["duplicate_token"][layer, head] == pytest.approx(expected, abs=1e-6)
    nats = -trace.logits.log_softmax(-1)
    losses = [nats[q, token].item() for q, token in enumerate([*ids, *ids])]  # of the token after position q
    halves = (
        f"cross-entropy {np.mean(losses[1:10]):.2f} nats per token on the first half, {np.mean(losses[11:]):.2f} on"
    )
    assert halves in one.provenance.note
    silent = heads.score_repeated_tokens(scope, 2, length=10, seed=3, null_draws=0)
    assert np.array_equal(silent["induction"], scores["induction"]), "the null must not change the scores"
    assert scores.n_prompts == 2
    assert "2 x 10 uniform random tokens, repeated once after '<bos>'" in scores.provenance.note
    again = heads.score_repeated_tokens(scope, 2, length=10, seed=3)
    assert all(np.array_equal(again[name], scores[name]) for name in scores.statistics)
    with pytest.raises(ValueError, match="at least one sequence"):
        heads.score_repeated_tokens(scope, 0)


def test_length_is_cut_to_the_context():
    scope = Microscope.for_model(tiny_model("gpt2"), tiny_tokenizer())
    assert "1 x 31 uniform" in heads.score_repeated_tokens(scope, 1, null_draws=0).provenance.note


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
    trace = dataclasses.replace(trace, scoring=(Scoring(1.0, window=2),))
    assert names(trace)[0] == ["uniform"], "with it, two keys are all that there is"


def test_prompts_of_one_token_do_not_count():
    scope = Microscope.for_model(tiny_model("gpt2"), tiny_tokenizer())
    alone = heads.score(scope.trace([[3, 4, 3, 5]]))
    for prompts in ([[3, 4, 3, 5], [3]], [[3], [3, 4, 3, 5]]):
        scores = heads.score(scope.trace(prompts))
        np.testing.assert_allclose(scores["induction"], alone["induction"], rtol=1e-5)
        assert set(scores.null_p) == set(alone.null_p)


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
        heads.label(heads.score(planted_trace([[previous(5)]], range(5))), {"inductive": 0.3})


def test_rollout_of_two_layers_by_hand():
    rng = np.random.default_rng(0)
    patterns = [[random(6, rng), random(6, rng)] for _ in range(2)]
    mixed = [0.5 * np.eye(6) + 0.5 * np.mean(layer, axis=0, dtype=np.float64) for layer in patterns]
    flow = heads.rollout(planted_trace(patterns, range(6)))
    np.testing.assert_allclose(flow, mixed[1] @ mixed[0], atol=1e-9)
    np.testing.assert_allclose(flow.sum(-1), 1, atol=1e-6)
    with pytest.raises(ValueError, match="residual= is the share"):
        heads.rollout(planted_trace(patterns, range(6)), residual=2)


def test_top_attended_is_the_full_sort():
    pattern = random(40, np.random.default_rng(2))
    positions, weights = heads.top_attended(planted_trace([[pattern]], range(40)), 0, k=5)
    for query in range(4, 40):
        order = np.argsort(-pattern[query], kind="stable")[:5]
        assert positions[0, query].tolist() == order.tolist()
        np.testing.assert_array_equal(weights[0, query], pattern[query, order])


@pytest.mark.parametrize("ablation", ["zero", "mean"])
@pytest.mark.parametrize("family", ["gpt2", "llama"])
def test_importance_is_brute_force_ablation(family, ablation):
    model = tiny_model(family)
    scope = Microscope.for_model(model, tiny_tokenizer())
    ids = [3, 17, 5, 44, 9, 17, 5]
    scores = heads.importance(scope, ids, ablation=ablation, batch=3)
    d_head = scope.anatomy.d_head

    def without(layer, head):
        def hook(module, args):
            z = args[0].clone()
            part = z[..., head * d_head : (head + 1) * d_head]
            part[:] = 0 if ablation == "zero" else part.mean(1, keepdim=True)
            return (z,)

        handle = scope.anatomy.blocks[layer].out.register_forward_pre_hook(hook)
        with torch.no_grad():
            logits = model(torch.tensor([ids])).logits[0].log_softmax(-1)
        handle.remove()
        return logits

    with torch.no_grad():
        base = model(torch.tensor([ids])).logits[0].log_softmax(-1)
    brute = np.array(
        [[float((base.exp() * (base - without(a, b))).sum(-1).mean()) for b in range(4)] for a in range(3)]
    )
    np.testing.assert_allclose(scores["kl"], brute, atol=1e-5)
    after = np.array([[-without(a, b)[range(6), ids[1:]].mean().item() for b in range(4)] for a in range(3)])
    np.testing.assert_allclose(scores["loss"], after + base[range(6), ids[1:]].mean().item(), atol=1e-5)
    assert scipy.stats.spearmanr(scores["kl"].ravel(), brute.ravel()).statistic >= 0.99
    with pytest.raises(ValueError, match="'zero' or 'mean'"):
        heads.importance(scope, ids, ablation="noise")


def test_importance_in_bfloat16_is_computed_in_float32():
    ids = [3, 17, 5, 44, 9, 17, 5]
    exact = heads.importance(Microscope.for_model(tiny_model("llama"), tiny_tokenizer()), ids)
    coarse = heads.importance(Microscope.for_model(tiny_model("llama").bfloat16(), tiny_tokenizer()), ids)
    np.testing.assert_allclose(coarse["kl"], exact["kl"], rtol=0.2, atol=0.01)
    assert len(np.unique(coarse["loss"] * 64 % 1)) > 6, "not rounded to what bfloat16 can say"
    with pytest.raises(ValueError, match="one prompt of at least two tokens"):
        heads.importance(Microscope.for_model(tiny_model("gpt2"), tiny_tokenizer()), [3])


def test_results_round_trip_as_json():
    scores = heads.score(planted_trace([[previous(6), uniform(6)]], np.arange(6)))
    again = HeadScores.from_json(scores.to_json())
    assert again.provenance == scores.provenance
    for name in scores.statistics:
        np.testing.assert_array_equal(again[name], scores[name])
    labels = heads.label(scores)
    assert "current_token" not in heads.label(scores, {"current_token": np.inf}).thresholds
    assert HeadLabels.from_json(labels.to_json()).to_dataframe().equals(labels.to_dataframe())
    for text in ("{}", "no json", labels.to_json()):
        with pytest.raises(ValueError, match="not a HeadScores written by"):
            HeadScores.from_json(text)


def test_tables_and_plots():
    scores = heads.score(planted_trace([[previous(6), uniform(6)]] * 3, np.arange(6)))
    table = scores.to_dataframe()
    assert list(table.columns[:2]) == ["layer", "head"]
    assert len(table) == 6
    assert scores.top("previous_token", 1) == [(0, 0, 1.0)]
    assert scores.plot("previous_token", 3).data[0].x == ("0.0", "1.0", "2.0")
    with pytest.raises(KeyError, match="No statistic 'inductio' here; there are entropy"):
        scores["inductio"]
