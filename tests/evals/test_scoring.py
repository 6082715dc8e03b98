"""Log-probabilities beside one run of the model a text; what is generated; where a prompt ends."""

import numpy as np
import pytest
import torch

from scope_widgets import evals, steering
from scope_widgets.evals.scoring.model_runs import continue_prompts
from scope_widgets.evals.scoring.score_texts import TextScorer, acts_where_prompts_end, generation_gap
from scope_widgets.evals.scoring.tokenize import Texts
from tests.support.fake_transport import fake_remote

PROMPT = "When Mary and John went to the store, John gave a drink to"
REQUESTS = [
    (PROMPT, " Mary"),
    (PROMPT, " John"),
    (PROMPT, " Mary and Anna"),
    ("", "the dog runs"),
    ("the dog", " runs"),
]
TEXT = "The dog walked to the store and the cat walked to the river"


def scorer(scope, generated=False):
    return TextScorer(scope, Texts(scope), lambda done: None, generated)


def by_hand(scope, prompt, continuation):
    """One run of one row, without any batch."""
    ids = torch.tensor([scope.tokenizer(prompt + continuation)["input_ids"]])
    n = len(scope.tokenizer(prompt)["input_ids"]) if prompt else 1
    log_p = scope.logits(ids)[0].double().log_softmax(-1)
    return float(sum(log_p[at - 1, ids[0, at]] for at in range(n, ids.shape[1])))


def test_log_probabilities(demo):
    expected = [by_hand(demo, *request) for request in REQUESTS]
    for generated in (False, True):
        np.testing.assert_allclose(scorer(demo, generated).log_probabilities(REQUESTS), expected, atol=2e-4)


def test_equal_runs_are_made_once(demo):
    ran = []
    one = scorer(demo)
    batches = one._batches
    one._batches = lambda rows: ran.extend(rows) or batches(rows)
    one.log_probabilities([*REQUESTS, *REQUESTS])
    assert len(ran) == 2  # both texts begin with all that is asked for
    assert sorted(map(len, ran)) == [4 - 1, len(demo.tokenizer(PROMPT)["input_ids"]) + 2]


def test_documents_longer_than_the_context(demo):
    words = demo.tokenizer(TEXT)["input_ids"][1:]
    texts = Texts(demo)
    long = " ".join([TEXT] * 30)
    ids = texts.ids(long)
    assert len(ids) > demo.anatomy.context
    windows = list(texts.windows(long))
    assert [token for _, tail in windows for token in tail] == list(ids[1:])  # each once
    for head, tail in windows[1:]:
        assert len(head) >= demo.anatomy.context // 2 - 1
        assert len(head) + len(tail) <= demo.anatomy.context
    ((log_p, n),) = scorer(demo).documents([TEXT])
    assert (n, log_p) == (len(words), pytest.approx(by_hand(demo, "", TEXT), abs=1e-3))


def test_a_tokenizer_without_a_beginning_is_given_one(demo):
    class Bare:
        bos_token_id, eos_token_id, unk_token_id = None, 3, None

        def __call__(self, text, **options):
            return {"input_ids": demo.tokenizer(text)["input_ids"][1:]}

        def __getattr__(self, name):
            return getattr(demo.tokenizer, name)

    class Scope:
        tokenizer, anatomy = Bare(), demo.anatomy

    assert Texts(Scope).ids("the dog")[0] == 3
    assert len(Texts(Scope).split("", "the dog")[1]) == 2  # the first word is predicted, too


@pytest.fixture(scope="module")
def plural(demo):
    return steering.direction(demo, positive=["the dogs"], negative=["the dog"], layer=2)


def test_what_acts_where_a_prompt_ends_is_seen(demo, plural):
    texts = Texts(demo)
    usual = generation_gap(demo, texts, TEXT)
    assert not acts_where_prompts_end(usual, usual)
    for positions, expected in (("all", False), ((1, 3), False), ("last", True)):
        with steering.steer(demo, steering.AddDirection(plural, 0.5, positions=positions)):
            assert acts_where_prompts_end(generation_gap(demo, texts, TEXT), usual) == expected


def test_scores_where_an_intervention_acts_on_what_is_generated(demo, plural):
    """The reference steers a session, whose prompt's end is known, and goes on a token at a time."""
    steered = steering.AddDirection(plural, 0.5, positions="last")
    ids = demo.tokenizer(" Mary and")["input_ids"][1:]
    session = steering.Session(demo, PROMPT, [steered])
    nats = session.losses([session.strengths], ids)[0] * len(ids)
    with steering.steer(demo, steered):
        (found,) = scorer(demo, generated=True).log_probabilities([(PROMPT, " Mary and")])
    assert found == pytest.approx(-nats, abs=1e-3)


def test_continuations(demo):
    prompts = ["the dog", "the cat", "When Mary and John went to the store,"]
    greedy = scorer(demo).continuations(prompts, max_new_tokens=6, seeds=None)
    assert greedy == [demo.generate(prompt, max_new_tokens=6) for prompt in prompts]
    seeds = [(0, i) for i in range(3)]
    sampled = scorer(demo).continuations(prompts, max_new_tokens=6, seeds=seeds)
    assert sampled != greedy
    alone = [
        scorer(demo).continuations([p], max_new_tokens=6, seeds=[s])[0] for p, s in zip(prompts, seeds, strict=True)
    ]
    assert alone == sampled  # whatever else is in the batch
    assert scorer(demo).continuations(prompts, max_new_tokens=6, seeds=[(1, i) for i in range(3)]) != sampled


def test_samples_are_of_the_models_distribution(demo):
    ids = demo.tokenizer("the dog")["input_ids"]
    n = 4000
    uniform = ((np.arange(n) + 0.5) / n)[:, None]  # a grid: no noise of sampling
    drawn = [row[0] if row else demo.tokenizer.eos_token_id for row in continue_prompts(demo, [ids] * n, 1, uniform)]
    expected = demo.trace("the dog").logits[-1].double().softmax(-1).numpy()
    found = np.bincount(drawn, minlength=len(expected)) / n
    np.testing.assert_allclose(found, expected, atol=1.5 / n)


def test_refuses_what_is_too_long(demo):
    with pytest.raises(ValueError, match=r"tokens, and the model reads at most 256"):
        Texts(demo).split(" ".join(["dog"] * 300), " runs")


def test_scores_where_the_model_is(demo):
    """All is packed and unpacked as for a server."""
    far = fake_remote(demo)
    options = {"n": 3, "samples": 1, "max_new_tokens": 3, "progress": False}
    here, there = (evals.run(scope, ["bias", "toxicity", "fluency"], **options) for scope in (demo, far))
    assert [one.name for one in here.tasks] == [one.name for one in there.tasks]
    for one, other in zip(here.tasks, there.tasks, strict=True):
        np.testing.assert_allclose(one.values, other.values, atol=1e-5)
    assert here.outputs == there.outputs
    with pytest.raises(NotImplementedError, match=r"Load the model without remote=True"):
        evals.run(far, "bias", intervention=steering.ScaleHead(3, 1, 0.0), **options)
