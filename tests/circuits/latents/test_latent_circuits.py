"""Circuits of latents: the planted chain, integrated gradients that add up, faithfulness beside random latents."""

import numpy as np
import pytest
import torch

from scope_widgets import circuits, features
from scope_widgets.circuits.latents.effects import mean_gradient, node_effects
from scope_widgets.circuits.latents.task_run import LatentTaskRun
from scope_widgets.experiments.circuit.latent_graph import LatentNode
from tests.support import planted_chain as chain
from tests.support.planted_chain import J, M, U

ANSWER = 40


@pytest.fixture(scope="module")
def planted():
    """The chain, whose last feature makes a token's logit."""
    scope = chain.planted()
    with torch.no_grad():
        scope.model.lm_head.weight.zero_()
        scope.model.lm_head.weight[ANSWER, J] = 10.0
    return scope


@pytest.fixture(scope="module")
def task(planted):
    """With a word of the chain last, and another one in its place."""
    noise = torch.Generator().manual_seed(3)
    clean = torch.randint(23, 90, (8, 5), generator=noise)
    corrupted = clean.clone()
    clean[:, -1] = torch.tensor(chain.CAUSES[:8])
    return circuits.Task.of(
        planted, clean.tolist(), corrupted.tolist(), ANSWER, metric="logit", name="the end of the chain"
    )


def saes():
    return [chain.true_sae(layer) for layer in (1, 2, 3)]


@pytest.fixture(scope="module")
def found(planted, task):
    return circuits.discover(planted, task, saes=saes(), n_nodes=30, min_effect=0.05)


def test_a_planted_chain_is_the_circuit(found):
    assert found.edges == [(f"1.{U}", f"2.{M}"), (f"2.{M}", f"3.{J}"), (f"3.{J}", "logits")]
    assert not found.exact
    # all of the chain goes through each of its nodes, and a little of other features through the norms
    effects = [found.node_scores[name] for name in (f"1.{U}", f"2.{M}", f"3.{J}")]
    np.testing.assert_allclose(effects, effects[0], rtol=0.1)
    np.testing.assert_allclose(found.scores[found.included], effects[0], rtol=0.15)


def test_random_latents_do_nothing_and_those_of_the_chain_all(planted, found):
    measured = circuits.latent_faithfulness(planted, found, saes(), draws=4)
    table = measured.to_dataframe().set_index("errors")
    assert measured.n_latents == 3
    np.testing.assert_allclose(table["faithfulness"], 1, atol=0.25)  # other features hinder it a little
    np.testing.assert_allclose(*table["faithfulness"], atol=1e-3)  # the SAEs have no error to speak of
    assert (measured.random < 0.5).all()
    assert np.abs(measured.random).min() < 0.05
    nothing = circuits.latent_faithfulness(planted, found.with_edges(found.included & False), saes(), draws=1)
    np.testing.assert_allclose(nothing.value[1], 0, atol=1e-5)


@pytest.mark.parametrize("ablation", ["counterfactual", "zero"])
def test_integrated_gradients_add_up(demo, ablation):
    """Effects of all latents and the error sum to what it costs to put all of them out (Sundararajan et al. 2017)."""
    task = circuits.task(demo, "ioi", n=4)
    run = LatentTaskRun(demo, task, features.load("demo"), ablation)
    (point,) = run.places
    *_, gradient = mean_gradient(run, point, 40)
    effects = node_effects(run, point, gradient)
    cost = float((run.full - run.measure({}, ())).mean())
    assert sum(effects.values()) == pytest.approx(cost, rel=0.02)


def test_all_latents_and_errors_are_the_model(demo):
    task = circuits.task(demo, "ioi", n=4)
    run = LatentTaskRun(demo, task, features.load("demo"), "counterfactual")
    everything = {point: run.active(point).tolist() for point in run.places}
    np.testing.assert_allclose(run.measure(everything, run.places), run.full, atol=1e-4)


def test_an_edge_is_the_direct_effect_of_a_linear_step(planted, task):
    """Brute force: one sender out, everything else as it was, and the receiver read."""
    from scope_widgets.circuits.latents.effects import edge_effects

    run = LatentTaskRun(planted, task, saes(), "counterfactual")
    gradients = {}
    for place in run.places:
        *_, gradients[place] = mean_gradient(run, place, 3)
    nodes = [LatentNode("latent", 1, U, "residual"), LatentNode("latent", 3, J, "residual")]
    found = {}
    for some in edge_effects(run, nodes, gradients):
        found |= some
    # nothing goes past the latents and the error of layer 2
    assert found.get((f"1.{U}", f"3.{J}"), 0.0) == pytest.approx(0, abs=1e-6)


def test_the_demo_circuit_is_faithful_and_random_latents_are_not(demo):
    task = circuits.task(demo, "ioi", n=12)
    sae = features.load("demo")
    found = circuits.discover(demo, task[:6], saes=sae, steps=3, n_nodes=20).keep(n_edges=10)
    measured = circuits.latent_faithfulness(demo, found, sae, task=task[6:], draws=3)
    inside, outside = measured.value
    assert inside > 0.8
    assert inside > measured.random[0].max() + 0.2
    assert outside > measured.random[1].max() + 0.2
    assert (measured.low <= measured.value).all()
    again = circuits.LatentFaithfulness.from_json(measured.to_json())
    np.testing.assert_array_equal(again.random, measured.random)
    read = circuits.Circuit.from_json(found.to_json())
    assert read.node_scores == found.node_scores


def test_what_is_refused(planted, task, found):
    for message, options in {
        "there is the method 'eap-ig'": {"method": "acdc"},
        "without within=": {"within": found},
        "ablation= is 'counterfactual' or 'zero'": {"ablation": "mean"},
        "n_nodes= is a whole number": {"n_nodes": 0},
        "saes= is empty": {"saes": []},
    }.items():
        with pytest.raises(ValueError, match=message):
            circuits.discover(planted, task, **{"saes": saes(), **options})
    with pytest.raises(ValueError, match="whose SAE was not given"):
        circuits.latent_faithfulness(planted, found, [chain.true_sae(1)])
    with pytest.raises(ValueError, match="measures circuits of latents"):
        circuits.latent_faithfulness(planted, circuits.discover(planted, task, "eap"), saes())
    with pytest.raises(ValueError, match="See circuits.latent_faithfulness"):
        circuits.faithfulness(planted, found)
