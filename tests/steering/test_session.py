"""Sessions, interventions and sweeps against plain hooks on the plain model."""

import gc
import math
import weakref
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import scipy.stats
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from scope_widgets import Microscope, steering
from scope_widgets._provenance import Provenance
from scope_widgets.editing.feature_patch import FeaturePatch
from scope_widgets.steering.apply_interventions import is_steered
from scope_widgets.steering.steered_distribution import Distribution
from tests.support import reference_steering as plain
from tests.support.steering_examples import IDS, OTHER, made, mixed, scope_of, some_direction
from tests.support.tiny_models import FAMILIES, tiny_model, tiny_tokenizer

AT = ["all", "last", (2, 5), (-4, -1), (3, None), (-3, None), (0, 1), (-30, 2), (4, 100), (6, 2)]
KINDS = ["add", "project", "scale", "clamp", "swap"]


def close(ours, theirs, atol=5e-6):
    torch.testing.assert_close(ours, theirs.float(), atol=atol, rtol=1e-5)


@pytest.fixture(scope="module")
def llama():
    return scope_of("llama")


# -- against plain hooks


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("family", FAMILIES)
def test_every_kind_in_every_family_at_every_span(family, kind):
    scope = scope_of(family)
    strength = {"add": 0.8, "project": 0.7, "scale": -1.5, "clamp": 4.0, "swap": 0.6}[kind]
    unsteered = plain.logits(scope.model, IDS, [])[-1]
    moved = 0
    for at in AT:
        ours, theirs = made(scope, kind, strength, at)
        expected = plain.logits(scope.model, IDS, [theirs])[-1]
        close(steering.Session(scope, IDS, [ours]).at().logits, expected)
        moved += float((expected - unsteered).abs().max()) > 1e-4
    assert moved >= 4  # spans that are empty, or that a window of attention hides, move nothing


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("kind", ["add", "project"])
def test_the_first_and_the_last_stream(family, kind):
    scope = scope_of(family)
    for layer in (0, scope.n_layers - 1, scope.n_layers):
        for at in ("all", (-2, None)):
            ours, theirs = made(scope, kind, 0.9, at, layer=layer)
            session = steering.Session(scope, IDS, [ours])
            close(session.at().logits, plain.logits(scope.model, IDS, [theirs])[-1])


@pytest.mark.parametrize("family", FAMILIES)
def test_several_at_once_one_by_one_and_as_a_grid(family):
    scope = scope_of(family)
    given = mixed(scope)
    session = steering.Session(scope, IDS, [ours for ours, _ in given])
    expected = plain.logits(scope.model, IDS, [theirs for _, theirs in given])[-1]
    close(session.at().logits, expected)
    rows = [[one * share for one in session.strengths] for share in (0.3, -1.0, 1.5)]
    by_one = [steering.Session(scope, IDS, session.interventions).at(row).logits for row in rows]
    for ours, theirs in zip(session.grid(rows), by_one, strict=True):
        close(ours.logits, theirs)


@pytest.mark.parametrize("family", ["gpt2", "gpt_neo", "llama"])
def test_at_one_place_they_act_in_the_order_given(family):
    scope = scope_of(family)
    add, plain_add = made(scope, "add", 1.5, seed=1)
    project, plain_project = made(scope, "project", 1.0, seed=1)
    close(
        steering.Session(scope, IDS, [add, project]).at().logits,
        plain.logits(scope.model, IDS, [plain_add, plain_project])[-1],
    )
    close(
        steering.Session(scope, IDS, [project, add]).at().logits,
        plain.logits(scope.model, IDS, [plain_project, plain_add])[-1],
    )
    assert (
        steering.Session(scope, IDS, [add, project]).at().logits
        - steering.Session(scope, IDS, [project, add]).at().logits
    ).abs().max() > 1e-2
    # what is projected out after it was added is as if it had never been there
    close(steering.Session(scope, IDS, [add, project]).at().logits, steering.Session(scope, IDS, [project]).at().logits)


def test_they_are_listed_in_the_order_in_which_a_forward_reaches_them(llama):
    given = [ours for ours, _ in mixed(llama)]
    session = steering.Session(llama, IDS, given)
    assert [one.layer for one in session.interventions] == sorted(one.layer for one in given)
    assert [one.kind for one in session.interventions] == [
        "add",
        "project",
        "swap",
        "swap",
        "scale",
        "clamp",
        "scale",
        "add",
    ]


