"""`Circuit` as data, and what is said about bad input."""

import json
import shlex
import shutil
import subprocess
import warnings
from dataclasses import replace

import networkx
import numpy as np
import pytest
import torch

from scope_widgets import Microscope
from scope_widgets.circuits import (
    Circuit,
    Task,
    completeness,
    curve,
    discover,
    faithfulness,
    minimality,
)
from scope_widgets.circuits import circuit as former_place
from scope_widgets.circuits.evaluation import circuit_run as trials
from scope_widgets.circuits.evaluation.evaluation_run import EvaluationRun
from tests.support import circuit_examples as examples
from tests.support.reference_circuits import Plain
from tests.support.tiny_models import VOCAB, tiny_model, tiny_tokenizer

pytestmark = pytest.mark.numeric

CLEAN, CORRUPTED = (np.random.default_rng(0).integers(3, VOCAB, (2, 2, 6))).tolist()


@pytest.fixture(scope="module", params=["gpt2", "llama"])
def scope(request):
    return Microscope.for_model(tiny_model(request.param), tiny_tokenizer(), request.param)


@pytest.fixture(scope="module")
def task(scope):
    return Task.of(scope, CLEAN, CORRUPTED, "w7", "w9")


@pytest.fixture(scope="module")
def circuit(scope, task):
    return discover(scope, task, "eap")


def names(circuit, mask):
    return {circuit.graph.names(int(edge)) for edge in np.flatnonzero(mask)}


# --- edges in and out -----------------------------------------------------------------------------------------------


def test_keeping_is_by_the_size_of_the_score(circuit):
    size = np.abs(circuit.scores)
    order = sorted(range(len(size)), key=lambda edge: -size[edge])
    for n in (0, 1, 17, len(size)):
        assert circuit.keep(n).n_edges == n
        assert set(np.flatnonzero(circuit.keep(n).included)) == set(order[:n])
        assert set(np.flatnonzero(circuit.keep(n, signed=True).included)) == set(np.argsort(-circuit.scores)[:n])
    limit = size[order[9]]
    assert circuit.keep(threshold=limit).n_edges == 10
    assert circuit.keep(threshold=0).n_edges == len(size)
    assert (circuit.keep(threshold=0, signed=True).included == (circuit.scores >= 0)).all()
    scores = circuit.scores.copy()
    scores[order[:3]] = np.nan
    some = replace(circuit, scores=scores)
    assert set(np.flatnonzero(some.keep(5).included)) == set(order[3:8])
    assert some.keep(threshold=0).n_edges == len(size) - 3
    assert some.keep(len(size)).n_edges == len(size) - 3


def test_adding_and_removing_edges(circuit):
    few = circuit.keep(20)
    outside = circuit.graph.names(int(np.flatnonzero(~few.included)[0]))
    more = few.add(outside)
    assert set(more.edges) == {*few.edges, outside}
    assert set(more.remove(few.edges[0], few.edges[1]).edges) == {*few.edges[2:], outside}
    assert few.n_edges == 20
    assert more.add(outside).n_edges == 21
    assert more.nodes == [name for name in circuit.graph.senders if name in {sender for sender, _ in more.edges}]
    assert more.heads == [tuple(int(part) for part in name[1:].split(".h")) for name in more.nodes if "." in name]


def test_without_nodes_their_edges_are_gone(circuit):
    whole = circuit.with_edges(np.ones_like(circuit.included))
    gone = ["a1.h2", "m0"]
    left = set(whole.without(*gone).edges)
    for sender, receiver in whole.edges:
        head = receiver.split("<")[0]
        assert ((sender, receiver) in left) == (sender not in gone and head not in gone)
    shared = [name for name in circuit.graph.receivers if ".kv" in name]
    if shared:  # keys that two heads share stay until both are gone
        both = whole.without("a1.h2", "a1.h3").edges
        assert ("input", "a1.kv1<k>") in left
        assert ("input", "a1.kv1<k>") not in both
        assert ("input", "a1.kv0<k>") in both


