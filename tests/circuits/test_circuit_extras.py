"""The induction circuit, where edges act, and the strongest paths."""

import itertools

import numpy as np
import pytest
import torch
import transformers as hf

from scope_widgets import Microscope, Provenance, circuits, ioi


@pytest.fixture(scope="module")
def demo():
    return Microscope.load("demo")


@pytest.fixture(scope="module")
def found(demo):
    return circuits.discover(demo, ioi.prompts(demo, 20, seed=0).task("s2_io"))


def test_positions_sum_to_the_whole_and_are_where_the_circuit_is_known_to_act(demo, found):
    prompts = ioi.prompts(demo, 20, seed=0)
    table = circuits.by_position(demo, found.keep(8), prompts.positions).set_index(["sender", "receiver"])
    assert table.loc[("m0", "a2.h2<v>")].idxmax() in ("score", "S2")
    assert table.loc[("a2.h2", "a3.h1<q>"), "END"] == pytest.approx(table.loc[("a2.h2", "a3.h1<q>"), "score"])
    one = circuits.by_position(demo, found.keep(8), task=prompts[:1].task("s2_io"), steps=0)
    np.testing.assert_allclose(one.iloc[:, 3:].to_numpy().sum(1), one["score"], atol=1e-4)
    with pytest.raises(ValueError, match="give roles=, such as prompts.positions"):
        circuits.by_position(demo, found)
    with pytest.raises(ValueError, match="Role 'S2' must have one position for each of the 20 prompts"):
        circuits.by_position(demo, found, {"S2": [1, 2]})


def test_strongest_paths_are_those_of_all_paths(demo, found):
    rng = np.random.default_rng(0)
    graph = circuits.Graph(2, 2, 1)
    circuit = circuits.Circuit(
        graph, rng.normal(size=graph.n_edges), rng.random(graph.n_edges) < 0.8, found.task, "given", True, "zero",
        Provenance("x"),
    )  # fmt: skip
    scores = {graph.names(edge): abs(circuit.scores[edge]) for edge in np.flatnonzero(circuit.included)}
    owners = {name: [graph.senders[i] for i in own] for name, own in zip(graph.receivers, graph.owner, strict=True)}
    every = []
    for length in range(5):
        for nodes in itertools.permutations(graph.senders[1:], length):
            ways = [[name for name in graph.receivers if node in owners[name]] for node in nodes]
            for names in itertools.product(*ways):
                steps = list(zip(("input", *nodes), (*names, "logits"), strict=True))
                if all(step in scores for step in steps):
                    every.append(min(scores[step] for step in steps))
    ours = circuits.strongest_paths(circuit, 12)
    np.testing.assert_allclose(ours["weakest"], sorted(every, reverse=True)[:12])
    best = circuits.strongest_paths(found, 1)["path"][0]
    assert best == "input > m0 > a2.h2<v> > a3.h1<q> > logits"


def test_the_induction_circuit_of_the_demo_model(demo):
    circuit = circuits.induction_circuit(demo)
    assert ("a2.h0", "a3.h1<k>") in circuit.edges
    assert all(receiver.endswith("<k>") for _, receiver in circuit.edges)
    assert np.isfinite(circuit.scores).sum() < 20
    assert "edges cut" in circuit.provenance.note


def test_random_weights_have_no_induction_circuit(demo):
    torch.manual_seed(0)
    model = hf.LlamaForCausalLM(demo.model.config).eval()
    circuit = circuits.induction_circuit(Microscope.for_model(model, demo.tokenizer, demo.model_id))
    assert circuit.n_edges == 0


def test_a_token_cannot_be_right_and_wrong(demo):
    with pytest.raises(ValueError, match="Pair 1: .* stands in answer= and in versus="):
        circuits.Task.of(demo, [[5, 6]] * 2, [[5, 7]] * 2, answer=[[8, 9], [8, 9]], versus=[[10], [9]])


def test_a_task_whose_answer_is_not_in_the_prompt_is_refused(demo, found):
    task = circuits.Task.of(demo, [[5, 6, 7]] * 3, [[5, 8, 7]] * 3, answer=9, versus=10)
    with pytest.raises(ValueError, match="asks for a token that its prompt does not hold"):
        circuits.induction_circuit(demo, task)