@settings(max_examples=8, deadline=None)
@given(data=st.data())
@pytest.mark.parametrize("family", ["gpt2", "gpt_neo", "gemma3", "phi3", "opt"])
def test_a_grid_is_what_each_row_is_alone(family, data):
    scope = scope_of(family)
    numbers = st.floats(-2, 2, width=32).filter(lambda x: x == 0 or abs(x) > 1e-3)
    spans = st.one_of(
        st.sampled_from(["all", "last"]),
        st.tuples(st.integers(-12, 12), st.one_of(st.none(), st.integers(-12, 12))),
    )
    one = st.tuples(st.sampled_from(KINDS), spans, st.integers(0, 2), st.integers(0, 3))
    chosen = data.draw(st.lists(one, min_size=1, max_size=4))
    given = [made(scope, kind, 0.5, at, layer, part, seed=i) for i, (kind, at, layer, part) in enumerate(chosen)]
    session = steering.Session(scope, IDS, [ours for ours, _ in given])
    rows = data.draw(st.lists(st.lists(numbers, min_size=len(given), max_size=len(given)), min_size=1, max_size=4))
    order = [next(i for i, (ours, _) in enumerate(given) if ours is mine) for mine in session.interventions]
    for row, found in zip(rows, session.grid(rows), strict=True):
        assert torch.isfinite(found.logits).all()
        close(found.logits, steering.Session(scope, IDS, session.interventions).at(row).logits, atol=2e-5)
        changes = []
        for (kind, at, layer, part), i, strength in ((chosen[j], j, s) for j, s in zip(order, row, strict=True)):
            changes.append(made(scope, kind, strength, at, layer, part, seed=i)[1])
        close(found.logits, plain.logits(scope.model, IDS, changes)[-1], atol=1e-4)


# -- nothing is nothing


@pytest.mark.parametrize("family", FAMILIES)
def test_neutral_strengths_give_the_models_own_logits_bit_for_bit(family):
    scope = scope_of(family)
    session = steering.Session(scope, IDS, [ours for ours, _ in mixed(scope)])
    with torch.no_grad():
        own = scope.model(torch.tensor([IDS]), logits_to_keep=1).logits[0, -1]
    found = session.at(session.neutral)
    assert torch.equal(found.logits, own)
    assert found.kl == 0
    assert torch.equal(found.steered.logits, found.unsteered.logits)
    inputs = {"input_ids": torch.tensor([IDS, IDS])}
    with torch.no_grad():
        whole = scope.model(**inputs).logits
        neutral = [one.with_strength(one.neutral) for one in session.interventions]
        with steering.steer(scope, *neutral):
            assert torch.equal(scope.model(**inputs).logits, whole)


@pytest.mark.parametrize("kind", KINDS)
def test_a_neutral_row_in_a_grid_is_the_model_as_it_is(llama, kind):
    session = steering.Session(llama, IDS, [made(llama, kind, 1.0)[0], made(llama, "add", 0.0, seed=5, layer=2)[0]])
    neutral = session.interventions[0].neutral
    found = session.grid([{0: 0.5, 1: 0.5}, {0: neutral, 1: 0.5}, {0: neutral, 1: 0.0}])
    alone = steering.Session(llama, IDS, [session.interventions[1]]).at([0.5])
    close(found[1].logits, alone.logits)
    assert torch.equal(found[2].logits, session.at(session.neutral).logits)


# -- what a result says


def test_figures_of_a_distribution(llama):
    session = steering.Session(llama, IDS, [made(llama, "add", 1.2)[0]], answer=20, versus=33)
    found = session.at()
    logits = plain.logits(llama.model, IDS, [made(llama, "add", 1.2)[1]])[-1].double()
    own = plain.logits(llama.model, IDS, [])[-1].double()
    p, q = own.softmax(-1), logits.softmax(-1)
    assert float(found.probabilities.sum()) == pytest.approx(1, abs=1e-6)
    close(found.probabilities.float(), q)
    assert found.kl == pytest.approx(float(scipy.stats.entropy(p, q)), rel=1e-4)
    assert found.difference == pytest.approx(float(logits[20] - logits[33]), abs=1e-4)
    order = sorted(range(len(q)), key=lambda i: -q[i])
    assert found.steered.order == order[:100]
    assert found.steered.ranks(order) == list(range(len(order)))
    before = sorted(range(len(p)), key=lambda i: -p[i])
    assert found.top(3) == list(dict.fromkeys([*order[:3], *before[:3]]))
    table = found.to_dataframe(3)
    assert list(table.columns) == ["token", "probability", "unsteered", "rank", "unsteered_rank"]
    for row, token in zip(table.itertuples(), found.top(3), strict=True):
        assert row.rank == order.index(token)
        assert row.unsteered_rank == before.index(token)
        assert row.probability == pytest.approx(float(q[token]), abs=1e-6)
    assert "KL" in repr(found)