def test_pruning_leaves_what_is_on_a_way_from_the_input_to_the_logits(circuit):
    plain = Plain(tiny_model(circuit.model_id))
    heads = {name: [name.split("<")[0]] for name in circuit.graph.receivers}
    heads |= {
        f"a{layer}.kv{kv}<{site}>": [f"a{layer}.h{2 * kv}", f"a{layer}.h{2 * kv + 1}"]
        for layer in range(3) for kv in range(2) for site in "kv"
    }  # fmt: skip
    rng, kept = np.random.default_rng(0), []
    for share in np.linspace(0.01, 0.3, 20):
        some = circuit.with_edges(rng.random(len(plain.edges)) < share)
        expected, before = some.edges, None
        while expected != before:  # a way must go on from where it came: until nothing more falls off
            before = expected
            ways = networkx.DiGraph([(u, owner) for u, v in expected for owner in heads[v]])
            ways.add_nodes_from(["input", "logits"])
            from_input = networkx.descendants(ways, "input") | {"input"}
            to_logits = networkx.ancestors(ways, "logits") | {"logits"}
            expected = [(u, v) for u, v in expected if u in from_input and to_logits & set(heads[v])]
        assert some.pruned().edges == expected
        kept.append(len(expected))
    assert kept[0] == 0
    assert kept[-1] > 10


# --- other forms ----------------------------------------------------------------------------------------------------


def test_json_and_back(circuit):
    scores = circuit.scores.copy()
    scores[3] = np.nan
    given = replace(circuit.keep(12), scores=scores, labels={"m0": 'the "first"'}, groups={"early": ["a0.h0", "a0.h1"]})
    read = Circuit.from_json(given.to_json())
    assert read.graph == given.graph
    assert np.array_equal(read.included, given.included)
    np.testing.assert_array_equal(read.scores, given.scores)
    for name in ("method", "exact", "ablation", "provenance", "labels", "groups", "edges", "nodes"):
        assert getattr(read, name) == getattr(given, name)
    for name in ("clean", "corrupted", "answer", "versus", "metric", "groups", "name", "model_id"):
        assert getattr(read.task, name) == getattr(given.task, name)


def test_a_file_is_as_good_as_the_circuit(scope, circuit):
    few = circuit.keep(40)
    read = Circuit.from_json(few.to_json())
    assert faithfulness(scope, read).value == faithfulness(scope, few).value


@pytest.mark.skipif(shutil.which("dot") is None, reason="graphviz is not installed")
@pytest.mark.parametrize("n_edges", [0, 1, 30])
def test_graphviz_accepts_the_drawing(circuit, n_edges):
    scores = circuit.scores.copy()
    given = circuit.keep(n_edges)
    scores[np.flatnonzero(given.included)[:1]] = np.nan
    given = replace(given, scores=scores, labels={"input": 'a "quoted" \\ text\nin lines', "logits": "out"})
    drawn = subprocess.run(["dot", "-Tplain"], input=given.to_dot(), capture_output=True, text=True, check=True)
    assert drawn.stderr == ""
    lines = [shlex.split(line) for line in drawn.stdout.replace("\\\n", "").splitlines()]
    shown = [line for line in lines if line[0] == "edge" and "invis" not in line]
    shared = sum(2 if ".kv" in receiver else 1 for _, receiver in given.edges)
    assert len(shown) == shared
    height = {line[1]: float(line[3]) for line in lines if line[0] == "node"}
    for sender, receiver in given.edges:
        if "kv" not in receiver:
            assert height[sender] < height[receiver.split("<")[0]]


