"""CircuitGraph's Python half: what it sends, what it takes back, what it asks of a model, what it refuses."""

from __future__ import annotations

import dataclasses
import json
import re
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from traitlets import TraitError

from scope_widgets import circuits, ioi
from scope_widgets.circuits import Circuit
from scope_widgets.circuits.evaluation import evaluation_run
from scope_widgets.models.microscope import Microscope
from scope_widgets.widgets import CircuitGraph, Selection
from scope_widgets.widgets.circuit_graph import circuit_graph
from scope_widgets.widgets.circuit_graph.circuit_graph import RANDOM_CIRCUITS
from scope_widgets.widgets.circuit_graph.edits import edge_name
from scope_widgets.widgets.core.requests import finished
from tests.support.circuit_examples import FakeMeasurement, circuit, curve, task
from tests.support.fake_transport import KEY, FakeTransport, fake_remote
from tests.support.jobs import gone_through, texts


def sent(view: CircuitGraph, name: str) -> Any:
    kinds = {"senders": "<u2", "receivers": "<u2", "scores": "<f4", "other_scores": "<f4"}
    return np.frombuffer(getattr(view, name), kinds.get(name, "u1"))


# -- what is sent


@pytest.mark.parametrize("shape", [(4, 4, None), (3, 6, 2), (12, 12, None)])
def test_edges_are_sent_from_the_strongest_down(shape: Any) -> None:
    shown = circuit(*shape)
    view = CircuitGraph(shown)
    receiver, sender = shown.graph.edges
    order = np.argsort(-np.abs(shown.scores), kind="stable")
    np.testing.assert_array_equal(sent(view, "scores"), shown.scores[order])
    np.testing.assert_array_equal(sent(view, "senders"), sender[order])
    np.testing.assert_array_equal(sent(view, "receivers"), receiver[order])
    np.testing.assert_array_equal(sent(view, "given"), shown.included[order])
    assert view.other == b""
    assert (view.n_layers, view.n_heads, view.n_kv_heads) == (*shape[:2], shape[2] or shape[1])


def test_the_first_message_is_small() -> None:
    view = CircuitGraph(circuit(30, 9, 3), compare=circuit(30, 9, 3, seed=1))
    state = view.get_state()
    size = sum(len(value) for value in state.values() if isinstance(value, bytes))
    assert size < 1.2e6
    text = json.dumps({name: value for name, value in state.items() if not isinstance(value, bytes)}, default=str)
    assert len(text) < 300_000  # the bundle is in it


def test_edges_without_a_score_come_last_and_stay_nan() -> None:
    shown = circuit(2, 2, keep=None)
    scores = shown.scores.copy()
    scores[[0, 5]] = np.nan
    view = CircuitGraph(dataclasses.replace(shown, scores=scores))
    assert np.isnan(sent(view, "scores")[-2:]).all()
    assert np.isfinite(sent(view, "scores")[:-2]).all()
    with pytest.raises(TraitError, match=f"0 to {len(scores) - 2:,}, those with a score"):
        view.kept = len(scores) - 1


def test_it_says_what_it_shows() -> None:
    view = CircuitGraph(circuit())
    assert view.title == "Circuit of IOI, demo, found on 3 pairs of prompts"
    facts = dict(view.facts)
    assert facts["method"] == "eap-ig"
    assert facts["scores"] == "estimated by a gradient"
    assert facts["ablation"].startswith("counterfactual")
    assert dict(CircuitGraph(circuit(exact=True)).facts)["scores"] == "exact, edge by edge"
    assert CircuitGraph(circuit(), title="Mine").title == "Mine"


def test_a_circuit_makes_its_widget() -> None:
    view = circuit().widget(kept=3)
    assert isinstance(view, CircuitGraph)
    assert view.kept == 3


# -- what comes back


def test_the_circuit_comes_back_as_given() -> None:
    shown = circuit(labels={"m1": "facts"}, groups={"early": ["a0.h0", "m0"]})
    back = CircuitGraph(shown).circuit
    np.testing.assert_array_equal(back.included, shown.included)
    assert (back.labels, back.groups) == (shown.labels, shown.groups)
    assert back.scores is shown.scores