@pytest.mark.parametrize("size", [1e-4, 1e-2, 1.0])
def test_figures_of_a_large_vocabulary(size):
    draw = np.random.default_rng(0)
    own = torch.tensor(3 * draw.standard_normal(150_000), dtype=torch.float32)
    moved = own + torch.tensor(size * draw.standard_normal(150_000), dtype=torch.float32)
    found = steering.Steered((), Distribution(moved), Distribution(own), None, Provenance(model="m"))
    p, q = own.double().softmax(-1), moved.double().softmax(-1)
    assert found.kl == pytest.approx(scipy.stats.entropy(p, q), rel=1e-6)
    assert float(found.probabilities.double().sum()) == pytest.approx(1, abs=1e-6)
    assert len(found.steered.order) == 100


@pytest.mark.parametrize("family", FAMILIES)
def test_a_token_is_raised_and_lowered_in_step_with_the_strength(family):
    scope = scope_of(family)
    found = steering.direction(scope, layer=scope.n_layers, answer="w20", versus="w33", positive=[IDS])
    session = steering.Session(scope, IDS, [steering.AddDirection(found, positions="last")], answer="w20", versus="w33")
    strengths = np.linspace(-1, 1, 9)
    moved = [one.difference for one in session.grid([[x] for x in strengths])]
    assert np.all(np.diff(moved) > 0)
    logits = [float(one.logits[20] - one.logits.mean()) for one in session.grid([[-0.5], [0.0], [0.5]])]
    assert logits[0] < logits[1] < logits[2]


def test_strengths_by_place_by_index_and_by_default(llama):
    session = steering.Session(llama, IDS, [made(llama, "add", 0.5)[0], made(llama, "scale", 0.25, layer=2)[0]])
    assert session.strengths == (0.5, 0.25)
    assert session.at({1: 2}).strengths == (0.5, 2.0)
    assert session.at([1, 2]).strengths == (1.0, 2.0)
    assert session.at(np.array([1, 2])).strengths == (1.0, 2.0)
    assert session.at(torch.tensor([1, 2])).strengths == (1.0, 2.0)
    assert torch.equal(session.at().logits, session.at((0.5, 0.25)).logits)
    assert session.neutral == (0.0, 1.0)


def test_a_session_without_interventions_is_the_model(llama):
    session = steering.Session(llama, IDS)
    assert session.at().kl == 0
    close(session.at().logits, plain.logits(llama.model, IDS, [])[-1])
    assert session.grid([(), ()])[1].kl == 0


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("kind", KINDS)
def test_half_precision_is_near_to_float32(kind, dtype):
    model = tiny_model("llama", "eager")
    scope = Microscope.for_model(model, tiny_tokenizer(), "llama")
    ours, _ = made(scope, kind, 0.7)
    exact = steering.Session(scope, IDS, [ours]).at()
    half = Microscope.for_model(tiny_model("llama", "eager").to(dtype), tiny_tokenizer(), "llama")
    found = steering.Session(half, IDS, [ours]).at()
    assert found.logits.dtype == torch.float32
    assert (found.logits - exact.logits).abs().max() < 0.15 * exact.logits.abs().max()
    assert torch.isfinite(found.logits).all()


def test_projecting_out_leaves_nothing_in_half_precision():
    scope = Microscope.for_model(tiny_model("llama", "eager").to(torch.bfloat16), tiny_tokenizer(), "llama")
    found = some_direction(scope, 1)
    with steering.steer(scope, steering.ProjectOut(found)):
        stream = scope.trace(IDS, capture=("residual",)).residual(1).double()
    part = (stream @ torch.tensor(found.vector).double()).abs() / stream.norm(dim=-1)
    assert part.max() < 2**-8  # what rounding to bfloat16 makes


# -- the cache


def test_what_was_computed_is_remembered(llama):
    session = steering.Session(llama, IDS, [made(llama, "add", 0.5)[0]])
    assert session.cache_info() == (0, 0, 0)
    first = session.at([0.5])
    assert session.cache_info() == (0, 1, 1)
    assert torch.equal(session.at([0.5]).logits, first.logits)
    assert session.cache_info() == (1, 1, 1)
    session.grid([[0.5], [0.7], [0.7]])
    assert session.cache_info() == (2, 2, 2)
    session.at([0.0])
    assert session.cache_info() == (2, 2, 2)  # the model as it is is always known
    session.clear_cache()
    assert session.cache_info() == (0, 0, 0)
    assert torch.equal(session.at([0.5]).logits, first.logits)


