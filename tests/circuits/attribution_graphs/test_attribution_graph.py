"""Attribution graphs: sums that are what the model computes, brute force, circuit-tracer's JSON, damaged files."""

import json

import numpy as np
import pytest
import torch

from scope_widgets import Microscope, circuits, features
from tests.support.tiny_models import tiny_model, tiny_tokenizer

PROMPT = "When Mary and John went to the store, John gave a drink to"


def transcoder(layer, d, n=48, skip=False, activation="relu", **options):
    noise = torch.Generator().manual_seed(layer or 0)

    def drawn(*shape):
        return torch.randn(*shape, generator=noise)

    return features.SAE(
        drawn(d, n) / d**0.5, drawn(n, d) / d**0.5, 0.1 * drawn(n) - 0.5, 0.1 * drawn(d), activation=activation,
        subtracts_b_dec=False, W_skip=drawn(d, d) / d if skip else None, layer=layer, site="mlp_in",
        output_site="mlp_out", **options,
    )  # fmt: skip


def transcoders(scope, layers, **options):
    return [transcoder(layer, scope.d_model, **options) for layer in layers]


@pytest.fixture(scope="module")
def graph(demo):
    return circuits.attribution_graph(demo, PROMPT, transcoders(demo, range(4)), n_logits=3, n_features=60)


@pytest.mark.parametrize("skip", [False, True])
@pytest.mark.parametrize("layers", [(0, 1, 2, 3), (1, 3)])
def test_every_target_is_the_sum_of_what_is_added(demo, layers, skip):
    """Contributions of features, errors, tokens and biases against what the model has: the linear identity."""
    found = circuits.attribution_graph(demo, PROMPT, transcoders(demo, layers, skip=skip), n_logits=3, n_features=25)
    assert np.abs(found.residue).max() < 1e-4
    logits = demo.trace(PROMPT).logits[-1]
    logits = torch.as_tensor(logits).double()
    expected = (logits - logits.mean())[torch.as_tensor(found.logits)]
    np.testing.assert_allclose(found.total[-3:], expected, atol=1e-4)


@pytest.mark.parametrize("family", ["gpt2", "llama", "gpt_neox", "gemma2", "qwen3", "phi"])
def test_families(family):
    """Rotary, grouped queries, parallel blocks, RMSNorm, biases of attention, norms after the parts."""
    scope = Microscope.for_model(tiny_model(family), tiny_tokenizer())
    made = transcoders(scope, range(scope.n_layers), n=24)
    found = circuits.attribution_graph(scope, [5, 17, 30, 8, 9], made, n_logits=2, n_features=20)
    assert np.abs(found.residue).max() < 1e-4 * max(1, np.abs(found.total).max())


def test_totals_are_those_of_an_independent_forward(demo, graph):
    """Pre-activations of features from a hook of torch's own."""
    made = transcoders(demo, range(4))
    inputs = {}
    hooks = [
        demo.anatomy.blocks[layer].mlp.register_forward_hook(
            lambda _, given, __, layer=layer: inputs.__setitem__(layer, given[0][0].detach())
        )
        for layer in range(4)
    ]
    with torch.no_grad():
        demo.model(input_ids=torch.as_tensor(graph.token_ids)[None])
    for hook in hooks:
        hook.remove()
    for (layer, at, number), total, activation in zip(
        graph.features.tolist(), graph.total, graph.activation, strict=False
    ):
        expected = inputs[layer][at] @ made[layer].W_enc[:, number] + made[layer].b_enc[number]
        assert total == pytest.approx(float(expected.detach()), abs=1e-4)
        assert activation == pytest.approx(float(expected.detach()), abs=1e-4)


def test_a_weight_is_what_taking_a_feature_away_does(demo):
    """Where one MLP is above another and nothing is between but the norm: brute force with its scale held."""
    made = transcoders(demo, (2, 3))
    found = circuits.attribution_graph(demo, PROMPT, made, n_logits=1, n_features=400)
    n = len(found.features)
    # the last layer adds to the logits through the final norm alone
    late = [at for at in range(n) if found.features[at][0] == 3 and found.features[at][1] == len(found.tokens) - 1]
    x = torch.as_tensor(demo.trace(PROMPT).residual(4)[-1]).double()
    norm, weight = demo.anatomy.final_norm, demo.anatomy.unembed.weight.detach().double()
    direction = weight[int(found.logits[0])] - weight.mean(0)
    scale = x.square().mean().add(norm.variance_epsilon).sqrt()
    for at in late:
        row = made[1].W_dec[found.features[at][2]].double() * found.activation[at]
        expected = (row / scale * norm.weight.double() * demo.anatomy.logit_scale) @ direction
        assert found.weights[n, at] == pytest.approx(float(expected.detach()), abs=1e-4)
    assert late
    # nothing goes to what is earlier, or from a position that is later
    layers, positions = found.features[:, 0], found.features[:, 1]
    never = (layers[None] >= layers[:, None]) | (positions[None] > positions[:, None])
    assert not found.weights[:n, :n][never].any()