def test_what_is_kept_is_what_keep_keeps() -> None:
    shown = circuit(12, 12)
    scores = shown.scores.copy()
    scores[::7] = np.nan
    scores[1::50] = scores[1]  # ties
    shown = dataclasses.replace(shown, scores=scores)
    view = CircuitGraph(shown)
    for n in (0, 1, 37, 5000):
        view.kept = n
        np.testing.assert_array_equal(view.circuit.included, shown.keep(n).included)
    view.kept = None
    np.testing.assert_array_equal(view.circuit.included, shown.included)


def test_edges_and_nodes_are_taken_out_and_put_in() -> None:
    shown = circuit()
    out, into = shown.edges[3], ("a0.h0", "m3")
    view = CircuitGraph(shown, removed=[edge_name(*out), "a1.h1"], added=[edge_name(*into)])
    expected = shown.remove(out).add(into).without("a1.h1")
    np.testing.assert_array_equal(view.circuit.included, expected.included)
    view.removed = [*view.removed, "a0.h0"]  # a node that is out closes edges that were put in
    assert into not in view.circuit.edges
    view.set_state({"removed": [], "added": []})
    np.testing.assert_array_equal(view.circuit.included, shown.included)


def test_shared_keys_close_only_with_all_their_heads() -> None:
    shown = circuit(3, 4, 2, keep=None)
    view = CircuitGraph(shown)
    view.removed = ["a1.h0"]
    assert ("input", "a1.kv0<k>") in view.circuit.edges
    view.removed = ["a1.h0", "a1.h1"]
    assert ("input", "a1.kv0<k>") not in view.circuit.edges


def test_labels_groups_and_pins_are_tidied() -> None:
    view = CircuitGraph(
        circuit(), labels={"m1": " facts ", "m2": "  "}, groups={"early": ["m0", "m0", "a0.h0"], "no": []}
    )
    assert view.labels == {"m1": "facts"}
    assert view.groups == {"early": ["m0", "a0.h0"]}
    view.pins = {"early": (1, 2), "logits": [0.5, 4]}
    assert view.pins == {"early": [1.0, 2.0], "logits": [0.5, 4.0]}
    assert view.circuit.labels == {"m1": "facts"}


def test_a_group_that_goes_takes_its_place_with_it() -> None:
    view = CircuitGraph(circuit(), groups={"early": ["m0"]}, pins={"early": [1, 2], "m1": [3, 3]})
    view.groups = {}
    assert view.pins == {"m1": [3.0, 3.0]}


def test_heads_are_selected_with_other_views() -> None:
    chosen = Selection()
    view = CircuitGraph(circuit(), selection=chosen)
    chosen.heads = [(2, 1)]
    assert view.selected_heads == [(2, 1)]
    with pytest.raises(TraitError, match="layers 0 to 3"):
        view.selected_heads = [(4, 0)]


# -- asking the model


def test_measure_asks_for_the_circuit_after_the_changes() -> None:
    shown = circuit()
    fake = FakeMeasurement(shown)
    view = CircuitGraph(shown, measurement=fake)
    assert (view.live, fake.asked) == (True, [])
    data, buffers = finished(view.answer_measure(5, ["a0.h1"], []))
    np.testing.assert_array_equal(fake.asked[0], shown.keep(5).without("a0.h1").included)
    assert (data["full"], data["empty"], buffers) == (3.3, 0.2, [])
    assert 0 <= data["faithfulness"] <= 1
    assert data["ablation"] == fake.sentence
    json.dumps(data, allow_nan=False)