def test_the_strength_that_was_used_last_is_remembered_longest(llama, monkeypatch):
    monkeypatch.setattr("scope_widgets.steering.session.REMEMBERED", 3)
    session = steering.Session(llama, IDS, [made(llama, "add", 0.5)[0]])
    for x in (0.1, 0.2, 0.3, 0.1, 0.4):
        session.at([x])
    assert session.cache_info() == (1, 4, 3)
    session.at([0.1])
    assert session.cache_info().hits == 2
    session.at([0.2])
    assert session.cache_info().misses == 5


def test_a_grid_larger_than_the_memory(llama, monkeypatch):
    monkeypatch.setattr("scope_widgets.steering.session.REMEMBERED", 3)
    monkeypatch.setattr("scope_widgets.steering.steered_logits.BUDGET", 20)  # two rows at once
    rows = [[x] for x in np.linspace(0.1, 1, 7)]
    found = steering.Session(llama, IDS, [made(llama, "add", 0.5)[0]]).grid(rows)
    for row, one in zip(rows, found, strict=True):
        close(one.logits, plain.logits(llama.model, IDS, [made(llama, "add", row[0])[1]])[-1])


@pytest.mark.parametrize("family", ["llama", "gpt_neo"])
def test_weights_changed_in_place_are_noticed(family):
    model = tiny_model(family, "eager")
    scope = Microscope.for_model(model, tiny_tokenizer(), family)
    ours, theirs = made(scope, "scale", 0.0)
    session = steering.Session(scope, IDS, [ours])
    before, loss = session.at().logits, session.losses([[0.0]], [5, 6])[0]
    with torch.no_grad():
        plain.part(model, 0, plain._DOWN, "mlp.down_proj").weight.mul_(1.5)
    after = plain.logits(model, IDS, [theirs])[-1]
    assert (after - before).abs().max() > 1e-3
    close(session.at().logits, after)
    close(session.at(session.neutral).logits, plain.logits(model, IDS, [])[-1])
    assert session.losses([[0.0]], [5, 6])[0] != pytest.approx(loss, abs=1e-4)


def test_a_patch_of_weights_is_noticed():
    scope = Microscope.for_model(tiny_model("llama", "eager"), tiny_tokenizer(), "llama")
    session = steering.Session(scope, IDS, [made(scope, "scale", 0.0)[0]])
    before = session.at().logits
    with FeaturePatch(scope, some_direction(scope, 1), strength=3.0):
        close(session.at().logits, plain.logits(scope.model, IDS, [made(scope, "scale", 0.0)[1]])[-1])
        assert (session.at().logits - before).abs().max() > 1e-3
    assert torch.equal(session.at().logits, before)


@pytest.mark.parametrize("family", ["llama", "gpt_neo"])
def test_a_remembered_distribution_holds_no_more_than_itself(family):
    scope = scope_of(family)
    session = steering.Session(scope, IDS, [made(scope, "scale", 0.0)[0]])
    for found in session.grid([[x] for x in (0.1, 0.2, 0.3)]):
        assert found.logits.untyped_storage().nbytes() == found.logits.nbytes
        assert found.unsteered.logits.untyped_storage().nbytes() == found.logits.nbytes


def test_a_session_that_nobody_holds_is_freed(llama):
    session = steering.Session(llama, IDS, [made(llama, "add", 0.5)[0]])
    session.grid([[0.1], [0.2]])
    list(session.continuations([[0.1]], max_new_tokens=2))
    steering.sweep(session, strengths=[-0.1, 0.1])
    gone = weakref.ref(session)
    del session
    gc.collect()
    assert gone() is None


# -- continuations


def decoded(scope, tokens):
    return scope.tokenizer.decode(tokens, skip_special_tokens=True)


@pytest.mark.parametrize("family", FAMILIES)
def test_greedy_continuations_are_those_of_a_loop_without_a_cache(family):
    scope = scope_of(family)
    given = mixed(scope)
    given = [pair for pair in given if pair[0].kind != "swap" or pair[0].at == "all"]
    session = steering.Session(scope, IDS, [ours for ours, _ in given])
    rows = [session.strengths, session.neutral]
    ends = {scope.tokenizer.eos_token_id}
    *_, texts = session.continuations(rows, max_new_tokens=8)
    assert texts[0] == decoded(scope, plain.greedy(scope.model, IDS, [theirs for _, theirs in given], 8, ends))
    assert texts[1] == decoded(scope, plain.greedy(scope.model, IDS, [], 8, ends))
    assert session.unsteered_continuation(8) == plain.greedy(scope.model, IDS, [], 8, ends)
    assert session.unsteered_continuation(3) == plain.greedy(scope.model, IDS, [], 3, ends)