def test_networkx_has_every_edge_with_its_score(circuit):
    few = circuit.keep(30)
    made = few.to_networkx()
    table = few.to_dataframe().set_index(["sender", "receiver"])
    assert set(made) == {*few.nodes, "logits", *(owner for _, owner in made.edges())}
    assert networkx.is_directed_acyclic_graph(made)
    found = 0
    for sender, receiver in few.edges:
        site = receiver[-2] if receiver.endswith(">") else ""
        owners = [receiver.split("<")[0]]
        if ".kv" in receiver:
            layer, kv = owners[0][1:].split(".kv")
            owners = [f"a{layer}.h{2 * int(kv) + i}" for i in range(2)]
        for owner in owners:
            assert made[sender][owner][site]["score"] == table.loc[(sender, receiver), "score"]
            found += 1
    assert made.number_of_edges() == found
    assert table["included"].sum() == 30
    assert list(few.top(3)["score"].abs()) == sorted(few.to_dataframe()["score"].abs())[::-1][:3]


# --- bad input ------------------------------------------------------------------------------------------------------


def numpy_inside(logits):
    return logits.numpy()[7]


def detached(logits):
    return float(logits.detach().numpy()[7])


def stairs(logits):
    return torch.round(logits[7])


@pytest.mark.parametrize("metric", [numpy_inside, detached])
@pytest.mark.parametrize("method", ["eap", "eap-ig"])
def test_a_metric_without_gradient(scope, task, metric, method):
    own = replace(task, metric=metric)
    with pytest.raises(ValueError, match=r"no gradient .* use method='edge-patching' or 'acdc'"):
        discover(scope, own, method)
    assert np.isfinite(discover(scope, own, "patching").scores).all()


def test_a_gradient_that_is_zero(scope, task):
    with pytest.raises(ValueError, match=r"gradient of kl is 0 at the clean run .* use method='eap-ig'"):
        discover(scope, replace(task, metric="kl"), "eap")
    assert np.abs(discover(scope, replace(task, metric="kl"), "eap-ig").scores).max() > 1e-6
    own = replace(task, metric=lambda logits: torch.round(100 * logits[7]))
    with pytest.raises(ValueError, match="use method='edge-patching'"):
        discover(scope, own, "eap-ig")


def test_tasks_that_cannot_be(scope, task):
    with pytest.raises(ValueError, match="Pair 1 has 6 tokens clean and 5 corrupted"):
        Task.of(scope, CLEAN, [CORRUPTED[0], CORRUPTED[1][:5]], "w7", "w9")
    with pytest.raises(ValueError, match="There are 2 clean and 1 corrupted prompts"):
        Task.of(scope, CLEAN, CORRUPTED[:1], "w7", "w9")
    with pytest.raises(ValueError, match="empty set of prompts"):
        Task.of(scope, [], [], "w7", "w9")
    for make in (lambda: discover(scope, task[:0]), lambda: EvaluationRun(scope, discover(scope, task), task[:0]).run):
        with pytest.raises(ValueError, match="has no pairs: give at least one"):
            make()
    other = Microscope.for_model(scope.model, scope.tokenizer, "another")
    with pytest.raises(ValueError, match=f"was made for {scope.model_id}, .* those of another: make it again"):
        discover(other, task)
    with pytest.raises(ValueError, match="The prompt has 70 tokens"):
        discover(scope, Task.of(scope, [[5] * 70], [[6] * 70], "w7", "w9"))
    with pytest.raises(ValueError, match="is nan for clean prompt 0"):
        discover(scope, replace(task, metric=lambda logits: logits[7] * torch.nan))
    with pytest.raises(ValueError, match="takes one answer a pair; 'probability_difference' takes several"):
        discover(scope, replace(task, answer=[[7, 8], [7]]))


def test_a_model_in_training_mode(scope, task):
    scope.model.train()
    try:
        with pytest.raises(ValueError, match="call model.eval"):
            discover(scope, task)
    finally:
        scope.model.eval()


