"""Head statistics on planted heads and against the model itself, their tables and files."""

import numpy as np
import pytest

from scope_widgets import Microscope, heads
from scope_widgets.heads import HeadLabels, HeadScores
from scope_widgets.traces.not_captured import NotCapturedError
from tests.support.planted_traces import planted_trace, previous, uniform
from tests.support.tiny_models import tiny_model, tiny_tokenizer

pytestmark = pytest.mark.numeric


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
    scores = heads.score_repeated_tokens(scope, n=2, length=10, seed=3)
    ids = np.random.default_rng(3).spawn(2)[0].choice(np.arange(3, 96), 10).tolist()
    trace = scope.trace([1, *ids, *ids])
    one = heads.score_repeated_tokens(scope, n=1, length=10, seed=3)
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
    silent = heads.score_repeated_tokens(scope, n=2, length=10, seed=3, null_draws=0)
    assert np.array_equal(silent["induction"], scores["induction"]), "the null must not change the scores"
    assert scores.n_prompts == 2
    assert "2 x 10 uniform random tokens, repeated once after '<bos>'" in scores.provenance.note
    again = heads.score_repeated_tokens(scope, n=2, length=10, seed=3)
    assert all(np.array_equal(again[name], scores[name]) for name in scores.statistics)
    with pytest.raises(ValueError, match="at least one sequence"):
        heads.score_repeated_tokens(scope, n=0)


def test_length_is_cut_to_the_context():
    scope = Microscope.for_model(tiny_model("gpt2"), tiny_tokenizer())
    assert "1 x 31 uniform" in heads.score_repeated_tokens(scope, n=1, null_draws=0).provenance.note


def test_results_round_trip_as_json():
    scores = heads.score(planted_trace([[previous(6), uniform(6)]], np.arange(6)))
    again = HeadScores.from_json(scores.to_json())
    assert again.provenance == scores.provenance
    for name in scores.statistics:
        np.testing.assert_array_equal(again[name], scores[name])
    labels = heads.label(scores)
    assert "current_token" not in heads.label(scores, thresholds={"current_token": np.inf}).thresholds
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
    with pytest.raises(KeyError, match="These scores have no statistic 'inductio'; they have entropy"):
        scores["inductio"]