def test_continuations_grow_a_token_at_a_time(llama):
    session = steering.Session(llama, IDS, [made(llama, "add", 0.4)[0]])
    steps = list(session.continuations([[0.4], [0.0]], max_new_tokens=5))
    assert [len(step[0].split()) for step in steps] == [1, 2, 3, 4, 5]
    assert all(later[0].startswith(sooner[0]) for sooner, later in pairwise(steps))


def test_draws_are_seeded_and_shared(llama):
    session = steering.Session(llama, IDS, [made(llama, "add", 0.4, "last")[0]])

    def drawn(rows, seed, temperature=1.5):
        return [*session.continuations(rows, max_new_tokens=12, temperature=temperature, seed=seed)][-1]

    same = drawn([[0.0], [0.0], [0.3]], 0)
    assert same[0] == same[1]
    assert drawn([[0.0]], 0) == same[:1]
    assert drawn([[0.3], [0.0]], 0) == [same[2], same[0]]
    assert drawn([[0.0]], 1) != same[:1]
    assert drawn([[0.0]], 0, 1e-6) == drawn([[0.0]], 0, 0.0)


def test_draws_follow_the_distribution(llama):
    session = steering.Session(llama, IDS, [made(llama, "add", 0.4)[0]])
    p = (session.at([0.4]).logits / 2.0).softmax(-1).double().numpy()
    firsts = [
        llama.tokenizer.convert_tokens_to_ids(
            next(session.continuations([[0.4]], max_new_tokens=1, temperature=2.0, seed=seed))[0] or "<eos>"
        )
        for seed in range(150)
    ]
    best = int(p.argmax())
    assert scipy.stats.binomtest(firsts.count(best), len(firsts), p[best]).pvalue > 1e-3


def test_a_row_that_has_come_to_its_end_stays(monkeypatch):
    scope = scope_of("phi")
    ours, theirs = made(scope, "add", 1.0)
    session = steering.Session(scope, IDS, [ours])
    written, other = (plain.greedy(scope.model, IDS, changes, 6) for changes in ([], [theirs]))
    at = next(i for i, token in enumerate(written) if i and token not in written[:i] and token not in other)
    monkeypatch.setattr(scope.model.generation_config, "eos_token_id", [written[at]])
    last = session._continued([(0.0,), (1.0,)], max_new_tokens=6)
    assert last == [written[: at + 1], other]
    assert session.unsteered_continuation(6) == written[: at + 1]


def test_a_continuation_ends_where_the_context_does(llama):
    ids = [1, *([5, 9, 11, 30] * 20)][:61]
    session = steering.Session(llama, ids, [made(llama, "add", 0.3)[0]])
    assert len(list(session.continuations([[0.3]], max_new_tokens=20))) == 3
    assert len(session.unsteered_continuation(10)) == 3
    full = steering.Session(llama, [*ids, 4, 5, 6], [made(llama, "add", 0.3)[0]])
    assert list(full.continuations([[0.3]])) == []
    assert full.unsteered_continuation(10) == []
    swept = steering.sweep(full, strengths=[-1, 0, 1])
    assert np.isnan(swept.loss).all()
    assert swept.fluent is None


def test_the_model_is_free_between_two_tokens(llama):
    session = steering.Session(llama, IDS, [made(llama, "add", 0.9)[0]])
    alone = list(session.continuations([[0.9]], max_new_tokens=4))
    steps, found = session.continuations([[0.9]], max_new_tokens=4), []
    for step in steps:
        found.append(step)
        assert not any(module._forward_pre_hooks for module in llama.model.modules())
        session.at([0.1 * len(found)])
        llama.trace(OTHER)
        close(llama.model(torch.tensor([OTHER])).logits[0].detach(), plain.logits(llama.model, OTHER, []))
    assert found == alone
    steps = session.continuations([[0.9]])
    next(steps)
    steps.close()
    assert not any(module._forward_pre_hooks for module in llama.model.modules())


# -- sweeps


