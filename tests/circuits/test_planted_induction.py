"""Every method finds a circuit that was planted, edge by edge, and none in noise."""

import numpy as np
import pytest
import torch
import transformers as hf

from scope_widgets import Microscope
from scope_widgets.circuits import METHODS, Task, completeness, discover, faithfulness, minimality
from tests.support.planted_induction_model import EDGES, EDGES_OF_THREE, INDUCTION, MOVER, PREVIOUS, planted, repeated
from tests.support.tiny_models import VOCAB, tiny_tokenizer

pytestmark = pytest.mark.numeric

OF_NODES = ("prune", "patching")


@pytest.fixture(scope="module", params=["two heads", "three heads"])
def model(request):
    three = request.param == "three heads"
    return planted(three), [PREVIOUS, INDUCTION, MOVER][: 2 + three], EDGES_OF_THREE if three else EDGES


@pytest.mark.parametrize("everywhere", [True, False])
@pytest.mark.parametrize("method", METHODS)
def test_what_was_planted_is_found(model, method, everywhere):
    scope, heads, edges = model
    task = repeated(scope, n=6, everywhere=everywhere)
    found = discover(scope, task, method)
    assert found.heads == heads
    if method in OF_NODES:
        assert found.nodes == ["input", *(f"a{layer}.h{head}" for layer, head in heads)]
    else:
        # where both prompts end with the same word the query carries nothing that is to be found
        assert set(found.edges) == (edges if everywhere else edges - {("input", "a1.h2<q>")})
        assert found.pruned().edges == found.edges
    other = repeated(scope, n=6, seed=1, everywhere=everywhere)
    measured = faithfulness(scope, found, task=other, draws=2)
    assert measured.low == pytest.approx(1, abs=0.01)
    assert measured.high == pytest.approx(1, abs=0.01)
    assert (np.abs(measured.random) < 0.1).all()


def test_scores_of_edges_say_what_they_do(model):
    """Cut alone, each planted edge costs everything; nothing else costs anything."""
    scope, _, edges = model
    task = repeated(scope, n=6)
    found = discover(scope, task, "edge-patching")
    whole = faithfulness(scope, found, draws=0)
    table = found.to_dataframe()
    shares = table["score"] / (whole.full - whole.empty).mean()
    planted = [edge in edges for edge in zip(table["sender"], table["receiver"], strict=True)]
    np.testing.assert_allclose(shares, np.array(planted, dtype=float), atol=2e-3)


@pytest.mark.parametrize("method", ["edge-patching", "acdc", "eap-ig"])
@pytest.mark.parametrize("ablation", ["mean", "resample"])
def test_other_ablations_find_the_same(method, ablation):
    scope = planted()
    found = discover(scope, repeated(scope), method, ablation=ablation, min_effect=0.05)
    assert set(found.edges) == EDGES


def test_a_search_within_a_circuit_finds_the_same_with_fewer_runs(model):
    scope, _, edges = model
    task = repeated(scope, n=6)
    within = discover(scope, task, "eap").keep(30)
    for method in ("acdc", "edge-patching"):
        found = discover(scope, task, method, within=within)
        assert set(found.edges) == edges
        assert np.array_equal(np.isfinite(found.scores), within.included)
    assert discover(scope, task, "prune", within=within).n_edges <= 30


def test_it_is_complete_and_minimal(model):
    scope, heads, _ = model
    found = discover(scope, repeated(scope, n=6), "acdc")
    size = abs(faithfulness(scope, found, draws=0).full.mean())
    table = completeness(scope, found, greedy=2).to_dataframe()
    assert (table["incompleteness"] < 0.02 * size).all()
    table = minimality(scope, found).to_dataframe()
    assert sorted(table["node"]) == sorted(f"a{layer}.h{head}" for layer, head in heads)
    assert (table["share"] > 0.9).all()


@pytest.mark.parametrize("seeds", [8, pytest.param(20, marks=pytest.mark.heavy)])
def test_noise_has_no_circuit(seeds):
    """Random models on unrelated prompts and answers; at most one of twenty seeds may be taken in, none of fewer."""
    found = dict.fromkeys(METHODS, 0)
    for seed in range(seeds):
        torch.manual_seed(seed)
        config = hf.GPT2Config(
            vocab_size=VOCAB, n_embd=16, n_layer=2, n_head=2, n_positions=16, bos_token_id=1, eos_token_id=2,
            initializer_range=0.2,
        )  # fmt: skip
        scope = Microscope.for_model(hf.GPT2LMHeadModel(config).eval(), tiny_tokenizer())
        rng = np.random.default_rng(seed)
        clean, corrupted = (rng.integers(3, VOCAB, (12, 8)).tolist() for _ in range(2))
        answers = [rng.permutation(np.arange(3, VOCAB))[:2].tolist() for _ in range(12)]
        task = Task.of(scope, clean, corrupted, [one for one, _ in answers], [other for _, other in answers])
        for method in METHODS:
            circuit = discover(scope, task, method)
            found[method] += circuit.n_edges > 0
            assert circuit.n_edges or "chance" in circuit.provenance.note
    assert max(found.values()) <= seeds // 20