def test_options_that_cannot_be(scope, task, circuit):
    with pytest.raises(ValueError, match=r"got 'magic'; the known ones are 'eap': .*'eap-ig': .*'acdc': .*'prune'"):
        discover(scope, task, "magic")
    with pytest.raises(ValueError, match="one of counterfactual, mean, resample, zero; got 'magic'"):
        discover(scope, task, ablation="magic")
    for steps in (0, -1):
        with pytest.raises(ValueError, match="steps= is a number of gradients, 1 or more"):
            discover(scope, task, steps=steps)
    for wrong in (0.5, -1, 10**6, "all"):
        with pytest.raises(ValueError, match="n_edges= is a number from 0 to"):
            circuit.keep(wrong)
    with pytest.raises(ValueError, match="a number of edges or a threshold"):
        circuit.keep()
    with pytest.raises(ValueError, match="There is no node 'a9.h0'"):
        circuit.without("a9.h0")
    with pytest.raises(ValueError, match="m1 cannot reach a0.h0<q> directly"):
        circuit.add(("m1", "a0.h0<q>"))
    with pytest.raises(ValueError, match="There is no receiver 'foo'"):
        circuit.remove(("m1", "foo"))
    with pytest.raises(ValueError, match="There is no node 'a7.h7'"):
        completeness(scope, circuit, classes={"late": ["a7.h7"]})
    with pytest.raises(ValueError, match="one bool an edge"):
        circuit.with_edges([True])
    with pytest.raises(ValueError, match="rising numbers from 0 to 1"):
        curve(scope, circuit, shares=(0.5, 0.1))


def test_circuits_of_other_models(scope, task, circuit):
    other = Microscope.for_model(tiny_model("qwen3" if scope.model_id == "gpt2" else "phi"), tiny_tokenizer(), "other")
    theirs = Task.of(other, CLEAN, CORRUPTED, "w7", "w9")
    with pytest.raises(ValueError, match=f"was made for {scope.model_id}"):
        faithfulness(other, circuit)
    with pytest.raises(ValueError, match=f"This circuit is of {scope.model_id}, a model with other nodes than other"):
        faithfulness(other, circuit, task=theirs)
    with pytest.raises(ValueError, match=f"within= is a circuit of {scope.model_id}, which has other edges than other"):
        discover(other, theirs, "acdc", within=circuit)


def test_files_that_are_damaged(circuit):
    text = circuit.to_json()

    def damaged(change):
        read = json.loads(text)
        change(read)
        return json.dumps(read)

    def fewer(read):
        read["scores"]["values"].pop()
        read["scores"]["shape"][0] -= 1

    for change in (
        fewer,
        lambda read: read["scores"]["values"].pop(),
        lambda read: read["included"].update(dtype="float64"),
        lambda read: read.update(included=None),
        lambda read: read["graph"].update(n_layers=4),
        lambda read: read["graph"].update(n_kv_heads="2"),
        lambda read: read["graph"].update(n_kv_heads=0),
        lambda read: read["graph"].update(more=1),
        lambda read: read["task"].pop("clean"),
        lambda read: read.update(labels=None),
    ):
        with pytest.raises(ValueError, match="damaged|There is no"):
            Circuit.from_json(damaged(change))
    for more in ({"labels": {"a9.h9": "x"}}, {"groups": {"x": ["m0", "m9"]}}):
        with pytest.raises(ValueError, match="There is no node '(a9.h9|m9)'"):
            Circuit.from_json(json.dumps(json.loads(text) | more))
    for other in (text[:300], "{}", "[1]", '{"result": "Curve"}'):
        with pytest.raises(ValueError, match="not a Circuit written by to_json"):
            Circuit.from_json(other)
    with pytest.raises(ValueError, match="is a function, which a file cannot hold"):
        replace(circuit, task=replace(circuit.task, metric=detached)).to_json()


