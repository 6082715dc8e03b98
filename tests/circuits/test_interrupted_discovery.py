"""Ctrl-C in the middle of a discovery: the error has what was measured, which is right, and says how far it came."""

import importlib
import re
from typing import ClassVar

import numpy as np
import pytest

from scope_widgets import Microscope, circuits
from scope_widgets._partial_result import Interrupted
from scope_widgets.circuits.discovery import edge_scores, node_effects, pruning
from scope_widgets.circuits.discovery.methods import METHODS
from scope_widgets.circuits.evaluation import circuit_run
from scope_widgets.circuits.evaluation.circuit_run import CircuitRun
from scope_widgets.models.edges.edge_gradients import EdgeGradients
from tests.support.tiny_models import tiny_model, tiny_tokenizer

discover_module = importlib.import_module("scope_widgets.circuits.discovery.discover")
CLEAN, CORRUPTED = [[3, 4, 5, 6], [3, 4, 8, 9]], [[3, 7, 5, 6], [3, 9, 8, 4]]


@pytest.fixture(scope="module")
def setting():
    scope = Microscope.for_model(tiny_model("llama"), tiny_tokenizer(), "tiny llama")
    return scope, circuits.Task.of(scope, CLEAN, CORRUPTED, [12, 14], [13, 15], name="made up")


def interrupted_at_call(monkeypatch, owner, name, n):
    """Let the n-th call of a function from now on raise KeyboardInterrupt."""
    plain, calls = getattr(owner, name), []

    def function(*args, **options):
        calls.append(name)
        if len(calls) == n:
            raise KeyboardInterrupt
        return plain(*args, **options)

    monkeypatch.setattr(owner, name, function)


@pytest.fixture
def in_small_parts(monkeypatch):
    monkeypatch.setattr(edge_scores, "_EDGES_AT_ONCE", 50)
    monkeypatch.setattr(node_effects, "_NODES_AT_ONCE", 4)


@pytest.mark.usefixtures("in_small_parts")
@pytest.mark.parametrize(("method", "call"), [("edge-patching", 4), ("patching", 4), ("acdc", 5), ("prune", 9)])
def test_the_error_has_what_was_measured(setting, method, call, monkeypatch):
    scope, task = setting
    whole = circuits.discover(scope, task, method)
    interrupted_at_call(monkeypatch, CircuitRun, "measure", call)
    with pytest.raises(Interrupted) as raised:
        circuits.discover(scope, task, method)
    part = raised.value.result
    done, total = (int(one) for one in re.search(r"Interrupted: (\d+) of (\d+) ", str(raised.value)).groups())
    assert 0 < done < total
    assert f"Interrupted: {done} of {total} " in part.provenance.note
    both = np.isfinite(part.scores) & np.isfinite(whole.scores)
    np.testing.assert_allclose(part.scores[both], whole.scores[both], atol=1e-6)
    if method in ("edge-patching", "acdc"):
        assert total == part.graph.n_edges
        assert done == np.isfinite(part.scores).sum()
    if method in ("acdc", "prune"):  # what was not tried is in
        assert part.included.sum() > whole.included.sum()
    else:
        assert not part.included[np.isnan(part.scores)].any()


def test_a_step_counts_when_it_is_decided():
    """Interrupted while the last part is decided on, the work is not whole."""
    bar = type("Bar", (), {"update": lambda self: None})()

    def spared(before, after):
        if after.sum() == 0:
            raise KeyboardInterrupt
        return True

    parts = [np.array([at]) for at in range(3)]
    included, needed, done, _ = pruning.take_out(
        np.ones(3, dtype=bool), parts, lambda masks: masks.sum(1, keepdims=True).astype(float), spared, bar.update
    )
    assert (included.tolist(), needed, done) == ([False, False, True], [], 2)


def test_the_last_step_is_not_lost_silently():
    bar = type("Bar", (), {"update": lambda self: (_ for _ in ()).throw(KeyboardInterrupt)})()
    with pytest.raises(KeyboardInterrupt):
        pruning.take_out(np.ones(1, dtype=bool), [np.array([0])], lambda masks: masks, lambda *_: True, bar.update)


@pytest.mark.parametrize(("owner", "name"), [(circuit_run, "component_outputs"), (EdgeGradients, "scores")])
def test_before_an_edge_has_a_score_the_error_says_so_in_a_line(setting, owner, name, monkeypatch):
    scope, task = setting
    interrupted_at_call(monkeypatch, owner, name, 1)
    with pytest.raises(Interrupted, match="no edge has a score yet") as raised:
        circuits.discover(scope, task, "eap")
    assert raised.value.result is None
    assert raised.value._render_traceback_() == [str(raised.value)]  # all that IPython shows


@pytest.mark.parametrize("method", ["eap", "eap-ig"])
def test_pairs_that_have_gradients_are_returned(setting, method, monkeypatch):
    """As many as were run at once, here one: their scores are those of a discovery on these pairs alone."""
    scope, task = setting
    monkeypatch.setattr(circuit_run, "_PAIRS_AT_ONCE", 1)
    alone = [circuits.discover(scope, task[at : at + 1], method).scores for at in range(2)]
    interrupted_at_call(
        monkeypatch, EdgeGradients, "scores", 2 if method == "eap" else 9
    )  # the fourth step of the second
    with pytest.raises(Interrupted, match="the scores are of 1 of 2 pairs") as raised:
        circuits.discover(scope, task, method)
    found = raised.value.result.scores
    assert "1 of 2 pairs" in raised.value.result.provenance.note
    assert any(np.allclose(found, scores, atol=1e-6) for scores in alone)


def test_a_part_of_the_first_pairs_is_nothing_and_the_error_names_them(setting, monkeypatch):
    scope, task = setting
    interrupted_at_call(monkeypatch, EdgeGradients, "scores", 4)  # of five steps
    with pytest.raises(Interrupted, match="the first 2 of 2 pairs were done: .* nothing to return") as raised:
        circuits.discover(scope, task, "eap-ig")
    assert raised.value.result is None


class Bar:
    """Notes what is done of what."""

    made: ClassVar[list] = []

    def __init__(self, total, desc, **_):
        self.total, self.n, self.stages = total, 0, [desc]
        self.made.append(self)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def update(self, n=1):
        self.n += n

    def set_description(self, text):
        self.stages.append(text)


@pytest.mark.parametrize("method", METHODS)
def test_one_bar_goes_over_all_stages(setting, method, monkeypatch):
    scope, task = setting
    monkeypatch.setattr(Bar, "made", [])
    monkeypatch.setattr(discover_module, "tqdm", Bar)
    monkeypatch.setattr(circuit_run, "_PAIRS_AT_ONCE", 1)
    circuits.discover(scope, task, method)
    (bar,) = Bar.made
    assert bar.n == bar.total
    assert len(bar.stages) >= 2
    if method == "eap-ig":  # clean, corrupted, no edges, and five gradients forth and back, of two parts
        assert bar.total == scope.n_layers * 2 * (3 + 2 * 5)
