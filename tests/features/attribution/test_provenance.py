"""Where a latent comes from: a planted chain, brute force, nulls, the demo model's heads, files, cancelled jobs."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import traitlets

from scope_widgets import Microscope, circuits, features, ioi
from scope_widgets.experiments.circuit.latent_graph import LatentNode
from scope_widgets.experiments.latent_attribution.latent_run import LatentRun
from scope_widgets.features.attribution import provenance as module
from scope_widgets.widgets import CircuitGraph
from tests.support import planted_chain as chain
from tests.support.fake_transport import fake_remote
from tests.support.planted_chain import J, M, U, X
from tests.support.tiny_models import tiny_model, tiny_tokenizer


@pytest.fixture(scope="module")
def planted():
    return chain.planted()


@pytest.fixture(scope="module")
def rows():
    return chain.prompts()


def traced(scope, rows, layers=(1, 2, 3), saes=chain.true_sae, **options):
    return features.provenance(scope, [saes(layer) for layer in layers], 3, J, rows, **{"draws": 20, **options})


@pytest.fixture(scope="module")
def found(planted, rows):
    return traced(planted, rows)


def test_a_planted_chain_is_found_and_nothing_else(found):
    assert found.edges == [(f"1.{U}", f"2.{M}"), (f"2.{M}", f"3.{J}")]
    evidence = found.evidence
    assert evidence.depth[found.included].tolist() == [2, 1]
    assert (evidence.p[found.included] < 0.05).all()
    assert (evidence.low[found.included] > 0).all()
    # the latent and all of it is handed on: without the parent nothing is left
    np.testing.assert_allclose(found.scores[found.included], evidence.activation[found.included], rtol=0.05)
    assert found.exact
    assert found.method == "provenance"
    assert found.graph.output == f"3.{J}"


def test_three_edges_deep(planted, rows):
    deep = traced(planted, rows, layers=(0, 1, 2, 3), depth=3)
    assert deep.edges == [(f"0.{X}", f"1.{U}"), (f"1.{U}", f"2.{M}"), (f"2.{M}", f"3.{J}")]
    assert circuits.strongest_paths(deep, n=1)["path"].tolist() == [f"0.{X} > 1.{U} > 2.{M} > 3.{J}"]


def test_random_latents_make_no_edge(planted, rows):
    """A latent's random directions do as much as any random direction of their norm."""
    kinds = []
    for seed in range(3):
        saes = [chain.random_sae(2, seed), chain.true_sae(3)]
        found = features.provenance(planted, saes, 3, J, rows, depth=1, draws=20)
        kinds += [sender.rpartition(".")[2] for sender, _ in found.edges]
        assert found.graph.n_edges > 5
    assert set(kinds) <= {"error"}  # where the feature is, for no latent has it


def test_effects_are_those_of_brute_force(planted, rows, found):
    """Each latent of layer 2 taken off by a hook of torch's own, in a forward of transformers' own."""
    sae, after = chain.true_sae(2), chain.true_sae(3)
    ids, model = torch.tensor(rows), planted.model

    def activations(taken=None):
        def hook(_, given):
            x = given[0]
            codes = torch.relu((x - sae.b_dec) @ sae.W_enc)
            return (x if taken is None else x - codes[..., taken, None] * sae.W_dec[taken],)

        handle = model.transformer.h[2].register_forward_pre_hook(hook)
        last = []
        tail = model.transformer.ln_f.register_forward_pre_hook(lambda _, given: last.append(given[0]))
        with torch.no_grad():
            model(input_ids=ids)
        handle.remove(), tail.remove()
        return torch.relu((last[0] - after.b_dec) @ after.W_enc)[..., J]

    whole = traced(planted, rows, depth=1, candidates=40)
    clean = activations()
    at = clean.argmax(1)
    tried = 0
    for latent in range(chain.FEATURES):
        falls = (clean - activations(latent)).gather(1, at[:, None])[:, 0].numpy()
        pair = f"2.{latent}", f"3.{J}"
        if pair in [whole.graph.names(edge) for edge in range(whole.graph.n_edges)]:
            edge, tried = whole.graph.find(*pair), tried + 1
            np.testing.assert_allclose(whole.evidence.effects[edge], falls, atol=2e-5)
        else:
            assert np.abs(falls).max() < 1e-4
    assert tried > 3