@pytest.mark.parametrize("family", ["gpt2", "gpt_neo", "llama", "gemma3"])
def test_sweeps_by_brute_force(family):
    scope = scope_of(family)
    model = scope.model
    given = [made(scope, "add", 0.0, "all"), made(scope, "scale", 0.4, (2, None), layer=2)]
    session = steering.Session(scope, IDS, [ours for ours, _ in given], answer=20, versus=33)
    points = [-0.8, -0.3, 0.0, 0.2, 0.9]
    found = steering.sweep(session, 0, strengths=points[::-1])
    assert found.strengths.tolist() == points
    tokens = plain.greedy(model, IDS, [], 16, {scope.tokenizer.eos_token_id})
    assert found.continuation == scope.tokenizer.decode(tokens)
    whole = [*IDS, *tokens[:-1]]

    def loss(changes):
        rows = plain.logits(model, whole, changes, len(IDS))[-len(tokens) :].log_softmax(-1)
        return -float(rows[torch.arange(len(tokens)), torch.tensor(tokens)].mean())

    own = plain.logits(model, IDS, [])[-1].log_softmax(-1)
    for i, point in enumerate(points):
        changes = [made(scope, "add", point)[1], given[1][1]]
        logits = plain.logits(model, IDS, changes)[-1]
        assert found.loss[i] == pytest.approx(loss(changes) - loss([]), abs=1e-4)
        assert found.difference[i] == pytest.approx(float(logits[20] - logits[33]), abs=1e-4)
        assert found.kl[i] == pytest.approx(scipy.stats.entropy(own.exp(), logits.softmax(-1)), rel=1e-3, abs=1e-5)
    assert found.neutral == 0
    assert found.provenance.model == family


def a_sweep(loss, strengths=None, neutral=0.0, difference=None, limit=1.0):
    strengths = np.linspace(-2, 2, len(loss)) if strengths is None else np.array(strengths, float)
    difference = strengths if difference is None else np.array(difference, float)
    provenance = Provenance(model="m")
    return steering.StrengthSweep(
        "x", strengths, neutral, 0 * strengths, difference, np.array(loss, float), limit, "", provenance
    )


def test_the_fluent_range_is_without_a_gap_around_neutral():
    assert a_sweep([0.5, 2, 0.1, 0.2, 3]).fluent == (0, 1)
    assert a_sweep([0, 0, 0, 0, 0]).fluent == (-2, 2)
    assert a_sweep([0, 0, 1.1, 0, 0]).fluent is None
    assert a_sweep([3, 2, -0.5, 1.0, 1.01]).fluent == (0, 1)
    assert a_sweep([9, 0.2, 0.1, 9, 0], neutral=math.nan).fluent == (2, 2)
    assert a_sweep([9, 0.2, -0.1, 9, 0], neutral=math.nan).fluent == (-1, 0)
    assert a_sweep([math.nan] * 5).fluent is None
    assert a_sweep([math.nan] * 5, neutral=math.nan).fluent is None
    assert a_sweep([0.5, math.nan, 0.0, 0.5, 0.5]).fluent == (0, 2)


def test_spearman_is_of_the_fluent_points():
    assert a_sweep([0] * 5, difference=[1, 2, 3, 5, 4]).spearman == pytest.approx(0.9)
    assert a_sweep([9, 0, 0, 0, 9], difference=[9, 1, 2, 3, -9]).spearman == pytest.approx(1)
    assert math.isnan(a_sweep([9, 9, 0, 0, 9]).spearman)
    assert math.isnan(a_sweep([0] * 5, difference=[1] * 5).spearman)
    assert math.isnan(a_sweep([0] * 5, difference=[math.nan] * 5).spearman)
    assert math.isnan(a_sweep([9] * 5).spearman)


def test_a_sweep_shows_itself(llama):
    session = steering.Session(llama, IDS, [made(llama, "add", 0.0)[0], made(llama, "clamp", 1.0)[0]])
    found = steering.sweep(session)
    assert found.strengths[[0, -1]].tolist() == list(session.spans[0])
    assert len(found.to_dataframe()) == 11
    assert "fluent" in repr(found)
    assert np.isnan(found.difference).all()
    again = steering.StrengthSweep.from_json(found.to_json())
    np.testing.assert_array_equal(again.loss, found.loss)
    assert math.isnan(steering.sweep(session, "neuron 1:2", strengths=[0, 1]).neutral)
    job = llama.submit(steering.sweep, session, 0, strengths=[0.0, 0.1])
    statuses = list(job)
    assert [status.done for status in statuses] == list(range(len(statuses)))
    assert {status.total for status in statuses} == {statuses[-1].done}
    np.testing.assert_array_equal(job.result().loss, steering.sweep(session, 0, strengths=[0.0, 0.1]).loss)


def test_a_random_direction_does_less_than_one_that_was_found(llama):
    """The null: to tell a token from another a random direction is worth little."""
    found = steering.direction(llama, layer=3, answer=20, versus=33, positive=[IDS])
    reach = []
    for one in [found, *(some_direction(llama, 3, seed) for seed in range(10))]:
        session = steering.Session(llama, IDS, [steering.AddDirection(one, positions="last")], answer=20, versus=33)
        ends = session.grid([[-0.3], [0.3]])
        reach.append(abs(ends[1].difference - ends[0].difference))
    assert reach[0] > 2 * max(reach[1:])


