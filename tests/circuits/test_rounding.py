"""Circuits of a task whose prompts differ by rounding only, and scores that tie."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np
import pytest

from scope_widgets import Microscope, circuits
from scope_widgets.circuits import Task
from tests.support.circuit_examples import circuit
from tests.support.rounding_noise import noise_in_linear_layers

PROMPT = "When Mary and John went to the store, John gave a drink to"


@pytest.fixture(scope="module")
def scope() -> Microscope:
    return Microscope.load("demo")


@pytest.fixture
def noisy(scope: Microscope) -> Iterator[Microscope]:
    with noise_in_linear_layers(scope.model):
        yield scope


@pytest.mark.parametrize("metric", ["logit_difference", "kl", "probability"])
def test_there_is_nothing_to_find_where_prompts_are_the_same(noisy: Microscope, metric: str) -> None:
    task = dataclasses.replace(Task.of(noisy, [PROMPT] * 3, [PROMPT] * 3, " Mary", " John"), metric=metric)
    for method in ("eap", "eap-ig", "edge-patching", "acdc", "prune", "patching"):
        found = circuits.discover(noisy, task, method)
        assert found.n_edges == 0
        assert np.isnan(found.scores).all()
        assert "have the same metric" in found.provenance.note


def test_shares_of_nothing_are_none(noisy: Microscope) -> None:
    task = Task.of(noisy, [PROMPT] * 3, [PROMPT] * 3, " Mary", " John")
    some = circuits.discover(noisy, task, "eap")
    included = np.random.default_rng(0).random(some.graph.n_edges) < 0.3
    some = dataclasses.replace(some.with_edges(included), scores=np.arange(some.graph.n_edges) / 1e3)
    measured = circuits.faithfulness(noisy, some, draws=2)
    assert np.isnan([measured.value, measured.low, measured.high, *measured.random]).all()
    assert "up to rounding" in measured.message
    assert measured.message in repr(measured)
    curve = circuits.curve(noisy, some, (0.1, 1), draws=1)
    assert np.isnan([*curve.faithfulness, *curve.low, *curve.high, *curve.random.ravel(), curve.cpr, curve.cmd]).all()
    assert "up to rounding" in curve.message
    table = circuits.minimality(noisy, some)
    assert table["share"].isna().all()
    assert table["node"].tolist() == [node for node in some.nodes if node != "input"]  # all tie, so by position
    assert "up to rounding" in table.attrs["message"]
    # in units of the metric, so that there is no share: what rounding makes
    assert circuits.completeness(noisy, some, greedy=1)["incompleteness"].max() < 1e-4


def test_edges_with_scores_that_tie_keep_their_order() -> None:
    scores = np.tile([0.5, 0.25, 0.0], 300)
    made = circuit(keep=None)
    scores = scores[: made.graph.n_edges]
    for seed in range(3):
        noise = np.random.default_rng(seed).normal(0, 1e-9, len(scores))
        one = dataclasses.replace(made, scores=scores + noise, floor=1e-7)
        assert one.order().tolist() == sorted(range(len(scores)), key=lambda edge: (-scores[edge], edge))
        assert one.keep(5).edges == [made.graph.names(edge) for edge in (0, 3, 6, 9, 12)]
        assert one.top(3).index.tolist() == [0, 3, 6]
        paths = circuits.strongest_paths(one, 5)["path"].tolist()
        assert paths == circuits.strongest_paths(dataclasses.replace(one, scores=scores), 5)["path"].tolist()