def test_it_is_measured_on_pairs_that_it_was_not_found_on(demo: Microscope) -> None:
    shown = circuits.discover(demo, circuits.task(demo, "ioi", n=12), "eap").keep(40)
    view = CircuitGraph(shown, demo)
    others = circuits.held_out(demo, shown.task, n=8)
    assert others is not None
    assert not {*map(tuple, others.clean)} & {*map(tuple, shown.task.clean)}
    assert view.pairs == "8 pairs of ioi, held out: it was not found on them"
    state = {"kept": None, "removed": [], "added": []}
    (measured, _), (beside, _) = finished(view.answer_measure(**state)), finished(view.answer_compare(**state))
    for data, pairs in ((measured, others), (beside["found_on"], shown.task[:8])):
        expected = circuits.faithfulness(demo, shown, task=pairs, draws=RANDOM_CIRCUITS)
        assert data["pairs"] == expected.pairs
        assert (data["faithfulness"], data["low"], data["high"]) == pytest.approx(
            (expected.value, expected.low, expected.high), rel=1e-5
        )
        assert (data["full"], data["metric"]) == pytest.approx((expected.full.mean(), expected.metric.mean()), rel=1e-5)
        assert data["low"] < data["faithfulness"] < data["high"]
    assert beside["found_on"]["pairs"] == "8 pairs of ioi, of the 12 that it was found on"
    expected = circuits.faithfulness(demo, shown, task=others, draws=RANDOM_CIRCUITS)
    assert beside["random"] == pytest.approx(expected.random, abs=1e-5)


def test_where_no_other_pairs_are_known_it_says_so(demo: Microscope) -> None:
    own = dataclasses.replace(circuits.task(demo, "ioi", n=10), seed=None)  # prompts of one's own
    shown = circuits.discover(demo, own[:6], "eap").keep(40)
    view = CircuitGraph(shown, demo)
    assert view.pairs == "6 pairs of ioi that it was found on"
    assert finished(view.answer_compare(None, [], []))[0]["found_on"] is None
    given = CircuitGraph(shown, demo, held_out=own[6:])
    assert given.pairs == "4 pairs of ioi, held out: it was not found on them"
    assert "held_out = circuits.Task(" in given.made_by
    mixed = CircuitGraph(shown, demo, held_out=own[4:])
    assert mixed.pairs == "6 pairs of ioi, 2 of which it was found on"
    with pytest.raises(TypeError, match="held_out= takes a Task"):
        CircuitGraph(shown, demo, held_out=8)  # type: ignore[arg-type]


def test_numbers_of_one_name_are_equal_or_say_of_which_pairs(demo: Microscope) -> None:
    """The whole model on each set of pairs: in the caption, in the scores, in the curve, in both measures."""
    shown = circuits.discover(demo, circuits.task(demo, "ioi", n=12), "eap").keep(40)
    whole_curve = circuits.curve(demo, shown, shares=(0.1, 1.0), draws=0)
    view = CircuitGraph(shown, demo, curve=whole_curve)
    state = {"kept": None, "removed": [], "added": []}
    measured, beside = finished(view.answer_measure(**state))[0], finished(view.answer_compare(**state))[0]
    note = next(line for line in view.provenance_lines() if "of the whole model" in line)
    on, said = re.match(r"on the (\d+ pairs) it was found on: mean logit_difference (\S+) of the whole", note).groups()
    whole = [(f"{on} of ioi that it was found on", float(said))]
    whole += [(one["pairs"], one["full"]) for one in (measured, beside["found_on"], view.curve)]
    for pairs, value in whole:
        same = [other for name, other in whole if name == pairs]
        assert same == pytest.approx([value] * len(same), abs=5e-4)
    assert len({pairs for pairs, _ in whole}) == 3
    plain = dict(whole)
    task = shown.task
    logits = torch.stack([demo.model(torch.tensor([prompt])).logits[0, -1] for prompt in task.clean]).detach()
    differences = [float(row[a[0]] - row[b[0]]) for row, a, b in zip(logits, task.answer, task.versus, strict=True)]
    assert plain["12 pairs of ioi that it was found on"] == pytest.approx(np.mean(differences), abs=1e-3)
    assert plain["8 pairs of ioi, of the 12 that it was found on"] == pytest.approx(np.mean(differences[:8]), abs=1e-3)