def test_later_parents_are_held(planted, rows):
    """Of the whole way from layer 1 on MLPs are nodes: what goes through one that is held is not counted again."""
    found = features.provenance(planted, [chain.true_sae(1), chain.true_sae(3)], 3, J, rows, depth=3, draws=20)
    assert {("m2", f"3.{J}"), ("m1", "m2"), (f"1.{U}", "m1")} <= set(found.edges)
    assert (f"1.{U}", f"3.{J}") not in found.edges
    assert ("m1", f"3.{J}") not in found.edges
    assert abs(found.scores[found.graph.find("m1", f"3.{J}")]) < 1e-4


@pytest.mark.parametrize("normalisation", ["none", "norm", "layer_norm"])
def test_the_forward_is_the_models_own(demo, normalisation):
    """Latents and the error add up to what is there, and what is held is as it was."""
    sae = dataclasses.replace(features.load("demo"), normalisation=normalisation)
    run = LatentRun(demo, {("residual", 3): sae}, [[5, 6, 7, 8], [9, 10]])
    x = run.clean["residual", 3]
    numbers = sorted(set(run.codes(("residual", 3))[1].tolist()))
    latents = [LatentNode("latent", 3, one, "residual") for one in numbers]
    total = run.error(("residual", 3)) + sum(map(run.written, latents))
    nothing = sae.decode(features.SparseCodes.from_dense(torch.zeros(x[..., 0].numel(), sae.d_sae)), x.flatten(0, 1))
    torch.testing.assert_close(total + nothing.reshape(x.shape), x, atol=2e-4, rtol=1e-4)
    every = torch.arange(2)
    held = run.held([*latents[:3], LatentNode("error", 3, -1, "residual"), LatentNode("head", 3, 1)], every)
    for point, edits in held.items():
        clean = run.clean[point]
        for edit in edits:
            torch.testing.assert_close(edit(clean), clean, atol=2e-4, rtol=1e-4)


def test_heads_that_ioi_names_are_parents_of_what_the_name_mover_reads(demo):
    prompts = ioi.prompts(demo, n=16)
    table = ioi.detect(demo, prompts).to_dataframe()
    inhibition = table[table["class"] == "s_inhibition"].sort_values("effect")[["layer", "head"]].to_numpy()[-1]
    sae = features.load("demo")
    texts = [one.text for one in prompts]
    trace = demo.trace(texts, logits=None, capture=["residual"])
    last = torch.stack([torch.as_tensor(trace[at].residual(3)[-1]) for at in range(len(texts))])
    # what differs at the last position between prompts is whose name comes next
    latent = int(sae.encode(last).to_dense().var(0).argmax())
    found = features.provenance(demo, sae, 3, latent, texts, position=-1, depth=1, draws=3)
    table = found.to_dataframe()
    heads = table[table["included"] & table["sender"].str.startswith("a")]
    assert heads.loc[heads["score"].idxmax(), "sender"] == "a{}.h{}".format(*inhibition)
    assert tuple(inhibition) in found.heads


def test_it_can_be_read_again_drawn_and_grouped(found):
    again = circuits.Circuit.from_json(found.to_json())
    assert again.edges == found.edges
    assert again.graph == found.graph
    np.testing.assert_array_equal(again.evidence.effects, found.evidence.effects)
    assert f'"2.{M}" -> "3.{J}"' in found.to_dot()
    made = found.to_networkx()
    assert set(made.edges()) == set(found.edges)
    assert made.nodes[f"2.{M}"] == {"kind": "latent", "layer": 2, "number": M, "site": "residual", "label": ""}
    assert "<svg" in circuits.to_svg(found)
    assert found.pruned().edges == found.edges
    assert found.without(f"2.{M}").n_edges == 0
    assert found.keep(n_edges=1).n_edges == 1


