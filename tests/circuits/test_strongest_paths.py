"""The strongest paths of a circuit against all paths."""

import itertools

import numpy as np

from scope_widgets import Provenance, circuits


def test_strongest_paths_are_those_of_all_paths(demo, ioi_circuit):
    rng = np.random.default_rng(0)
    graph = circuits.Graph(2, 2, 1)
    circuit = circuits.Circuit(
        graph, rng.normal(size=graph.n_edges), rng.random(graph.n_edges) < 0.8, ioi_circuit.task, "given", True, "zero",
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
    ours = circuits.strongest_paths(circuit, n=12)
    np.testing.assert_allclose(ours["weakest"], sorted(every, reverse=True)[:12])
    best = circuits.strongest_paths(ioi_circuit, n=1)["path"][0]
    assert best == "input > m0 > a2.h2<v> > a3.h1<q> > logits"