@pytest.mark.parametrize("ablation", ["counterfactual", "mean"])
def test_too_much_is_said_before_it_starts(scope, task, monkeypatch, ablation):
    width = len(discover(scope, task).graph.senders) * 6 * scope.d_model * 4
    monkeypatch.setattr(trials, "component_outputs", lambda *_: pytest.fail("it started"))
    copies = 2 if ablation == "counterfactual" else 5
    monkeypatch.setattr(trials, "_free", lambda scope: 1.5 * copies * width / 0.6)
    with pytest.raises(MemoryError, match=r"2 pairs of up to 6 tokens .* take at most 1 pairs, task\[:1\]"):
        discover(scope, task, ablation=ablation)
    monkeypatch.setattr(trials, "_free", lambda scope: 1000.0)
    with pytest.raises(MemoryError, match="take shorter prompts"):
        discover(scope, task, ablation=ablation)
    monkeypatch.undo()
    monkeypatch.setattr(trials, "_free", lambda scope: None)
    assert len(discover(scope, task).scores)


def test_nothing_to_find_is_said_and_shares_of_it_are_none(scope):
    same = Task.of(scope, CLEAN, CLEAN, "w7", "w9")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for method in ("eap", "acdc", "prune"):
            found = discover(scope, same, method)
            assert found.n_edges == 0
            assert np.isnan(found.scores).all()
            assert "have the same metric" in found.provenance.note
        measured = faithfulness(scope, found)
        assert np.isnan([measured.value, measured.low, measured.high]).all()
        assert np.isnan(curve(scope, found, shares=(0.1, 1), draws=0).faithfulness).all()
        assert len(minimality(scope, found).nodes) == 0
        assert completeness(scope, found).incompleteness.tolist() == pytest.approx([0], abs=1e-5)


def test_a_file_of_before_latents_were_nodes_is_read():
    """It has neither evidence nor scores of nodes."""
    made = examples.circuit()
    fields = json.loads(made.to_json())
    del fields["evidence"], fields["node_scores"]
    read = Circuit.from_json(json.dumps(fields))
    assert read.edges == made.edges
    assert read.evidence is None
    assert former_place.Circuit is Circuit


def test_damaged_circuits_of_latents_are_refused():
    whole = json.loads(examples.latent_circuit().to_json())
    for message, change in {
        "is called 'input'": lambda one: one["graph"]["nodes"].__setitem__(0, "x.y"),
        "different names": lambda one: one["graph"]["nodes"].__setitem__(0, "2.41"),
        "ordered by receiver": lambda one: one["graph"]["links"].reverse(),
        "to one that is later": lambda one: one["graph"]["links"].__setitem__(0, [1, 0]),
        "say which are in": lambda one: one["graph"]["links"].pop(),
        "above the last layer": lambda one: one["graph"].update(n_layers=2),
        "not between 0 and 1": lambda one: one["evidence"]["p"]["values"].__setitem__(0, 3.0),
        "no node": lambda one: one.update(node_scores={"9.9": 1.0}),
    }.items():
        made = json.loads(json.dumps(whole))
        change(made)
        with pytest.raises(ValueError, match=message):
            Circuit.from_json(json.dumps(made))


def test_what_nobody_reads_is_not_run(scope, task, monkeypatch):
    """Few edges, many of which lead nowhere: the same as when all blocks run, and an MLP that nobody reads does not."""
    from scope_widgets.models.edges import edge_ablation

    run = trials.CircuitRun(scope, task, "mean")
    rng = np.random.default_rng(0)
    masks = rng.random((6, run.graph.n_edges)) < 0.05
    masks[0] = False
    masks[0, run.graph.find("a0.h0", "logits")] = True
    ran = []
    hooks = [
        block.down.register_forward_hook(lambda *_, layer=layer: ran.append(layer))
        for layer, block in enumerate(scope.anatomy.blocks)
    ]
    found = run.measure(masks)
    ran.clear()
    run.measure(masks[:1])
    assert set(ran) <= {scope.n_layers - 1}
    for hook in hooks:
        hook.remove()
    monkeypatch.setattr(edge_ablation, "_that_matter", lambda graph, given: given)
    monkeypatch.setattr(edge_ablation._Forward, "_leaves_out_mlp", lambda self, layer: False)
    monkeypatch.setattr(edge_ablation._Forward, "_runs", lambda self, layer: True)
    np.testing.assert_allclose(found, run.measure(masks), atol=1e-5)
