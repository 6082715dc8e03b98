"""Requests of a caller that the server does not trust run apart from the weights: equal numbers, or a sentence."""

import json

import numpy as np
import pytest

from scope_widgets import Microscope, circuits, heads, ioi, lens, patching, steering
from scope_widgets.remote.errors import NoWeightsError
from tests.support.result_distance import equal

CLEAN = "When Mary and John went to the store, John gave a drink to"
CORRUPTED = "When Mary and John went to the store, Mary gave a drink to"
ANSWERS = {"answer": " Mary", "versus": " John"}


@pytest.fixture
def sandboxed(monkeypatch, tmp_path):
    """The demo model for a caller that is not trusted."""
    from nnsight.schema.request import RequestModel

    own = RequestModel.metadata
    monkeypatch.setattr(RequestModel, "metadata", lambda self: json.dumps({**json.loads(own(self)), "trusted": False}))
    monkeypatch.setenv("SCOPE_WIDGETS_CACHE", str(tmp_path))
    scope = Microscope.load("demo/ioi", remote=True, timeout=120)
    scope.listener = lambda status: None
    return scope


def test_a_trace_and_the_statistics_of_heads(sandboxed, local):
    trace, expected = sandboxed.trace(CLEAN), local.trace(CLEAN)
    trace.fetch("residual", "q", "k", "v", "z", "mlp_out", layers=[2])
    for site in ("residual", "q", "k", "v", "z", "mlp_out", "attention"):
        equal(f"apart, {site}", getattr(trace, site)(2), getattr(expected, site)(2))
    found, scores = heads.score(trace, null_draws=10), heads.score(expected, null_draws=10)
    for name, values in scores.statistics.items():
        equal(f"apart, {name}", found.statistics[name], values)


def test_patching_and_steering(sandboxed, local):
    for over in ("head", "residual"):
        maps = [
            patching.activations(scope, CLEAN, CORRUPTED, over=over, positions=[14], **ANSWERS).values
            for scope in (sandboxed, local)
        ]
        equal(f"apart, map of {over}", *maps)
    steered = []
    for scope in (sandboxed, local):
        direction = steering.direction(
            scope, positive=["Mary gave a drink to John"], negative=["John gave a ball to Mary"], layer=2
        )
        session = steering.Session(scope, CLEAN, [steering.AddDirection(direction, 0.5), steering.ScaleHead(3, 1, 0.3)])
        steered.append(session.at().steered.probabilities)
    equal("apart, steered", *steered)


def test_what_needs_weights_or_gradients_says_so(sandboxed):
    for ask in (
        lambda: lens.logit_lens(sandboxed.trace(CLEAN)),
        lambda: patching.attribution(sandboxed, CLEAN, CORRUPTED, **ANSWERS),
        lambda: circuits.discover(sandboxed, ioi.prompts(sandboxed, n=2, seed=0).task(), "eap"),
        lambda: sandboxed.generate(CLEAN, max_new_tokens=2),
    ):
        with pytest.raises(NoWeightsError, match="apart from the model's weights"):
            ask()


def test_a_map_goes_without_its_estimate(sandboxed):
    sweep = patching.sweep(sandboxed, CLEAN, CORRUPTED, over="head", positions=[14], **ANSWERS)
    assert sweep.result.estimate is None
    assert np.isnan(sweep.result.values).any()