def test_what_is_not_finite_is_sent_as_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeMeasurement(circuit())
    monkeypatch.setattr(fake, "faithfulness", lambda _: np.nan)
    monkeypatch.setattr(fake, "measure", lambda _: np.array([[np.inf, np.inf]]))
    data, _ = finished(CircuitGraph(circuit(), measurement=fake).answer_measure(None, [], []))
    assert data["faithfulness"] is data["metric"] is None


def test_without_a_model_nothing_is_measured() -> None:
    view = CircuitGraph(circuit())
    assert not view.live
    for answer in (view.answer_measure(None, [], []), view.answer_attention(0, 0), view.answer_curve()):
        with pytest.raises(ValueError, match="no model was given"):
            finished(answer)


def test_the_model_is_first_run_when_it_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []

    def make(*args: Any) -> FakeMeasurement:
        made.append(args)
        return FakeMeasurement(found())

    monkeypatch.setattr(evaluation_run, "circuit_run", make)
    scope = Microscope.load("demo")
    view = CircuitGraph(found(), scope)
    assert (view.live, made) == (True, [])
    finished(view.answer_measure(None, [], []))
    finished(view.answer_measure(3, [], []))
    assert [args[:2] for args in made] == [(scope, found())]


def test_attention_is_that_of_one_head_and_asked_once_a_layer() -> None:
    shown = circuit()
    fake = FakeMeasurement(shown)
    view = CircuitGraph(shown, measurement=fake)
    for head in (3, 1):
        data, (weights,) = finished(view.answer_attention(2, head))
        np.testing.assert_array_equal(np.frombuffer(weights, "<f4").reshape(12, 12), fake.attention(2)[head])
    assert data["tokens"] == fake.tokens
    assert fake.layers == [2, 2, 2]  # ours above, and the view's once
    with pytest.raises(ValueError, match="no head 4.0"):
        finished(view.answer_attention(4, 0))


def test_the_curve_is_measured_point_by_point() -> None:
    shown = circuit(12, 12)
    view = CircuitGraph(shown, measurement=FakeMeasurement(shown))
    statuses, (data, buffers) = gone_through(view.answer_curve())
    assert (data, buffers) == ({}, [])
    done = [status.done for status in statuses[1:]]
    assert done == sorted(done)
    assert (statuses[-1].done, statuses[-1].total) == (10, 10)
    assert view.curve["n_edges"] == [32, 65, 162, 325, 650, 1625, 3249, 6498, 16246, 32491]
    assert view.curve["faithfulness"][-1] == pytest.approx(1)
    assert [len(draw) for draw in view.curve["random"]] == [10] * RANDOM_CIRCUITS
    json.dumps(view.curve, allow_nan=False)


def test_a_curve_that_is_stopped_keeps_its_points() -> None:
    shown = circuit()
    view = CircuitGraph(shown, measurement=FakeMeasurement(shown))
    answer = view.answer_curve()
    for _ in range(3):
        next(answer)
    answer.close()
    assert len(view.curve["n_edges"]) == 2


def test_random_circuits_are_the_same_each_time() -> None:
    shown = circuit()
    views = [CircuitGraph(shown, measurement=FakeMeasurement(shown)) for _ in range(2)]
    for view in views:
        finished(view.answer_curve())
    assert views[0].curve == views[1].curve


def test_the_curve_of_a_view_is_that_of_circuits() -> None:
    scope = Microscope.load("demo")
    view = CircuitGraph(found(), scope)
    finished(view.answer_curve())
    expected = circuits.curve(scope, found(), task=found().task[:8], draws=RANDOM_CIRCUITS)
    np.testing.assert_allclose(view.curve["faithfulness"], expected.faithfulness)
    np.testing.assert_allclose(view.curve["random"], expected.random)


def test_a_given_curve_is_shown() -> None:
    shown = circuit()
    given = curve(shown)
    view = CircuitGraph(shown, curve=given)
    assert view.curve["n_edges"] == given.n_edges.tolist()
    np.testing.assert_allclose(view.curve["random"], given.random)
    given.low[2] = np.nan
    assert CircuitGraph(shown, curve=given).curve["low"][2] is None


# -- bad input