# -- code


@pytest.mark.parametrize("family", ["gpt2", "gpt_neo", "llama"])
def test_the_code_of_a_session_makes_it_again_bit_for_bit(family):
    scope = scope_of(family)
    given = [ours for ours, _ in mixed(scope)]
    given.append(
        steering.AddDirection(
            steering.direction(
                scope,
                layer=1,
                positive=["w4 w5", "w6 w7"],
                negative=["w9 w8", "w5 w9"],
                method="pca",
                position="mean",
                name='a "quoted" \\name',
            ),
            0.3,
        )
    )
    given.append(steering.SwapAttention.of(scope, "w5 w6 w7", 0, 1, 0.5))
    session = steering.Session(scope, "w4 w5 w6 w7 w8", given, answer="w20", versus="w33")
    names = {"scope": scope}
    exec(session.code(), names)
    again = names["session"]
    assert torch.equal(again.at().logits, session.at().logits)
    assert again.answers == session.answers
    assert again.token_ids == session.token_ids
    assert [one.name for one in again.interventions] == [one.name for one in session.interventions]
    moved = [math.nan if one.kind == "clamp" else 0.25 for one in session.interventions]
    exec(session.code(moved), names)
    assert torch.equal(names["session"].at().logits, session.at(moved).logits)
    exec(steering.Session(scope, IDS, given).code(), names)
    assert names["session"].token_ids == IDS


def test_the_code_of_a_pattern_that_was_given_to_another_head(llama):
    taken = replace(steering.SwapAttention.of(llama, "w5 w6 w7", 0, 1), head=3)
    again = eval(taken.code(), {"steering": steering, "scope": llama})
    assert (again.layer, again.head) == (0, 3)
    np.testing.assert_array_equal(again.pattern, taken.pattern)


