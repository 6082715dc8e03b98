"""Everything that is asked of the demo model on the server gives the numbers that it gives here."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from scope_widgets import circuits, heads, ioi, lens, patching, steering
from scope_widgets.traces.trace import TRACE_SITES
from tests.support.result_distance import equal

PROMPT = "When Mary and John went to the store, John gave a drink to"
FLIPPED = "When Mary and John went to the store, Mary gave a drink to"
SHORTER = "Mary and John went to the store"
QUESTION = {"answer": " Mary", "versus": " John"}
HEAD_BY_HEAD = ("head", "q", "k", "v", "attention")
OVER = ("residual", "attention_out", "mlp_out", *HEAD_BY_HEAD)


def both(name, remote, local, ask):
    """Compare what `ask` gives of both models; gives what came from the server."""
    theirs = ask(remote)
    equal(name, theirs, ask(local))
    return theirs


# -- traces


@pytest.mark.parametrize("prompt", [PROMPT, [PROMPT, SHORTER], [[5, 6, 7]]])
def test_a_trace(remote, local, prompt):
    theirs, ours = remote.trace(prompt), local.trace(prompt)
    assert (theirs.tokens, theirs.lengths) == (ours.tokens, ours.lengths)
    equal("token ids", theirs.token_ids, ours.token_ids)
    equal("logits", theirs.logits, ours.logits)
    for site in TRACE_SITES:
        for layer in range(local.n_layers + (site == "residual")):
            if site != "attention" or not ours.batched:
                equal(f"trace of {site}", theirs.values[site][layer], ours.values[site][layer])
    for layer in range(local.n_layers):
        equal("token norms", theirs.token_norms(layer), ours.token_norms(layer))
    equal("scoring", list(theirs.scoring), list(ours.scoring))


def test_patterns_of_several_prompts(remote, local):
    prompts = [PROMPT, SHORTER]
    equal("trace of attention", remote.trace(prompts).attention(1), local.trace(prompts).attention(1))


def test_one_prompt_of_several_and_single_heads(remote, local):
    theirs, ours = remote.trace([PROMPT, SHORTER])[1], local.trace([PROMPT, SHORTER])[1]
    equal("trace of attention", theirs.attention(2), ours.attention(2))
    fresh = remote.trace(PROMPT)
    for layer, head in [(0, 0), (2, 2), (3, 1)]:
        equal("one head's pattern", fresh.head_attention(layer, head), local.trace(PROMPT).attention(layer)[head])


def test_only_what_was_asked_for_is_fetched(remote, local):
    trace = remote.trace(PROMPT, capture=("residual",))
    before = remote.transport.server.traffic.requests
    equal("trace of residual", trace.residual(-1), local.trace(PROMPT).residual(-1))
    assert remote.transport.server.traffic.requests == before
    with pytest.raises(ValueError, match="mlp_out"):
        trace.mlp_out(0)


# -- heads


@pytest.mark.parametrize("prompt", [PROMPT, [PROMPT, SHORTER]])
def test_head_scores_and_labels(remote, local, prompt):
    theirs = both("head scores", remote, local, lambda scope: heads.score(scope.trace(prompt), null_draws=50))
    ours = heads.score(local.trace(prompt), null_draws=50)
    for name, nulls in ours.null_p.items():
        np.testing.assert_array_equal(theirs.null_p[name], nulls)
    equal("labels", heads.label(theirs), heads.label(ours))


HEADS = {
    "repeated tokens": lambda scope: heads.score_repeated_tokens(scope, n=2, length=20, null_draws=20),
    "entropy": lambda scope: heads.entropy(scope.trace(PROMPT), 2),
    "top attended": lambda scope: heads.top_attended(scope.trace(PROMPT), 2, n=3),
    "rollout": lambda scope: heads.rollout(scope.trace(PROMPT)),
    "value-weighted": lambda scope: heads.value_weighted_attention(scope.trace(PROMPT), 3),
    "writes": lambda scope: heads.writes(scope.trace(PROMPT), 3, 1),
    "OV": lambda scope: heads.ov_tokens(scope, 3, 1, " Mary"),
    "copied tokens": lambda scope: heads.copied_tokens(scope, 3, 1),
    "QK": lambda scope: heads.qk_tokens(scope, 3, 1, " Mary"),
    "importance": lambda scope: heads.importance(scope, PROMPT),
    "copying": lambda scope: heads.copying(scope, [" Mary", " John", " store"]),
    "composition": lambda scope: heads.composition(scope, kind="k"),
    "subject attention": lambda scope: heads.subject_attention(scope.trace(PROMPT), heads.subject_positions(
        scope.tokenizer, PROMPT, "Mary")),
}  # fmt: skip


@pytest.mark.parametrize("name", HEADS)
def test_heads(remote, local, name):
    both(name, remote, local, HEADS[name])


# -- lenses


def test_the_logit_lens_and_direct_attribution(remote, local):
    both("logit lens", remote, local, lambda scope: lens.logit_lens(scope.trace(PROMPT), watch=[" Mary", " John"]))
    for prompt in (PROMPT, [PROMPT, SHORTER]):
        both("direct attribution", remote, local,
             lambda scope: lens.direct_logit_attribution(scope.trace(prompt), **QUESTION))  # noqa: B023  # fmt: skip


# -- patching


@pytest.mark.parametrize("over", OVER)
def test_a_patching_map(remote, local, over):
    theirs = both("patching map", remote, local,
                  lambda scope: patching.activations(scope, PROMPT, FLIPPED, over=over, **QUESTION))  # fmt: skip
    assert theirs.done == np.sum(~theirs.by_construction)


def test_a_patching_map_of_several_prompts(remote, local):
    prompts = ioi.prompts(local, n=4, seed=3)
    clean, corrupted = prompts.token_ids, prompts.corrupted("abc", 0).token_ids
    ids = {"answer": list(prompts.io_ids), "versus": list(prompts.subject_ids)}
    ends = {"END": [len(row) - 1 for row in clean]}
    for options in ({"positions": "all"}, {"roles": ends, "direction": "noising", "metric": "kl"}):
        both("patching map", remote, local,
             lambda scope: patching.activations(scope, clean, corrupted, **ids, **options))  # noqa: B023  # fmt: skip


def test_a_sweep_arrives_in_parts(remote, local):
    sweep = patching.sweep(remote, PROMPT, FLIPPED, **QUESTION)
    parts = [status.partial for status in sweep.submit().wait()]
    order = [cell for cells in parts if cells is not None for cell in cells]
    assert sorted(order) == sorted(set(order))
    equal("patching map", sweep.result, patching.sweep(local, PROMPT, FLIPPED, **QUESTION).submit().result())


def test_a_metric_of_the_users_own_travels(remote, local):
    def margin(logits):
        return logits[5] - logits.logsumexp(-1)

    both("a metric of one's own", remote, local,
         lambda scope: patching.activations(scope, PROMPT, FLIPPED, metric=margin, positions=[-1]))  # fmt: skip


PATCHING = {
    "attribution patching": lambda scope: patching.attribution(scope, PROMPT, FLIPPED, **QUESTION),
    "paths to the logits": lambda scope: patching.paths(scope, PROMPT, FLIPPED, **QUESTION),
    "paths into queries": lambda scope: patching.paths(
        scope, PROMPT, FLIPPED, receivers=[(3, 1, "q")], senders="mlps", **QUESTION),
    "ablation": lambda scope: patching.ablate(scope, [PROMPT, SHORTER], [(3, 1), ("mlp", 0)], **QUESTION),
    "ablation by resampling": lambda scope: patching.ablate(
        scope, PROMPT, [(2, 2)], ablation="resample", reference=[FLIPPED], seed=1),
    "an ablation of one's own": lambda scope: patching.ablate(
        scope, PROMPT, [(3, 1)], ablation=lambda value: -value, **QUESTION),
    "knockout": lambda scope: patching.attention_knockout(scope, PROMPT, [(-1, 1)], heads=[(3, 1)], **QUESTION),
}  # fmt: skip


@pytest.mark.parametrize("name", PATCHING)
def test_patching(remote, local, name):
    both(name, remote, local, PATCHING[name])


# -- indirect-object identification


def test_ioi_detection(remote, local):
    prompts = ioi.prompts(local, n=20, seed=0)
    theirs = both("IOI detection", remote, local, lambda scope: ioi.detect(scope, prompts))
    assert (3, 1) in theirs.of("name_mover")
    both("IOI knock-out", remote, local, lambda scope: ioi.ablate_heads(scope, prompts, [(3, 1)], draws=2))
    found = ioi.prompts(remote, n=20, seed=0)
    assert found.calls[-1] == prompts.calls[-1]  # before it stands how the model was loaded
    equal("IOI prompts", replace(found, revision=None, calls=prompts.calls), prompts)


# -- circuits


@pytest.fixture(scope="module")
def task(local):
    return ioi.prompts(local, n=6, seed=1).task()


@pytest.mark.parametrize("method", ["eap", "eap-ig", "patching"])
def test_a_circuit(remote, local, task, method):
    both("a circuit by " + method, remote, local, lambda scope: circuits.discover(scope, task, method))


def test_a_circuit_by_acdc_inside_another(remote, local, task):
    few = circuits.discover(local, task, "eap").keep(40)
    both("a circuit by acdc", remote, local, lambda scope: circuits.discover(scope, task[:3], "acdc", within=few))


@pytest.mark.parametrize("measure", ["faithfulness", "completeness", "minimality", "curve", "induction_circuit"])
def test_measures_of_a_circuit(remote, local, task, measure):
    circuit = circuits.discover(local, task, "eap").keep(25)
    ask = {
        "faithfulness": lambda scope: circuits.faithfulness(scope, circuit, draws=2),
        "completeness": lambda scope: circuits.completeness(scope, circuit, greedy=1),
        "minimality": lambda scope: circuits.minimality(scope, circuit),
        "curve": lambda scope: circuits.curve(scope, circuit, shares=(0.01, 0.1, 1.0), draws=1),
        "induction_circuit": lambda scope: circuits.induction_circuit(scope, circuits.induction(local, n=4)),
    }[measure]
    both(measure, remote, local, ask)


def test_a_circuit_by_position_and_its_tasks(remote, local, task):
    assert circuits.TASKS
    both("strongest paths", remote, local,
         lambda scope: circuits.strongest_paths(circuits.discover(scope, task, "eap").keep(25)))  # fmt: skip


# -- steering


@pytest.mark.parametrize(
    "options",
    [
        {"positive": [PROMPT], "negative": [FLIPPED]},
        {"positive": [PROMPT, SHORTER], "negative": [FLIPPED, SHORTER + ","], "method": "pca"},
        QUESTION,
        {"head": (3, 1), "positive": [PROMPT]},
    ],
)
def test_a_direction(remote, local, options):
    both("a direction", remote, local, lambda scope: steering.direction(scope, layer=2, **options))


def session(scope, local):
    direction = steering.direction(local, layer=1, **QUESTION)
    pattern = np.eye(6, dtype=np.float32)
    interventions = [
        steering.AddDirection(direction, 0.5, "last"),
        steering.ScaleHead(3, 1, 0.0),
        steering.ProjectOut(direction, 0.3),
        steering.ClampNeuron(1, 7, 2.0),
        steering.SwapAttention(2, 2, pattern, 0.4),
    ]
    return steering.Session(scope, PROMPT, interventions, **QUESTION)


def test_a_steering_session(remote, local):
    theirs, ours = session(remote, local), session(local, local)
    equal("spans", theirs.spans, ours.spans)
    rows = [theirs.strengths, theirs.neutral, *({0: strength} for strength in np.linspace(-2, 2, 9))]
    for one, other in zip([theirs.at(), *theirs.grid(rows)], [ours.at(), *ours.grid(rows)], strict=True):
        equal("a steered distribution", one.logits, other.logits)
        equal("divergence", one.kl, other.kl)
    before = remote.transport.server.traffic.requests
    theirs.grid(rows)
    theirs.at({0: 2.0})
    assert remote.transport.server.traffic.requests == before


def test_steered_text_and_sweeps(remote, local):
    theirs, ours = session(remote, local), session(local, local)
    rows = [ours.neutral, ours.strengths]
    for options in ({}, {"temperature": 0.8, "seed": 3}):
        *_, one = theirs.continuations(rows, max_new_tokens=8, **options)
        *_, other = ours.continuations(rows, max_new_tokens=8, **options)
        assert one == other
    equal("losses", theirs.losses(rows, [5, 6, 7]), ours.losses(rows, [5, 6, 7]))
    one, other = (steering.sweep(steered, 0, strengths=[-1, 0, 1]) for steered in (theirs, ours))
    for name in ("kl", "difference", "loss", "continuation"):
        equal("a steering sweep", getattr(one, name), getattr(other, name))


def test_the_origin_of_a_steering_sweep(remote, local):
    one, other = (steering.sweep(session(scope, local), 0, strengths=[-1, 0, 1]) for scope in (remote, local))
    equal("a steering sweep", one, other)


def test_generation(remote, local):
    assert remote.generate(PROMPT, max_new_tokens=8) == local.generate(PROMPT, max_new_tokens=8)


def test_logits_with_edits_of_the_users_own(remote, local):
    ids = torch.tensor([local.trace(PROMPT).token_ids.tolist()])
    edits = {("residual", 2): lambda value: value * 0.5}
    both("edited logits", remote, local, lambda scope: scope.logits(ids, edits))