@pytest.mark.parametrize("thing", [None, "circuit", [1, 2]])
def test_only_circuits_are_shown(thing: Any) -> None:
    with pytest.raises(TypeError, match="CircuitGraph shows a Circuit, such as circuits.discover"):
        CircuitGraph(thing)


def test_only_circuits_of_one_graph_are_compared() -> None:
    with pytest.raises(TypeError, match="compare= takes another Circuit"):
        CircuitGraph(circuit(), compare=[("a0.h0", "m1")])
    with pytest.raises(ValueError, match="one has 4 layers of 4 heads, the other 3 layers of 4 heads"):
        CircuitGraph(circuit(), compare=circuit(3))
    with pytest.raises(ValueError, match="wired differently"):
        CircuitGraph(circuit(), compare=circuit(kv_heads=2))


def test_only_its_own_curve_is_shown() -> None:
    with pytest.raises(TypeError, match=r"curve= takes what circuits.curve\(scope, circuit\) gives"):
        CircuitGraph(circuit(), curve=[1, 2])
    with pytest.raises(ValueError, match="This curve is of another circuit"):
        CircuitGraph(circuit(), curve=curve(circuit(5)))
    other = dataclasses.replace(circuit().provenance, model="gpt2")
    with pytest.raises(ValueError, match=r"another circuit \(gpt2\)"):
        CircuitGraph(circuit(), curve=curve(circuit(), provenance=other))


def test_what_measures_is_a_measurement() -> None:
    with pytest.raises(TypeError, match="measurement= takes an EvaluationRun"):
        CircuitGraph(circuit(), measurement=object())


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("kept", -1, "from 0 to 479"),
        ("kept", 480, "from 0 to 479"),
        ("kept", "many", "from 0 to 479"),
        ("removed", "a0.h1", "a list of names"),
        ("removed", ["a9.h1"], "no node 'a9.h1'"),
        ("removed", ["a3.h1->a0.h1<q>"], "cannot reach"),
        ("added", ["a0.h1"], "An edge is written"),
        ("labels", {"a9.h1": "x"}, "no node"),
        ("labels", {"m0": 3}, "dict of node to text"),
        ("groups", {"m0": ["m1"]}, "no node's"),
        ("groups", {"a": ["m1"], "b": ["m1"]}, "one at most"),
        ("groups", {"a": "m1"}, "dict of name to nodes"),
        ("pins", {"m0": [1]}, "two numbers"),
        ("pins", {"m0": [1, np.nan]}, "two numbers"),
        ("pins", {"nowhere": [1, 2]}, "no node"),
    ],
)
def test_changes_that_cannot_be_get_a_sentence_and_lose_nothing(name: str, value: Any, sentence: str) -> None:
    view = CircuitGraph(circuit(), removed=["a0.h1"])
    before = getattr(view, name)
    with pytest.raises(TraitError, match=sentence):
        setattr(view, name, value)
    assert getattr(view, name) == before
    assert view.removed == ["a0.h1"]


# -- without a kernel


def test_a_saved_page_holds_the_present_scores() -> None:
    shown = circuit()
    assert [name for name, *_ in CircuitGraph(shown).saved_answers()] == ["json"]
    fake = FakeMeasurement(shown)
    view = CircuitGraph(shown, measurement=fake)
    finished(view.answer_measure(None, [], []))
    saved = list(view.saved_answers())
    given = [mask for mask in fake.asked if np.array_equal(mask, shown.included)]
    assert len(given) == 1  # known already; the others are random circuits
    assert {int(mask.sum()) for mask in fake.asked} == {shown.n_edges}
    fake.asked.clear()
    assert saved[0][:2] == ("measure", {"kept": None, "removed": [], "added": []})
    heads = [(args["layer"], args["head"]) for name, args, *_ in saved if name == "attention"]
    assert heads == shown.heads
    view.kept = 7
    assert next(iter(view.saved_answers()))[1]["kept"] == 7
    np.testing.assert_array_equal(fake.asked[0], shown.keep(7).included)