def test_parents_that_act_together_are_a_cluster(planted, rows, found):
    assert found.clusters(f"3.{J}") == [[f"2.{M}"]]
    effects = np.array([[1.0, 2, 3, 4], [1.1, 2, 3, 4.2], [4, 1, 3, 2]])
    graph = dataclasses.replace(found.graph, nodes=("1.1", "1.2", "1.3", "3.3"), links=((0, 3), (1, 3), (2, 3)))
    evidence = dataclasses.replace(found.evidence, effects=effects)
    made = dataclasses.replace(
        found, graph=graph, scores=effects.mean(1), included=np.ones(3, dtype=bool), evidence=evidence
    )
    assert made.clusters("3.3") == [["1.1", "1.2"], ["1.3"]]


def test_a_cancelled_job_keeps_what_is_done(planted, rows):
    job = planted.submit(
        features.provenance, planted, [chain.true_sae(layer) for layer in (1, 2, 3)], 3, J, rows, draws=3
    )
    for status in job:
        if status.done == 2:
            break
    job.cancel()
    assert job.status.partial.graph.n_edges == 2
    assert job.status.total > 2


def test_prompts_in_which_it_does_not_fire_are_left_out(planted, rows):
    silent = [[30, 31, 32]]
    found = traced(planted, [*rows, *silent], depth=1)
    assert np.isnan(found.evidence.effects[:, -1]).all()
    assert np.isfinite(found.evidence.effects[:, :-1]).all()
    with pytest.raises(ValueError, match="fires at any position in none of the 1 prompts"):
        traced(planted, silent)


def test_what_is_refused(planted, rows):
    saes = [chain.true_sae(2), chain.true_sae(3)]
    for message, changes in {
        "No SAE is of layer 1": {"layer": 1},
        "latent= is a whole number from 0 to 27": {"latent": 28},
        "draws= is a whole number": {"draws": 1},
        "depth= is a whole number": {"depth": 0},
        "position= is a whole number from -6 to 5": {"position": 9},
        "Two SAEs are given": {"saes": [*saes, chain.true_sae(3)]},
        "does not say of which layer": {"saes": [chain.true_sae(None)]},
        "ablation= is one of mean, zero": {"ablation": "resample"},
    }.items():
        given = {"saes": saes, "layer": 3, "latent": J, **changes}
        with pytest.raises(ValueError, match=message):
            features.provenance(planted, given.pop("saes"), given.pop("layer"), given.pop("latent"), rows, **given)
    with pytest.raises(TypeError, match="saes= are SAEs"):
        features.provenance(planted, ["demo"], 3, J, rows)
    with pytest.raises(ValueError, match="nodes of this circuit are latents"):
        circuits.faithfulness(planted, traced(planted, rows, depth=1))


def test_its_view(found):
    """Latents are nodes of the graph, where Python puts them; nothing is measured again."""
    view = CircuitGraph(found, object())
    try:
        assert [node["name"] for node in view.nodes] == list(found.graph.nodes)
        assert {node["kind"] for node in view.nodes} <= {"latent", "error"}
        assert not view.live
        assert {"latent": M, "layer": 2, "site": "residual", "head": -1}.items() <= view.nodes[
            found.graph.nodes.index(f"2.{M}")
        ].items()
        assert [found.graph.nodes[at] for at in view.receiving] == found.graph.receivers
        assert view.title == f"What makes latent 3.{J} fire, local, on 12 prompts"
        assert ["edges", f"2 confirmed of {found.graph.n_edges} tried, each by an ablation"] in view.facts
        drawn = view.to_svg()
        assert f">2.{M}<" in drawn
        assert f">3.{J}<" in drawn
        view.removed = [f"2.{M}"]
        assert view.circuit.n_edges == 0
        assert view.still_image().shape == (320, 480, 3)
        with pytest.raises(traitlets.TraitError, match="was not looked at"):
            view.added = [f"1.{X}->3.{J}"]
    finally:
        view.close()


