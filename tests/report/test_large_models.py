"""What is done otherwise of a large model: nodes are ranked before they are taken out, and pairs resample from few."""

import numpy as np
import pytest

from scope_widgets import Microscope, report
from scope_widgets.circuits.evaluation.circuit_run import CircuitRun
from scope_widgets.report.entries.components import taken_out
from scope_widgets.report.suite import pairs_of
from scope_widgets.report.verification.effects import Effects
from scope_widgets.report.writers import nodes
from scripts import get_smollm2


def effects_of(run, names):
    """Mean effects of nodes as shares of the metric, each taken out by itself."""
    masks = np.array([~taken_out(run.graph, "head", [name]) for name in names])
    return (run.full - run.measure(masks)).mean(1) / run.scale


@pytest.fixture(scope="module")
def run():
    scope = Microscope.load("demo")
    return CircuitRun(scope, pairs_of(scope, report.SUITE["ioi"], n=8, seed=0), "counterfactual")


def test_the_first_nodes_are_exact_and_the_others_estimated(run, monkeypatch):
    names = run.graph.senders[1:]
    assert nodes._estimated([run], names) == [{}]  # a small model has no more than are taken out
    monkeypatch.setattr(nodes, "_EXACT", 8)
    (estimated,) = nodes._estimated([run], names)
    exact = effects_of(run, names)
    assert len(estimated) == len(names) - 8
    largest = [names[at] for at in np.argsort(-np.abs(exact))[:4]]
    assert not set(largest) & set(estimated)
    effects = Effects(run, lambda name, compute: compute(), 0, estimated)
    for name, value in zip(names, exact, strict=True):
        entry = report.Entry("mlp" if name[0] == "m" else "head", (name,), "ioi", {"depends_on": ["END"]})
        mean = effects.of(entry).mean()
        wanted = estimated.get(name, value * run.scale)
        assert mean == pytest.approx(wanted, abs=1e-4)


@pytest.mark.heavy
@pytest.mark.timeout(3600)
@pytest.mark.skipif(not get_smollm2.ready(), reason="SmolLM2 is not on this machine: python -m scripts.get_smollm2")
def test_attribution_finds_the_nodes_of_smollm2_that_matter():
    scope = Microscope.load(get_smollm2.folder())
    run = CircuitRun(scope, pairs_of(scope, report.SUITE["agreement"], n=8, seed=0), "counterfactual")
    names = run.graph.senders[1:]
    (estimated,) = nodes._estimated([run], names)
    exact = np.concatenate([effects_of(run, names[at : at + 10]) for at in range(0, len(names), 10)])
    order = np.argsort(-np.abs(exact))
    missed = [(names[at], float(exact[at])) for at in order[:32] if names[at] in estimated]
    print(missed, float(np.abs(exact[order[32]])))
    assert len(missed) <= 3, missed