def test_features_that_are_left_out_are_in_the_rest(demo, graph):
    small = graph.keep(10)
    assert len(small.features) == 10
    np.testing.assert_allclose(small.residue, 0, atol=1e-4)
    kept = graph.influence()[: len(graph.features)]
    assert small.influence().shape == (10 + len(graph.errors) + len(graph.tokens),)
    assert 0 <= small.replacement <= 1
    assert 0 <= graph.completeness <= 1
    assert np.sort(kept)[-1] == graph.top(300).set_index("source").loc[graph.sources[int(kept.argmax())], "influence"]
    again = circuits.AttributionGraph.from_json(graph.to_json())
    np.testing.assert_array_equal(again.weights, graph.weights)
    assert again.sources == graph.sources


def test_influence_is_that_of_all_paths(graph):
    """The matrix of shares, summed over paths of every length, as a power series."""
    n, k = len(graph.features), len(graph.logits)
    m = graph.weights.shape[1]
    shares = np.abs(graph.weights) / np.abs(graph.weights).sum(1, keepdims=True)
    whole = np.zeros((m + k, m + k))
    whole[:n, :m], whole[m:, :m] = shares[:n], shares[n:]
    start = np.concatenate([np.zeros(m), graph.probability])
    expected, step = np.zeros(m + k), start
    for _ in range(10):
        step = step @ whole
        expected += step
    np.testing.assert_allclose(graph.influence(), expected[:m], rtol=1e-6, atol=1e-9)


def test_circuit_tracers_json(graph):
    text = circuits.to_circuit_tracer(graph, slug="mary", node_threshold=1.0, edge_threshold=1.0)
    read = json.loads(text)
    assert set(read) == {"metadata", "qParams", "nodes", "links"}
    assert set(read["nodes"][0]) == {
        "node_id", "feature", "layer", "ctx_idx", "feature_type", "token_prob", "is_target_logit", "run_idx",
        "reverse_ctx_idx", "jsNodeId", "clerp", "influence", "activation",
    }  # fmt: skip
    layer, at, number = graph.features[0].tolist()
    first = next(node for node in read["nodes"] if node["node_id"] == f"{layer}_{number}_{at}")
    assert first["feature"] == (layer + number) * (layer + number + 1) // 2 + number
    assert len({node["node_id"] for node in read["nodes"]}) == len(read["nodes"])
    again = circuits.from_circuit_tracer(text)
    assert again.tokens == graph.tokens
    assert again.logit_tokens == graph.logit_tokens
    written = {tuple(one): at for at, one in enumerate(graph.features.tolist())}
    columns = [written[tuple(one)] for one in again.features.tolist()]
    np.testing.assert_allclose(again.activation, graph.activation[columns])
    rows = [*columns, *range(len(graph.features), len(graph.weights))]
    np.testing.assert_allclose(again.weights[:, : len(columns)], graph.weights[np.ix_(rows, columns)])
    fewer = json.loads(circuits.to_circuit_tracer(graph, node_threshold=0.5, edge_threshold=0.5))
    assert 0 < len(fewer["links"]) < len(read["links"])
    assert len(fewer["nodes"]) < len(read["nodes"])


def test_damaged_graphs_are_refused(graph):
    whole = json.loads(circuits.to_circuit_tracer(graph))

    def changed(change):
        made = json.loads(json.dumps(whole))
        change(made)
        return json.dumps(made)

    for message, change in {
        "no graph of circuit-tracer": lambda one: one.pop("nodes"),
        "is no feature, error, embedding or logit": lambda one: one["nodes"][0].update(feature_type="else"),
        "no layer_feature_position": lambda one: one["nodes"][0].update(node_id="a_b_c"),
        "nodes that are not there": lambda one: one["links"][0].update(source="9_9_9"),
        "Two nodes of this graph have one id": lambda one: one["nodes"].append(one["nodes"][0]),
        "A number of this graph": lambda one: one["links"][0].update(weight="much"),
        "the probability": lambda one: one["nodes"][-1].update(token_prob=3),
        "not one for each position": lambda one: one.update(
            nodes=[node for node in one["nodes"] if node["layer"] != "E" or node["ctx_idx"]]
        ),
    }.items():
        with pytest.raises(ValueError, match=message):
            circuits.from_circuit_tracer(changed(change))


def test_what_is_refused(demo):
    d = demo.d_model
    for message, given in {
        "'mlp_in' to 'mlp_out'": features.load("demo"),
        "does not say of which layer": transcoder(None, d),
        "transcoders= is empty": [],
        "Two transcoders are given for layer 1": [transcoder(1, d), transcoder(1, d)],
        "cannot stand for an MLP": [transcoder(7, d)],
    }.items():
        with pytest.raises(ValueError, match=message):
            circuits.attribution_graph(demo, PROMPT, given)
    with pytest.raises(ValueError, match="explains one prompt"):
        circuits.attribution_graph(demo, [PROMPT, PROMPT], [transcoder(1, d)])
    with pytest.raises(ValueError, match="is a share"):
        circuits.to_circuit_tracer(None, node_threshold=2)
