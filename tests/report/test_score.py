"""The score: what must hold of it, on a model whose circuit is known."""

import dataclasses

import numpy as np
import pytest

from scope_widgets import report
from scope_widgets.models.edges.find_edges import graph_of
from scope_widgets.report.entries.components import edge_name, random_alike
from scope_widgets.report.scoring.behaviour_score import score_edges
from tests.support.planted_documentation import INDUCTION, MOVER, PREVIOUS, REPEATED, SUITE, entries
from tests.support.planted_induction_model import EDGES_OF_THREE, planted

N = 12


@pytest.fixture(scope="module")
def model():
    return planted(three=True)


@pytest.fixture(scope="module")
def verified(model):
    return report.document(model, entries(), suite=SUITE).verify(model, n=N, suite=SUITE)


def scored(model, some, **options):
    return report.document(model, some, suite=SUITE).verify(model, n=N, suite=SUITE, **options)


def edges(names, status="untested"):
    """An entry about each edge, with a claim that holds of all of them."""
    claim = {"depends_on": ["echo", "answer"]}
    return [report.Entry("edge", (name,), "repeated", claim, status=status, group="wiring") for name in names]


def test_what_was_planted_is_verified_and_explains_nearly_all(verified):
    assert [entry.status for entry in verified.entries] == ["verified"] * 3
    own = verified.score["repeated"]
    assert own.R > 0.99
    assert own.value >= 0.9
    assert verified.score.value >= 0.9
    assert own.n_edges == 3 * 3 + 3 * 3 + 4


def test_nothing_documented_is_0_exactly(model):
    found = scored(model, [])
    assert (found.score.value, found.score.total, found.score.high) == (0.0, 0.0, 0.0)


def test_everything_documented_is_0_exactly(model):
    graph = graph_of(model)
    task = REPEATED.make(model, n=N, seed=3)
    found, draws = score_edges(model, task, np.ones(graph.n_edges, bool), weight=1.0, n_entries=1, seed=0)
    assert found.value == 0.0
    assert pytest.approx(1) == found.R
    assert not draws.any()


def test_right_heads_with_permuted_claims_are_0(model):
    for claims in ((INDUCTION, MOVER, PREVIOUS), (MOVER, PREVIOUS, INDUCTION)):
        found = scored(model, entries(claims))
        assert found.score.value == 0.0
        assert found.score.total == 0.0
        wrong = [entry.status for entry, claim in zip(found.entries, claims, strict=True) if claim != MOVER]
        assert set(wrong) == {"rejected"}


def test_a_thousand_others_change_nothing(model, verified):
    """Duplicates, entries without an effect, and statuses that somebody wrote by hand."""
    rng = np.random.default_rng(0)
    graph = graph_of(model)
    real = {entry.components[0] for entry in verified.entries}
    names = [name for name in graph.senders[1:] if name not in real]
    planted_edges = {"->".join(edge) for edge in EDGES_OF_THREE}
    junk = [
        dataclasses.replace(entry, id=f"again {at}", note="the same in other words")
        for at, entry in enumerate(entries() * 10)
    ]
    while len(junk) < 960:
        name = names[int(rng.integers(len(names)))]
        claim = [{"depends_on": ["answer"]}, {"depends_on": ["echo"]}, {"copies": "answer"}][int(rng.integers(3))]
        kind = "mlp" if name.startswith("m") else "head"
        junk.append(report.Entry(kind, (name,), "repeated", claim, id=f"junk {len(junk)}", status="verified"))
    for at in range(60):
        edge = edge_name(graph, int(rng.integers(graph.n_edges)))
        if edge not in planted_edges and not any(part in edge for part in real):
            junk.append(report.Entry("edge", (edge,), "repeated", {"depends_on": ["END"]}, id=f"edge {at}"))
    assert len(junk) >= 1000
    found = scored(model, [*entries(), *junk])
    assert [entry.status for entry in found.entries[:3]] == ["verified"] * 3
    assert found.score.to_json() == verified.score.to_json()
    assert len(found.of("verified")) == 3


def test_entries_that_are_not_tested_have_no_part(model, verified):
    more = verified.add(*[dataclasses.replace(entry, id=f"{entry.id} 2") for entry in entries()])
    assert more.score is None
    assert {entry.status for entry in more.entries[3:]} == {"untested"}


@pytest.mark.parametrize("draws", [6, pytest.param(200, marks=pytest.mark.heavy)])
def test_random_documentations_are_not_above_chance(model, draws):
    """As many edges of each layer and kind as the planted one, verified or not: of 200 at most one in twenty."""
    graph = graph_of(model)
    mask = np.zeros(graph.n_edges, bool)
    for sender, receiver in EDGES_OF_THREE:
        mask[graph.find(sender, receiver)] = True
    above = 0
    for at, own in enumerate(random_alike(graph, mask, draws, 99)):
        task = REPEATED.make(model, n=6, seed=at)
        found, _ = score_edges(model, task, own, weight=1.0, n_entries=1, seed=at)
        above += found.low > 0
    assert above <= draws / 20


def test_the_formulas(model):
    """Against NumPy, from runs of each set of edges."""
    from scope_widgets.circuits.evaluation.circuit_run import CircuitRun
    from scope_widgets.report.scoring.recovery import ABLATIONS, DONORS, RecoveryRun

    task = REPEATED.make(model, n=6, seed=1)
    graph = graph_of(model)
    masks = np.random.default_rng(0).random((3, graph.n_edges)) < 0.6
    measured = RecoveryRun(model, task, 0).measure(masks)
    none = np.zeros((1, graph.n_edges), bool)
    worst = np.full(3, np.inf)
    for at, ablation in enumerate(ABLATIONS):
        run = CircuitRun(model, task, ablation, 0, draws=DONORS)
        f = (run.measure(masks).mean(1) - run.empty.mean()) / (run.full.mean() - run.empty.mean())
        kl = run.measure_with(np.concatenate([none, masks]), (run.divergence,))[0].sum(1)
        h = 1 - kl[1:] / kl[0]
        np.testing.assert_allclose(measured.f()[:, at], f, rtol=1e-6)
        np.testing.assert_allclose(measured.h()[:, at], h, atol=1e-6)
        worst = np.minimum(worst, np.minimum(1 - abs(1 - f), h))
    np.testing.assert_allclose(measured.R(), np.clip(worst, 0, 1), atol=1e-6)
    weights = np.full((1, 6), 1 / 6)
    np.testing.assert_allclose(measured.R(weights)[0], measured.R(), rtol=1e-6)


def test_who_calls_prompts_seen_is_scored_on_others(model, verified):
    """Else hard prompts of the draw could be listed as looked at, until easy ones are left."""
    again = report.document(model, entries(), suite=SUITE, discovery={"repeated": ["00" * 8]})
    assert again.digest != report.document(model, entries(), suite=SUITE).digest
    done = again.verify(model, n=N, suite=SUITE)
    assert done.entries[0].evidence[0].seed != verified.entries[0].evidence[0].seed
    assert done.score["repeated"].seed != verified.score["repeated"].seed
    twice = report.document(model, entries(), suite=SUITE, discovery={"repeated": ["00" * 8] * 2, "ioi": []})
    assert twice.digest == again.digest
