"""One evaluation of a circuit for all four measures, and tasks by their names."""

from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
import torch

from scope_widgets import Microscope, circuits, ioi
from scope_widgets.circuits import Task
from scope_widgets.experiments import named_tasks
from tests.support.tiny_models import VOCAB, tiny_model, tiny_tokenizer

pytestmark = pytest.mark.numeric

CLEAN, CORRUPTED = (np.random.default_rng(0).integers(3, VOCAB, (2, 2, 6))).tolist()
SHARES = (0.05, 0.3, 1.0)


@pytest.fixture(scope="module")
def scope():
    return Microscope.for_model(tiny_model("gpt2"), tiny_tokenizer(), "gpt2")


@pytest.fixture(scope="module")
def circuit(scope):
    return circuits.discover(scope, Task.of(scope, CLEAN, CORRUPTED, "w7", "w9"), "eap").keep(60)


@pytest.fixture
def forwards(scope):
    """Number of forwards so far, as a list of one."""
    count = [0]
    hook = scope.model.register_forward_pre_hook(lambda *_: count.__setitem__(0, count[0] + 1))
    yield count
    hook.remove()


def spent(count, function):
    """Return what a function returns, and the number of forwards that it took."""
    before = count[0]
    result = function()
    return result, count[0] - before


# --- one evaluation -------------------------------------------------------------------------------------------------


def test_all_measures_share_the_runs_of_the_prompts(scope, circuit, forwards):
    alone, together = [], []
    evaluation, cost = spent(forwards, lambda: circuits.evaluate(scope, circuit))
    assert cost == 0
    _, prompts = spent(forwards, lambda: circuits.evaluate(scope, circuit).run)
    assert prompts >= 3  # clean, corrupted, no edges
    for name in ("faithfulness", "completeness", "minimality", "curve"):
        expected, cost = spent(forwards, lambda name=name: getattr(circuits, name)(scope, circuit))
        alone.append(cost)
        found, cost = spent(forwards, lambda name=name: getattr(evaluation, name)())
        together.append(cost)
        one, other = found.to_dataframe(), expected.to_dataframe()
        assert list(one) == list(other)
        for column in one:
            if one[column].dtype.kind == "f":
                np.testing.assert_allclose(one[column], other[column], atol=1e-4)
    assert together[0] == alone[0]
    assert sum(together) <= sum(alone) - 3 * prompts
    for name in ("faithfulness", "completeness", "minimality", "curve"):
        assert spent(forwards, getattr(evaluation, name))[1] == 0


def test_changed_weights_are_run_anew(scope, circuit):
    evaluation = circuits.evaluate(scope, circuit)
    before = evaluation.faithfulness(draws=0)
    weights = scope.model.transformer.wte.weight
    original = weights.detach().clone()
    with torch.no_grad():
        weights.mul_(1.5)
        try:
            assert abs(evaluation.faithfulness(draws=0).full - before.full).max() > 1e-3
        finally:
            weights.copy_(original)
    np.testing.assert_allclose(evaluation.faithfulness(draws=0).full, before.full, atol=1e-5)


def test_the_curve_is_what_its_points_are(scope, circuit):
    steps = circuits.curve_points(scope, circuit, shares=SHARES, draws=2, seed=3)
    points = [next(steps) for _ in SHARES]
    with pytest.raises(StopIteration) as end:
        next(steps)
    returned, curve = end.value.value, circuits.curve(scope, circuit, shares=SHARES, draws=2, seed=3)
    for name in ("faithfulness", "low", "high", "metric", "n_edges"):
        np.testing.assert_allclose(getattr(curve, name), [getattr(point, name) for point in points], atol=1e-4)
        np.testing.assert_array_equal(getattr(returned, name), [getattr(point, name) for point in points])
    np.testing.assert_allclose(curve.random.T, [point.random for point in points], atol=1e-4)
    assert [point.share for point in points] == list(SHARES)
    assert {(point.full, point.empty) for point in points} == {(returned.full, returned.empty)}


def test_a_job_shows_the_curve_as_it_grows(scope, circuit):
    job = scope.submit(circuits.curve, scope, circuit, shares=SHARES, draws=1)
    assert [[point.share for point in status.partial] for status in job] == [list(SHARES[:n]) for n in (1, 2, 3)]
    assert job.result().shares.tolist() == list(SHARES)


def test_random_circuits_are_no_larger_than_the_circuit(scope, circuit):
    """Where only some edges have scores, a point keeps these, and so many random ones."""
    scores = circuit.scores.copy()
    scores[np.argsort(-np.abs(scores))[5:]] = np.nan
    some = circuits.curve(scope, replace(circuit, scores=scores), shares=(0.001, 0.5, 1.0), draws=3)
    assert some.n_edges.tolist() == [round(0.001 * circuit.graph.n_edges), 5, 5]
    np.testing.assert_allclose(some.random[:, 1], some.random[:, 2])


def test_tables_that_were_data_frames_still_are_and_warn(scope, circuit):
    found = circuits.minimality(scope, circuit)
    with pytest.warns(DeprecationWarning, match=r"A Minimality is no table any more: use .to_dataframe\(\)\['node'\]"):
        assert set(found["node"]) == set(found.nodes)
    with pytest.warns(DeprecationWarning, match=r"use .to_dataframe\(\).set_index"):
        assert set(found.set_index("node").index) == set(found.nodes)
    with pytest.raises(AttributeError, match="'Minimality' object has no attribute 'colour'"):
        found.colour  # noqa: B018
    with pytest.warns(DeprecationWarning, match=r"curve\(\) takes shares= by that name"):
        assert circuits.curve(scope, circuit, (0.5, 1.0), draws=0).shares.tolist() == [0.5, 1.0]
    with pytest.warns(DeprecationWarning, match=r"by_position\(\) takes positions= by that name"):
        assert circuits.by_position(scope, circuit, roles={"last": [5, 5]}, steps=0).positions == ("last",)


# --- tasks by name --------------------------------------------------------------------------------------------------


def test_every_name_has_a_task():
    assert set(named_tasks._MAKERS) == set(get_args(circuits.TaskName)) == {*circuits.TASKS, "ioi"}


def test_a_task_is_taken_by_its_name(demo):
    found = circuits.discover(demo, "ioi", "eap", seed=1)
    assert found.task.clean == ioi.prompts(demo, n=50, seed=1).task().clean
    assert found.provenance.seed == 1
    few = found.keep(40)
    measured = circuits.faithfulness(demo, few, task="ioi", draws=0, seed=2)
    assert measured.provenance.prompts == tuple(ioi.prompts(demo, n=50, seed=2).texts)
    assert circuits.evaluate(demo, few, "induction").task.name == "induction"
    assert circuits.task(demo, "ioi", n=6).clean == ioi.prompts(demo, n=6).task().clean


def test_what_is_no_task_is_a_sentence(demo):
    for call in (lambda task: circuits.discover(demo, task), lambda task: circuits.induction_circuit(demo, task)):
        with pytest.raises(ValueError, match="There is no task 'ner'; there are greater_than, .*, ioi"):
            call("ner")
        with pytest.raises(TypeError, match="task= is a Task, such as Task.of.* makes, or the name of one .*; got 3"):
            call(3)