def test_a_saved_page_is_not_filled_with_attention(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = circuit()
    monkeypatch.setattr(circuit_graph, "SAVED_BYTES", 3 * 12 * 12 * 4)
    saved = [name for name, *_ in CircuitGraph(shown, measurement=FakeMeasurement(shown)).saved_answers()]
    assert saved.count("attention") == 3
    assert "json" not in saved


def test_json_is_the_circuit_as_given() -> None:
    shown = circuit()
    text = CircuitGraph(shown, kept=3).answer_json()[0]["text"]
    np.testing.assert_array_equal(Circuit.from_json(text).included, shown.included)
    own = dataclasses.replace(shown, task=task(metric=lambda logits: logits[0]))
    assert list(CircuitGraph(own).saved_answers()) == []


def test_a_page_is_saved(tmp_path: Any) -> None:
    path = CircuitGraph(circuit(labels={"m0": "</script><img>"})).to_html(tmp_path / "page.html")
    assert "</script><img>" not in path.read_text()
    assert "estimated by a gradient" in path.read_text()


def test_hosts_without_widgets_get_a_picture_and_a_table() -> None:
    shown = circuit()
    view = CircuitGraph(shown)
    data, _ = view._repr_mimebundle_()
    assert "image/png" in data
    assert "<table" in data["text/html"]
    header, rows = view.still_table()
    assert header == ["sender", "receiver", "score"]
    best = shown.top(1).iloc[0]
    assert rows[0][:2] == [best["sender"], best["receiver"]]
    drawn, nothing = view.still_image(), CircuitGraph(circuit(keep=0)).still_image()
    assert drawn.shape == nothing.shape
    assert (drawn != nothing).any()
    assert CircuitGraph(circuit(keep=0)).still_table()[1] == [["no edge is in", "", ""]]


# -- of a model on a server


@cache
def found() -> Circuit:
    demo = Microscope.load("demo")
    return circuits.discover(demo, ioi.prompts(demo, n=6, seed=1).task(), "eap").keep(40)


def remote_graph() -> tuple[CircuitGraph, CircuitGraph, FakeTransport]:
    """A graph of a model on a server, the same of a local one, and what carries the requests."""
    remote = fake_remote(Microscope.load("demo"))
    transport = remote.transport
    transport.blocked = True
    return CircuitGraph(found(), remote), CircuitGraph(found(), transport.local), transport


def test_a_remote_circuit_is_measured_without_holding_the_kernel() -> None:
    view, local, transport = remote_graph()
    statuses, (data, _) = gone_through(view.answer_measure(20, [], []))
    assert texts(statuses) == ["sent to the server", "queued, position 3", "running on the server"]
    expected, _ = finished(local.answer_measure(20, [], []))
    assert data == {name: pytest.approx(value, abs=1e-5) if name != "ablation" else value
                    for name, value in expected.items()}  # fmt: skip
    assert transport.asked == ["measure"]


def test_the_attention_of_a_remote_circuit_is_asked_once_a_layer() -> None:
    view, local, transport = remote_graph()
    data, (weights,) = finished(view.answer_attention(2, 1))
    expected, (others,) = finished(local.answer_attention(2, 1))
    assert data == expected
    np.testing.assert_allclose(np.frombuffer(weights, "<f4"), np.frombuffer(others, "<f4"), atol=1e-6)
    finished(view.answer_attention(2, 3))
    assert transport.asked == ["attention_on_first_prompt"]


def test_the_curve_of_a_remote_circuit_comes_with_one_request() -> None:
    view, local, transport = remote_graph()
    finished(view.answer_curve())
    finished(local.answer_curve())
    assert transport.asked == ["measure_curve"]
    assert view.curve["n_edges"] == local.curve["n_edges"]
    for name in ("faithfulness", "metric", "random", "full", "empty"):
        np.testing.assert_allclose(
            np.array(view.curve[name], dtype=float), np.array(local.curve[name], dtype=float), atol=1e-5
        )


def test_a_saved_remote_circuit_holds_its_numbers_and_no_key(tmp_path: Any) -> None:
    view, _, _ = remote_graph()
    page = view.to_html(tmp_path / "page.html").read_text("utf-8")
    assert '"faithfulness"' in page
    assert KEY not in page