def test_latents_have_their_labels(planted, rows):
    labels = SimpleNamespace(labelled=lambda: {M: "the middle of the chain"})
    found = traced(planted, rows, depth=1, labels={2: labels})
    assert found.labels == {f"2.{M}": "the middle of the chain"}
    assert "the middle of the chain" in found.to_dot()


def test_where_the_model_is(planted, rows, found):
    """Packed, run beside the model and unpacked: the same circuit."""
    remote = fake_remote(planted)
    there = traced(remote, rows)
    assert there.edges == found.edges
    np.testing.assert_allclose(there.scores, found.scores, atol=1e-6)


def test_ctrl_c_leaves_what_is_done(planted, rows, monkeypatch):
    made = []

    def interrupted(*given):
        if len(made) == 3:
            raise KeyboardInterrupt
        made.append(confirm(*given))
        return made[-1]

    confirm = module.confirm
    monkeypatch.setattr(module, "confirm", interrupted)
    with pytest.raises(KeyboardInterrupt, match="3 of 20 ablations were made") as stopped:
        traced(planted, rows)
    assert stopped.value.result.graph.n_edges == 3
    assert "Interrupted" in stopped.value.result.provenance.note


@pytest.mark.parametrize("family", ["llama", "gpt_neox", "gemma2", "opt"])
def test_in_other_families_nothing_changes_what_is_held_or_not_touched(family):
    """Nodes that are held change nothing in a clean run, and random latents make hardly an edge."""
    scope = Microscope.for_model(tiny_model(family), tiny_tokenizer())
    width, n = scope.d_model, scope.n_layers
    noise = torch.Generator().manual_seed(0)
    saes = []
    for layer in (1, n):
        rows = torch.nn.functional.normalize(torch.randn(40, width, generator=noise), dim=1)
        saes.append(features.SAE(rows.T.contiguous(), rows, torch.zeros(40), torch.zeros(width), layer=layer))
    run = LatentRun(scope, {("residual", 1): saes[0], ("residual", n): saes[1]}, [[5, 6, 7, 8], [9, 10, 11]])
    last = ("residual", n)
    nodes = [LatentNode("latent", 1, 3, "residual"), LatentNode("error", 1, -1, "residual"), LatentNode("mlp", 1)]
    nodes += [LatentNode("head", 1, 2)] if ("z", 1) in run.clean else []
    held = run.read([last], lambda some, _: run.held(nodes, some))[last]
    scale = float(run.clean[last].abs().max())
    torch.testing.assert_close(held[run.real], run.clean[last][run.real], atol=1e-5 * scale, rtol=1e-4)
    # what heads, MLPs and embeddings write, and biases of attention, sum to the stream
    everything = LatentRun(scope, {}, [[5, 6, 7, 8]], "zero")
    parts = [LatentNode("input", -1), *(LatentNode("mlp", layer) for layer in range(n))]
    whole = sum(everything.written(node) for node in parts)
    whole = whole + sum(everything.clean["attention_out", layer] for layer in range(n))
    stream = torch.as_tensor(scope.trace([5, 6, 7, 8]).residual(n))
    torch.testing.assert_close(whole[0].float(), stream.float(), atol=1e-4 * scale, rtol=1e-4)


def test_it_knows_the_call_that_made_it(planted, rows, found):
    """The SAEs cannot be written out; all else can."""
    call = found.provenance.calls[-1]
    assert call == f"features.provenance(scope, saes, 3, {J}, {rows})"
    assert circuits.Circuit.from_json(found.to_json()).provenance.calls == found.provenance.calls
    view = CircuitGraph(found)
    assert "saes = ...  # your saes=, which cannot be written out here" in view.made_by
    view.close()
