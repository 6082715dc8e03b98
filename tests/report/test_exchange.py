"""Circuits and documentations in the files of others."""

import json

import numpy as np
import pytest

from scope_widgets import report
from tests.support.circuit_examples import circuit, latent_circuit


@pytest.mark.parametrize("kv_heads", [4, 2])
def test_mib_and_back(kv_heads):
    made = circuit(kv_heads=kv_heads)
    text = report.to_mib(made)
    read = report.from_mib(text, made.task, n_kv_heads=kv_heads)
    assert read.graph == made.graph
    np.testing.assert_array_equal(read.included, made.included)
    np.testing.assert_array_equal(read.scores, made.scores)
    data = json.loads(text)
    assert set(data) == {"cfg", "nodes", "edges"}
    assert set(data["nodes"]) == {*made.graph.senders, "logits"}
    assert set(data["edges"]["input->a0.h0<q>"]) == {"score", "in_graph"}


def test_gpt2_has_the_nodes_and_edges_of_mib():
    made = circuit(12, 12, keep=100)
    data = json.loads(report.to_mib(made))
    assert (len(data["nodes"]), len(data["edges"])) == (158, 32491)


def test_what_is_no_circuit_of_mib_is_refused():
    task = circuit().task
    good = json.loads(report.to_mib(circuit()))
    for wrong in (
        "{}",
        "[]",
        json.dumps(good | {"cfg": {"n_layers": 10**9, "n_heads": 10**9}}),
        json.dumps(good | {"cfg": {"n_layers": -1, "n_heads": 4}}),
        json.dumps(good | {"edges": {"a3.h0->a1.h0<q>": {"score": 1.0, "in_graph": True}}}),
        json.dumps(good | {"edges": {"input->m0": 3}}),
    ):
        with pytest.raises(ValueError):
            report.from_mib(wrong, task)
    with pytest.raises(ValueError, match="latents"):
        report.to_mib(latent_circuit())


def test_the_graph_of_neuronpedia():
    made = circuit()
    data = json.loads(report.to_neuronpedia_graph(made, slug="ioi"))
    assert data["metadata"]["slug"] == "ioi"
    assert data["metadata"]["prompt"].startswith("When Mary")
    ids = {node["node_id"] for node in data["nodes"]}
    assert len(ids) == len(data["nodes"])
    assert all(link["source"] in ids and link["target"] in ids for link in data["links"])
    total = sum(link["weight"] for link in data["links"])
    assert total == pytest.approx(float(made.scores[made.included].sum()), rel=1e-5)
    needed = {"node_id", "feature", "layer", "ctx_idx", "feature_type", "jsNodeId", "clerp"}
    assert all(needed <= set(node) for node in data["nodes"])


@pytest.mark.parametrize("score", [10**400, 1e300, -(10**400)])
def test_a_score_beyond_any_number_is_none(score):
    """JSON's whole numbers have any size."""
    one = circuit()
    said = json.loads(report.to_mib(one))
    name = next(iter(said["edges"]))
    said["edges"][name]["score"] = score
    read = report.from_mib(json.dumps(said), one.task)
    assert np.isnan(read.scores).sum() == np.isnan(one.scores).sum() + 1