# -- bad input gets a sentence


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda s: steering.Session(s, ["w4", "w5"]), "steers one prompt; got 2"),
        (lambda s: steering.Session(s, ""), "empty|no tokens"),
        (lambda s: steering.Session(s, [1] * 70), "70 tokens"),
        (lambda s: steering.Session(s, IDS, [3]), "Expected interventions"),
        (lambda s: steering.Session(s, IDS, [steering.ScaleHead(3, 0)]), "layers 0 to 2"),
        (lambda s: steering.Session(s, IDS, [steering.ScaleHead(-1, 0)]), "layers 0 to 2"),
        (lambda s: steering.Session(s, IDS, [steering.ScaleHead(0, 4)]), "heads 0 to 3"),
        (lambda s: steering.Session(s, IDS, [steering.ClampNeuron(0, 48)]), "neurons 0 to 47"),
        (lambda s: steering.Session(s, IDS, [steering.SwapAttention(0, 4, np.eye(3))]), "heads 0 to 3"),
        (lambda s: steering.Session(s, IDS, answer=5), "go together"),
        (lambda s: steering.Session(s, IDS, answer=5, versus=5), "same token"),
        (lambda s: steering.ScaleHead("a", 0), "are numbers"),
        (lambda s: steering.ScaleHead(1.0, 0), "are numbers"),
        (lambda s: steering.ScaleHead(0, 0, math.inf), "finite number"),
        (lambda s: steering.ScaleHead(0, 0, math.nan), "finite number"),
        (lambda s: steering.ScaleHead(0, 0, None), "finite number"),
        (lambda s: steering.ClampNeuron(0, 0, -math.inf), "finite number"),
        (lambda s: steering.ScaleHead(0, 0, 1, "first"), "positions= is 'all'"),
        (lambda s: steering.ScaleHead(0, 0, 1, (None, 2)), "positions= is 'all'"),
        (lambda s: steering.ScaleHead(0, 0, 1, (1, 2, 3)), "positions= is 'all'"),
        (lambda s: steering.ScaleHead(0, 0, 1, (1.5, 2)), "positions= is 'all'"),
        (lambda s: steering.ScaleHead(0, 0, 1, np.array([1, 2, 3])), "positions= is 'all'"),
        (lambda s: steering.AddDirection("up", 1), "Expected a Direction"),
        (lambda s: steering.ProjectOut(np.ones(32), 1), "Expected a Direction"),
        (lambda s: steering.SwapAttention(0, 0, np.ones((3, 3))), "0 for keys after the query"),
        (lambda s: steering.SwapAttention(0, 0, np.ones((3, 2))), "square"),
        (lambda s: steering.SwapAttention(0, 0, np.eye(3) * 2), "sum to 1"),
        (lambda s: steering.SwapAttention(0, 0, np.zeros((0, 0))), "pattern"),
        (lambda s: steering.SwapAttention.of(s, ["w3 w4", "w5"], 0, 0), "one prompt"),
        (lambda s: steering.SwapAttention.of(s, "w3 w4", 0, 9), "heads 0 to 3"),
        (lambda s: steering.Session(s, IDS, [steering.ScaleHead(0, 0)]).at([1, 2]), "There are 1 interventions"),
        (lambda s: steering.Session(s, IDS, [steering.ScaleHead(0, 0)]).at([]), "There are 1 interventions"),
        (lambda s: steering.Session(s, IDS, [steering.ScaleHead(0, 0)]).at({1: 0}), "There are 1 interventions"),
        (lambda s: steering.Session(s, IDS, [steering.ScaleHead(0, 0)]).at([math.nan]), "finite number"),
        (lambda s: steering.Session(s, IDS, [steering.ScaleHead(0, 0)]).at(0.5), "(?i)strengths"),
        (lambda s: steering.Session(s, IDS, [steering.ScaleHead(0, 0)]).grid([0.5]), "(?i)strengths"),
        (lambda s: steering.Session(s, IDS, [steering.ScaleHead(0, 0)]).at([[1]]), "finite number"),
        (lambda s: next(steering.Session(s, IDS).continuations([()], temperature=-1)), "temperature="),
        (lambda s: next(steering.Session(s, IDS).continuations([()], temperature=math.nan)), "temperature="),
        (lambda s: next(steering.Session(s, IDS).continuations([()], max_new_tokens=2.5)), "max_new_tokens="),
        (lambda s: next(steering.Session(s, IDS).continuations([()], max_new_tokens=-1)), "max_new_tokens="),
        (lambda s: next(steering.Session(s, IDS).continuations([])), "(?i)strengths"),
        (lambda s: steering.sweep(steering.Session(s, IDS)), "no intervention 0; there are none"),
        (
            lambda s: steering.sweep(steering.Session(s, IDS, [steering.ScaleHead(0, 0)]), "head 9.9"),
            "There is no intervention",
        ),
        (
            lambda s: steering.sweep(steering.Session(s, IDS, [steering.ScaleHead(0, 0)]), -1),
            "There is no intervention",
        ),
        (lambda s: steering.sweep(steering.Session(s, IDS, [steering.ScaleHead(0, 0)]), 0, [1]), "two or more finite"),
        (
            lambda s: steering.sweep(steering.Session(s, IDS, [steering.ScaleHead(0, 0)]), 0, [1, math.inf]),
            "two or more finite",
        ),
        (lambda s: steering.sweep(steering.Session(s, IDS, [steering.ScaleHead(0, 0)]), 0, "ab"), "two or more finite"),
        (lambda s: steering.sweep(steering.Session(s, IDS, [steering.ScaleHead(0, 0)]), 0, 3), "two or more finite"),
    ],
)
def test_a_sentence_says_what_is_wrong(llama, make, message):
    with pytest.raises((ValueError, TypeError), match=message):
        make(llama)
    assert torch.isfinite(steering.Session(llama, IDS, [steering.ScaleHead(0, 0)]).at().logits).all()


def test_a_model_in_training_mode():
    scope = Microscope.for_model(tiny_model("llama"), tiny_tokenizer())
    session = steering.Session(scope, IDS, [steering.ScaleHead(0, 0)])
    scope.model.train()
    for fails in (lambda: session.at(), lambda: steering.Session(scope, IDS)):
        with pytest.raises(ValueError, match="training mode"):
            fails()


@pytest.mark.parametrize(
    ("at", "inside"),
    [("all", range(9)), ("last", range(5, 9)), ((4, 100), (4, 5)), ((4, None), range(4, 9)), ((-2, -1), (4,))],
)
def test_a_span_with_a_stop_leaves_what_is_generated_alone(at, inside):
    positions, lengths = torch.arange(9)[None], torch.tensor([6])
    assert is_steered(at, positions, lengths)[0].nonzero()[:, 0].tolist() == list(inside)


def test_a_session_as_a_job_is_the_same(demo):
    options = {"answer": " run", "versus": " dog"}
    heads = [steering.ScaleHead(2, 1, 0.0)]
    one = steering.Session(demo, "the horse", heads, **options)
    other = steering.Session.submit_new(demo, "the horse", heads, **options).result()
    assert other.at().difference == one.at().difference
    assert (other.tokens, other.spans, other.answers) == (one.tokens, one.spans, one.answers)
    with pytest.raises(ValueError, match="one prompt"):
        steering.Session.submit_new(demo, ["a", "b"])
