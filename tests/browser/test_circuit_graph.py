"""CircuitGraph in a real Chromium, joined to its real Python half."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from scope_widgets.circuits import Circuit
from scope_widgets.features import FeatureIndex
from scope_widgets.widgets import CircuitGraph, FeatureBrowser, Selection
from scope_widgets.widgets.core import requests
from tests.support.circuit_examples import FakeMeasurement, circuit, curve, latent_circuit, task
from tests.support.view_page import Work, frame, most, rested, works

pytestmark = pytest.mark.browser


@pytest.fixture
def show(browser_page: Any, mount: Callable[..., list[Any]]) -> Callable[..., tuple[CircuitGraph, Any]]:
    """``show(circuit, ...)`` gives the view and its locator, drawn."""

    def show(shown: Circuit | None = None, *, width: int = 1160, **options: Any) -> tuple[CircuitGraph, Any]:
        view = CircuitGraph(circuit() if shown is None else shown, **options)
        (place,) = mount(browser_page, view, width=width)
        frame(browser_page)
        return view, place

    return show


@pytest.fixture
def measured_show(show: Any, browser_page: Any) -> Callable[..., tuple[CircuitGraph, Any, FakeMeasurement]]:
    """Show a circuit that is measured, and not compared with random ones: those come half a second after a change."""

    def measured_show(shown: Circuit | None = None, **options: Any) -> tuple[CircuitGraph, Any, FakeMeasurement]:
        shown = circuit() if shown is None else shown
        fake = FakeMeasurement(shown)
        view, place = show(shown, measurement=fake, **options)
        rested(browser_page)
        browser_page.evaluate("hold()")
        fake.asked = fake.asked[:1]
        return view, place, fake

    return measured_show


class Loop:
    """An event loop that does a step when it is told to."""

    def __init__(self) -> None:
        self._waiting: list[Any] = []

    def call_soon(self, action: Any, *args: Any) -> None:
        self._waiting.append((action, args))

    def step(self, times: int = 1) -> None:
        for _ in range(times):
            waiting, self._waiting = self._waiting, []
            for action, args in waiting:
                action(*args)


@pytest.fixture
def loop(browser_page: Any, monkeypatch: pytest.MonkeyPatch) -> Loop:
    loop = Loop()
    monkeypatch.setattr(requests, "asyncio", SimpleNamespace(get_running_loop=lambda: loop))
    return loop


def spot(place: Any, column: float, row: float, layers: int = 4, heads: int = 4) -> tuple[float, float]:
    """Where a node stands in the page; an MLP is at (heads + 0.3, layer + 0.4)."""
    box = place.locator(".cg-stage").bounding_box()
    columns = heads + 0.3
    pitch = min(112, (box["width"] - 60) / (columns + 1))
    left = 40 + (box["width"] - 60 - columns * pitch) / 2
    rise = (box["height"] - 46) / (layers + 1)
    assert rise >= 24  # else the rows of embeddings and logits are further away
    return box["x"] + left + column * pitch, box["y"] + 14 + (layers - row) * rise


def pixels(place: Any, canvas: int = 0) -> str:
    return str(place.locator(".cg-stage > canvas").nth(canvas).evaluate("canvas => canvas.toDataURL()"))


def tooltip(place: Any) -> str:
    note = place.locator(".sw-tooltip")
    return note.inner_text() if note.is_visible() else ""


def panel(place: Any) -> str:
    return str(place.locator(".cg-panel").inner_text())


def readout(place: Any) -> str:
    return str(place.locator(".cg-readout").inner_text())


def thumb(place: Any) -> Any:
    return place.get_by_role("slider", name="Edges kept")


def save(page: Any, place: Any, kind: str) -> bytes:
    place.get_by_role("button", name="Save", exact=True).click()
    with page.expect_download() as download:
        place.get_by_role("menuitem", name=kind).click()
    return Path(download.value.path()).read_bytes()


def code_in_clipboard(page: Any) -> str:
    page.wait_for_function("document.querySelector('.sw-note').textContent")
    return str(page.evaluate("navigator.clipboard.readText()"))


def strongest_head(shown: Circuit) -> tuple[int, int]:
    """The head with most edges in and out."""
    edges = " ".join(f"{a} {b}" for a, b in shown.edges)
    heads = [(layer, head) for layer in range(4) for head in range(4)]
    return max(heads, key=lambda head: len(re.findall(rf"\ba{head[0]}\.h{head[1]}\b", edges)))


# -- seeing


def test_it_says_what_it_shows(measured_show: Any) -> None:
    view, place, _ = measured_show()
    assert place.locator(".sw-title").inner_text() == "Circuit of IOI, demo, found on 3 pairs of prompts"
    text = readout(place)
    assert "20 of 479 edges (4.2 %)" in text
    faithfulness, metric = FakeMeasurement(view.circuit).values(view.circuit.included)
    assert f"faithfulness {faithfulness:.3g}" in text
    assert f"logit difference {metric:.3g}" in text
    assert "whole model 3.3, no edges 0.2" in text
    assert "eap-ig" in panel(place)
    assert "estimated by a gradient" in panel(place)
    assert "counterfactual" in panel(place)


def test_the_strongest_edges_are_listed(show: Any) -> None:
    shown = circuit()
    _, place = show(shown)
    rows = place.locator(".cg-list .cg-link").evaluate_all("all => all.map(e => e.title)")
    table = shown.top(3)
    for row, (sender, receiver) in zip(rows, zip(table["sender"], table["receiver"], strict=True), strict=False):
        assert row.split(" → ")[0].split()[-1] in sender.replace("a", "").replace(".h", ".").replace("m", "")
        assert row.endswith(receiver[-2]) or not receiver.endswith(">")


def test_hover_names_a_node_and_lights_its_edges(show: Any, browser_page: Any) -> None:
    shown = circuit()
    _, place = show(shown)
    layer, head = strongest_head(shown)
    before = pixels(place, 1)
    browser_page.mouse.move(*spot(place, head, layer))
    assert f"Head {layer}.{head}" in tooltip(place)
    out = sum(sender == f"a{layer}.h{head}" for sender, _ in shown.edges)
    assert f", {out} out" in tooltip(place)
    frame(browser_page)
    assert pixels(place, 1) != before
    assert float(place.locator(".cg-edges").evaluate("c => getComputedStyle(c).opacity")) < 0.5
    browser_page.mouse.move(5, 5)
    frame(browser_page)
    assert tooltip(place) == ""
    assert pixels(place, 1) == before


def test_an_edge_can_be_pointed_at_and_opened(show: Any, browser_page: Any) -> None:
    graph = circuit(2, 2, keep=None).graph
    scores = np.zeros(graph.n_edges, np.float32)
    edge = graph.find("a0.h0", "a1.h1<v>")
    scores[edge] = 0.25
    shown = replace(circuit(2, 2, keep=None), scores=scores, included=scores > 0)
    view, place = show(shown)
    one, other = spot(place, 0, 0, 2, 2), spot(place, 1, 1, 2, 2)
    middle = (one[0] + other[0]) / 2, (one[1] + other[1]) / 2
    browser_page.mouse.move(*middle)
    assert "Head 0.0 → Head 1.1 v" in tooltip(place)
    assert "+0.2500" in tooltip(place)
    browser_page.mouse.click(*middle)
    assert "a0.h0->a1.h1<v>" in panel(place)
    browser_page.keyboard.press("x")
    assert view.removed == ["a0.h0->a1.h1<v>"]
    assert view.circuit.n_edges == 0


def test_shared_keys_name_their_heads(show: Any) -> None:
    graph = circuit(2, 4, 2, keep=None).graph
    scores = np.zeros(graph.n_edges, np.float32)
    scores[graph.find("input", "a1.kv1<k>")] = -0.5
    _, place = show(replace(circuit(2, 4, 2, keep=None), scores=scores, included=scores < 0))
    assert place.locator(".cg-link").first.get_attribute("title") == "Embeddings → Heads 1.2–1.3 k"


def test_not_scored_is_not_zero(show: Any, browser_page: Any) -> None:
    shown = circuit(2, 2, keep=None)
    scores = np.full(shown.graph.n_edges, 0.0, np.float32)
    scores[1] = np.nan
    _, place = show(replace(shown, scores=scores))
    assert place.locator(".cg-undrawn .cg-key").inner_text() == "not scored"
    rows = list(csv.DictReader(io.StringIO(save(browser_page, place, "CSV").decode())))
    assert [row["score"] for row in rows] == ["0"] * (len(scores) - 1) + [""]
    assert thumb(place).get_attribute("aria-valuemax") == str(len(scores) - 1)


# -- the slider


def test_the_slider_keeps_the_strongest(measured_show: Any, browser_page: Any) -> None:
    shown = circuit(12, 12, keep=200)
    view, place, fake = measured_show(shown)
    assert thumb(place).get_attribute("aria-valuetext") == "200 edges, 0.62 %"
    thumb(place).press("ArrowRight")
    assert view.kept == 201
    thumb(place).press("PageDown")
    assert view.kept == 181
    thumb(place).press("Home")
    assert view.kept == 0
    assert "No edge is in." in place.locator(".cg-empty").inner_text()
    thumb(place).press("End")
    assert view.kept == shown.graph.n_edges
    text = place.locator(".cg-undrawn").inner_text()
    assert text.startswith("Drawn: 2,000 edges, from the strongest down; 30,491 more are in")
    assert int(place.locator(".cg-stage").get_attribute("data-drawn")) == 2000
    view.kept = 500
    frame(browser_page)
    assert thumb(place).get_attribute("aria-valuenow") == "500"
    np.testing.assert_array_equal(fake.asked[-1], shown.keep(500).included)


def test_few_edges_have_room_on_the_slider(show: Any, browser_page: Any) -> None:
    view, place = show(circuit(12, 12, keep=200))
    box = place.locator(".cg-slider").bounding_box()
    browser_page.mouse.move(box["x"] + box["width"] * 0.05, box["y"] + 10)
    browser_page.mouse.down()
    kept = []
    for share in (0.1, 0.25, 0.5, 0.75):
        browser_page.mouse.move(box["x"] + box["width"] * share, box["y"] + 10)
        kept.append(int(thumb(place).get_attribute("aria-valuenow")))
    assert view.kept is None  # while it is dragged nothing is put down
    browser_page.mouse.up()
    assert view.kept == kept[-1]
    assert kept[0] <= 3
    assert kept[1] <= 15
    assert 150 < kept[2] < 220
    place.get_by_role("button", name="Undo").click()
    assert view.kept is None


def test_a_click_on_the_curve_sets_the_edges(measured_show: Any, browser_page: Any) -> None:
    shown = circuit()
    view, place, _ = measured_show(shown, curve=curve(shown))
    chart = place.locator(".cg-chart")
    box = chart.bounding_box()
    browser_page.mouse.move(box["x"] + 32 + 0.5 * (box["width"] - 88), box["y"] + 30)
    assert "click: keep 21 edges" in tooltip(place)
    browser_page.mouse.down()
    browser_page.mouse.up()
    assert view.kept == 21
    label = place.locator(".cg-plot").get_attribute("aria-label")
    assert label.startswith("Faithfulness against edges: 1: ")


# -- changing


def test_a_node_taken_out_is_measured_again(measured_show: Any, browser_page: Any) -> None:
    shown = circuit()
    view, place, fake = measured_show(shown)
    layer, head = strongest_head(shown)
    browser_page.mouse.click(*spot(place, head, layer))
    assert view.selected_heads == [(layer, head)]
    before = readout(place)
    place.get_by_role("button", name="Take out").click()
    frame(browser_page)
    assert view.removed == [f"a{layer}.h{head}"]
    expected = shown.without(f"a{layer}.h{head}")
    np.testing.assert_array_equal(view.circuit.included, expected.included)
    np.testing.assert_array_equal(fake.asked[-1], expected.included)
    value = FakeMeasurement(shown).values(expected.included)[0]
    assert f"faithfulness {float(f'{value:.3g}'):g}" in readout(place)
    assert readout(place) != before
    assert "Taken out" in panel(place)
    asked = len(fake.asked)
    browser_page.keyboard.press("Control+z")
    frame(browser_page)
    assert view.removed == []
    assert readout(place) == before
    assert len(fake.asked) == asked  # known already
    browser_page.keyboard.press("Control+Shift+Z")
    frame(browser_page)
    assert view.removed == [f"a{layer}.h{head}"]
    place.get_by_role("button", name="Reset", exact=True).click()
    assert view.removed == []
    np.testing.assert_array_equal(view.circuit.included, shown.included)


def test_x_delete_and_alt_click_toggle(show: Any, browser_page: Any) -> None:
    shown = circuit()
    view, place = show(shown)
    layer, head = strongest_head(shown)
    at, name = spot(place, head, layer), f"a{layer}.h{head}"
    browser_page.mouse.click(*at)
    browser_page.keyboard.press("x")
    assert view.removed == [name]
    browser_page.keyboard.press("Delete")
    assert view.removed == []
    browser_page.keyboard.down("Alt")
    browser_page.mouse.click(*at)
    browser_page.keyboard.up("Alt")
    assert view.removed == [name]


def test_edges_are_taken_out_and_put_in_from_the_list(show: Any, browser_page: Any) -> None:
    shown = circuit()
    view, place = show(shown)
    layer, head = strongest_head(shown)
    view.selected_heads = [(layer, head)]
    frame(browser_page)
    boxes = place.locator(".cg-list input[type=checkbox]")
    states = boxes.evaluate_all("all => all.map(e => e.checked)")
    assert set(states) == {True, False}
    boxes.nth(states.index(True)).click()
    (removed,) = view.removed
    assert removed.split("->")[1].startswith(f"a{layer}.h{head}") or removed.startswith(f"a{layer}.h{head}")
    assert view.circuit.n_edges == 19
    assert boxes.nth(states.index(True)).evaluate("e => e.getRootNode().activeElement === e")
    boxes.nth(states.index(False)).click()
    assert len(view.added) == 1
    assert view.circuit.n_edges == 20
    boxes.nth(states.index(True)).click()
    boxes.nth(states.index(False)).click()
    assert (view.removed, view.added) == ([], [])


def test_the_latest_change_wins_and_none_is_asked_twice(measured_show: Any, browser_page: Any) -> None:
    shown = circuit(12, 12, keep=200)
    view, place, fake = measured_show(shown)
    fake.seconds = 0.05
    box = place.locator(".cg-slider").bounding_box()
    browser_page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 10)
    browser_page.mouse.down()
    for share in np.linspace(0.5, 0.8, 40):
        browser_page.mouse.move(box["x"] + box["width"] * float(share), box["y"] + 10)
    browser_page.mouse.up()
    browser_page.wait_for_function("() => !document.querySelector('.cg-measured.cg-old')")
    np.testing.assert_array_equal(fake.asked[-1], view.circuit.included)
    assert len({included.tobytes() for included in fake.asked}) == len(fake.asked)


def test_a_long_wait_is_said(measured_show: Any, browser_page: Any) -> None:
    _, place, _ = measured_show()
    browser_page.evaluate("hold(); window.held = []; models[0].send = (content) => void held.push(content); 0")
    thumb(place).press("ArrowRight")
    assert "computing" not in readout(place)
    assert place.locator(".cg-measured.cg-old").count() == 1
    browser_page.evaluate("expire(0)")
    place.get_by_text("computing …").wait_for()
    browser_page.evaluate("delete models[0].send; held.forEach((content) => models[0].send(content))")
    browser_page.wait_for_function("() => !document.querySelector('.cg-measured.cg-old')")
    assert "computing" not in readout(place)


def test_a_failure_is_said_and_what_was_known_stays(measured_show: Any, browser_page: Any) -> None:
    view, place, fake = measured_show()
    fake.fails = "The model ran out of memory. Measure with fewer pairs."
    thumb(place).press("ArrowRight")
    frame(browser_page)
    assert fake.fails in readout(place)
    assert view.kept == 21
    fake.fails = ""
    thumb(place).press("ArrowLeft")
    frame(browser_page)
    assert "faithfulness" in readout(place)


def test_without_a_model_it_says_so(show: Any, browser_page: Any) -> None:
    view, place = show()
    assert "Scores are not recomputed: no model was given" in readout(place)
    assert place.locator(".cg-run").is_hidden()
    before = pixels(place)
    thumb(place).press("PageUp")
    frame(browser_page)
    assert view.kept == 22
    assert pixels(place) != before


# -- groups, labels, places


def test_nodes_are_grouped_under_a_name(show: Any, browser_page: Any) -> None:
    shown = circuit()
    view, place = show(shown)
    one, two = strongest_head(shown), (1, 1)
    two = two if two != one else (1, 2)
    browser_page.mouse.click(*spot(place, one[1], one[0]))
    browser_page.keyboard.down("Shift")
    browser_page.mouse.click(*spot(place, two[1], two[0]))
    browser_page.keyboard.up("Shift")
    assert view.selected_heads == [one, two]
    assert panel(place).startswith("2 nodes")
    field = place.get_by_label("Name of the group")
    field.fill("m0")
    field.press("Enter")
    assert "A node has this name." in panel(place)
    field.fill("movers <b>")
    field.press("Enter")
    names = [f"a{layer}.h{head}" for layer, head in (one, two)]
    assert view.groups == {"movers <b>": names}
    assert view.circuit.groups == view.groups
    assert view.selected_heads == sorted([one, two])
    assert "Group movers <b>" in panel(place)
    place.get_by_role("button", name="Ungroup").click()
    assert view.groups == {}
    browser_page.keyboard.press("Control+z")
    assert view.groups == {"movers <b>": names}


def test_a_brush_selects_several(show: Any, browser_page: Any) -> None:
    shown = circuit(keep=200)
    view, place = show(shown)
    x0, y0 = spot(place, -0.5, 1.5)
    x1, y1 = spot(place, 1.5, -0.4)
    browser_page.mouse.move(x0, y0)
    browser_page.mouse.down()
    browser_page.mouse.move(x1, y1, steps=4)
    assert place.locator(".cg-brush").is_visible()
    browser_page.mouse.up()
    assert sorted(view.selected_heads) == [(0, 0), (0, 1), (1, 0), (1, 1)]
    browser_page.keyboard.press("Escape")
    assert view.selected_heads == []


def test_a_node_is_labelled(show: Any, browser_page: Any) -> None:
    shown = circuit()
    view, place = show(shown)
    layer, head = strongest_head(shown)
    view.selected_heads = [(layer, head)]
    frame(browser_page)
    before = pixels(place, 2)
    field = place.get_by_label("Label", exact=True)
    field.fill("<img src=x onerror=window.evil=1>")
    field.press("Enter")
    frame(browser_page)
    assert view.circuit.labels == {f"a{layer}.h{head}": "<img src=x onerror=window.evil=1>"}
    assert pixels(place, 2) != before
    assert "<img" in place.locator(".sw-chip-name").inner_text()
    assert place.locator("img").count() == 0
    svg = save(browser_page, place, "SVG").decode()
    assert "<img" not in svg
    field.fill("")
    field.press("Enter")
    assert view.labels == {}


def test_a_node_is_dragged_and_put_back(show: Any, browser_page: Any) -> None:
    shown = circuit()
    view, place = show(shown)
    layer, head = strongest_head(shown)
    browser_page.mouse.move(*spot(place, head, layer))
    browser_page.mouse.down()
    to = spot(place, 2.5, 1.5)
    browser_page.mouse.move(*to, steps=4)
    browser_page.mouse.up()
    column, row = view.pins[f"a{layer}.h{head}"]
    assert (column, row) == pytest.approx((2.5, 1.5), abs=0.05)
    frame(browser_page)
    browser_page.mouse.move(*to)
    assert f"Head {layer}.{head}" in tooltip(place)
    browser_page.mouse.click(*to)
    place.get_by_role("button", name="Reset its place").click()
    assert view.pins == {}


# -- selection and keys


def test_heads_are_selected_with_the_other_views(browser_page: Any, mount: Any) -> None:
    chosen = Selection()
    views = [CircuitGraph(circuit(), selection=chosen), CircuitGraph(circuit(seed=1), selection=chosen)]
    places = mount(browser_page, *views, width=1160)
    frame(browser_page)
    browser_page.mouse.click(*spot(places[0], 2, 1))
    assert chosen.heads == [(1, 2)]
    assert "Head 1.2" in panel(places[1])
    chosen.heads = [(3, 0)]
    frame(browser_page)
    assert "Head 3.0" in panel(places[0])
    places[0].get_by_label("Clear 3.0").click()
    assert chosen.heads == []


def test_a_linked_head_outside_the_circuit_is_said_and_fades_nothing(show: Any, browser_page: Any) -> None:
    shown = circuit(keep=3)
    names = {name for edge in shown.edges for name in edge}
    outside = [(layer, head) for layer in range(4) for head in range(4) if not _touched(names, layer, head)]
    view, place = show(shown)
    ground = place.locator(".cg-stage canvas").first

    def faded() -> bool:
        return float(ground.evaluate("canvas => getComputedStyle(canvas).opacity")) < 1

    view.selected_heads = outside[:1]
    frame(browser_page)
    first = "{}.{}".format(*outside[0])
    note = place.locator(".cg-undrawn")
    assert f"Head {first} is selected and not in the circuit: none of its edges is in." in note.inner_text()
    assert not faded()
    view.selected_heads = outside[:2]
    frame(browser_page)
    second = "{}.{}".format(*outside[1])
    assert f"Head {first} and Head {second} are selected and not in the circuit" in note.inner_text()
    view.selected_heads = [next((la, h) for la in range(4) for h in range(4) if _touched(names, la, h))]
    frame(browser_page)
    assert "not in the circuit" not in note.inner_text()
    assert faded()


def _touched(names: set[str], layer: int, head: int) -> bool:
    return any(name.split("<")[0] == f"a{layer}.h{head}" for name in names)


def test_keys_walk_the_nodes(show: Any, browser_page: Any) -> None:
    shown = circuit(keep=60)
    view, place = show(shown)
    cell = place.locator(".cg-cell")
    cell.focus()
    press = browser_page.keyboard.press
    assert cell.get_attribute("aria-label").startswith("Embeddings")
    press("ArrowUp")
    receiver = next(r for s, r in _by_score(shown) if s == "input")
    assert cell.get_attribute("aria-label").startswith(_words(receiver))
    view.selected_heads = []
    browser_page.mouse.click(*spot(place, 1, 2))
    press("Escape")
    press("ArrowRight")
    assert cell.get_attribute("aria-label").startswith("Head 2.2")
    assert "Head 2.2" in tooltip(place)
    press("Home")
    assert cell.get_attribute("aria-label").startswith("Head 2.0")
    press("End")
    assert cell.get_attribute("aria-label").startswith("MLP of layer 2")
    press("Enter")
    assert panel(place).startswith("MLP of layer 2")
    assert cell.get_attribute("aria-pressed") == "true"
    press("x")
    assert view.removed == ["m2"]
    press("Alt+ArrowLeft")
    assert view.pins["m2"] == [4.05, 2.4]
    press("Escape")
    assert panel(place).startswith("Circuit")
    press("?")
    assert place.get_by_role("dialog", name="Keys").is_visible()


def _by_score(shown: Circuit) -> list[tuple[str, str]]:
    order = np.argsort(-np.abs(shown.scores), kind="stable")
    return [shown.graph.names(int(edge)) for edge in order if shown.included[edge]]


def _words(receiver: str) -> str:
    if receiver == "logits":
        return "Logits"
    if receiver.startswith("m"):
        return f"MLP of layer {receiver[1:]}"
    return "Head " + receiver[1:].replace(".h", ".").split("<")[0]


def test_attention_comes_when_a_head_is_opened(measured_show: Any, browser_page: Any) -> None:
    view, place, fake = measured_show()
    assert fake.layers == []
    view.selected_heads = [(2, 3)]
    canvas = place.get_by_role("img", name="Attention on the first prompt")
    canvas.wait_for()
    assert fake.layers == [2]
    box = canvas.bounding_box()
    cell = box["width"] / 12
    browser_page.mouse.move(box["x"] + 2.5 * cell, box["y"] + 7.5 * cell)
    weight = fake.attention(2)[3, 7, 2]
    assert f"word7 7 attends to ·word2 2: {weight:.6f}" in place.locator(".cg-pointed").inner_text()


# -- the curve


def test_the_curve_is_computed_in_steps_and_can_be_stopped(measured_show: Any, browser_page: Any, loop: Loop) -> None:
    view, place, _ = measured_show()
    loop.step(2)
    place.get_by_role("button", name="Compute the curve").click()
    loop.step(6)
    frame(browser_page)
    assert re.match(r"\d+ of 10 measurements", place.locator(".cg-progress").inner_text())
    assert view.curve["n_edges"] == [0, 1, 2, 5, 10, 24]
    place.get_by_role("button", name="Stop").click()
    loop.step(3)
    done = list(view.curve["n_edges"])
    loop.step(10)
    assert view.curve["n_edges"] == done
    place.get_by_role("button", name="Compute the curve").click()
    loop.step(60)
    frame(browser_page)
    assert view.curve["n_edges"][-1] == 479
    assert view.curve["faithfulness"][-1] == pytest.approx(1)
    assert [len(draw) for draw in view.curve["random"]] == [len(view.curve["n_edges"])] * 3
    assert place.locator(".cg-run").is_hidden()
    assert "random edges, 3 draws" in place.locator(".cg-strip-head").inner_text()


# -- two circuits


def test_two_circuits_can_be_distinguished(show: Any, browser_page: Any) -> None:
    one = circuit()
    out, into = one.edges[0], ("a0.h0", "m3")
    other = one.remove(out).add(into)
    _, place = show(one, compare=other)
    both = int((one.included & other.included).sum())
    keys = place.locator(".cg-colours .cg-key")
    assert keys.all_inner_texts() == [
        f"in both {both}",
        f"only A {one.n_edges - both}",
        f"only B {other.n_edges - both}",
    ]
    dashes = keys.locator("path").evaluate_all("all => all.map(e => e.getAttribute('stroke-dasharray'))")
    assert len(set(dashes)) == 3
    colours = keys.locator("path").evaluate_all("all => all.map(e => e.getAttribute('stroke'))")
    assert len(set(colours)) == 3
    svg = save(browser_page, place, "SVG").decode()
    assert svg.count('stroke-dasharray="8 4"') >= 1
    assert svg.count('stroke-dasharray="2 3"') >= 1
    rows = list(csv.DictReader(io.StringIO(save(browser_page, place, "CSV").decode())))
    assert sum(int(row["included_b"]) for row in rows) == other.n_edges
    before = pixels(place)
    place.get_by_role("button", name="compare").click()
    frame(browser_page)
    assert pixels(place) != before


# -- files


def test_files_hold_what_was_changed(measured_show: Any, browser_page: Any) -> None:
    shown = circuit()
    view, place, _ = measured_show(shown, labels={"m1": 'a "fact"'})
    view.removed = ["a0.h1"]
    view.groups = {"early": ["a0.h0", "m0"]}
    frame(browser_page)
    edited = view.circuit
    read = Circuit.from_json(save(browser_page, place, "JSON").decode())
    np.testing.assert_array_equal(read.included, edited.included)
    np.testing.assert_array_equal(read.scores, shown.scores)
    assert (read.labels, read.groups) == (view.labels, view.groups)
    rows = list(csv.DictReader(io.StringIO(save(browser_page, place, "CSV").decode())))
    assert len(rows) == shown.graph.n_edges
    kept = {(row["sender"], row["receiver"]) for row in rows if row["included"] == "1"}
    assert kept == set(edited.edges)
    for row in rows[:20]:
        edge = shown.graph.find(row["sender"], row["receiver"])
        assert np.float32(row["score"]) == shown.scores[edge]
    dot = save(browser_page, place, "DOT").decode()
    assert dot.startswith("digraph circuit {")
    assert '"a0.h1"' not in dot
    if shutil.which("dot"):
        subprocess.run(["dot", "-Tsvg"], input=dot.encode(), check=True, capture_output=True)
    assert save(browser_page, place, "PNG")[:4] == b"\x89PNG"
    svg = save(browser_page, place, "SVG").decode()
    assert svg.count("<path") >= 10
    browser_page.evaluate(
        "svg => { const d = new DOMParser().parseFromString(svg, 'image/svg+xml');"
        " if (d.querySelector('parsererror')) throw Error(d.documentElement.textContent) }",
        svg,
    )
    assert "early (2)" in svg
    assert "Scores: eap-ig, estimated by a gradient. Ablation: counterfactual" in svg
    assert "Faithfulness 0." in svg


def test_a_metric_of_ones_own_cannot_be_saved_as_json(show: Any, browser_page: Any) -> None:
    _, place = show(replace(circuit(), task=task(metric=lambda logits: logits[0])))
    place.get_by_role("button", name="Save", exact=True).click()
    place.get_by_role("menuitem", name="JSON").click()
    place.get_by_text("is a function, which a file cannot hold").wait_for()


def test_copy_as_code(measured_show: Any, browser_page: Any) -> None:
    shown = circuit()
    view, place, _ = measured_show(shown, labels={"m1": "facts"}, kept=30)
    view.removed = ["a0.h1", "input->m0"]
    view.selected_heads = [(2, 1)]
    frame(browser_page)
    place.get_by_role("button", name="Copy as code").click()
    code = code_in_clipboard(browser_page)
    names: dict[str, Any] = {"circuit": shown, "scope": object()}
    assert "\ncircuit = ...  # your Circuit" in code
    exec("\n".join(line for line in code.splitlines() if not line.startswith("circuit = ")), names)
    made = names["graph"]
    assert (made.kept, made.removed, made.labels) == (30, view.removed, view.labels)
    assert made.selected_heads == [(2, 1)]
    np.testing.assert_array_equal(made.circuit.included, view.circuit.included)


def test_a_saved_page_works_from_disk_without_a_kernel(browser_page: Any, tmp_path: Path) -> None:
    shown = circuit()
    view = CircuitGraph(shown, measurement=FakeMeasurement(shown), curve=curve(shown), theme="light")
    browser_page.goto(view.to_html(tmp_path / "page.html").as_uri())
    place = browser_page.locator("#view-0")
    place.locator(".cg-faithfulness").wait_for()
    before = readout(place)
    assert "whole model 3.3" in before
    thumb(place).press("ArrowRight")
    frame(browser_page)
    assert "Scores are not recomputed in a saved page." in readout(place)
    assert "21 of 479 edges" in readout(place)
    place.get_by_role("button", name="Undo").click()
    frame(browser_page)
    assert readout(place) == before
    assert place.locator(".cg-run").is_hidden()
    layer, head = shown.heads[0]
    browser_page.mouse.click(*spot(place, head, layer))
    place.get_by_role("img", name="Attention on the first prompt").wait_for()
    layer, head = next((0, head) for head in range(4) if (0, head) not in shown.heads)
    browser_page.mouse.click(*spot(place, head, layer))
    place.get_by_text("This page holds no attention of this head.").wait_for()
    read = Circuit.from_json(save(browser_page, place, "JSON").decode())
    np.testing.assert_array_equal(read.included, shown.included)


# -- surroundings


def test_it_works_in_a_shadow_root(show: Any, browser_page: Any) -> None:
    show()
    browser_page.evaluate(
        """async () => {
          const host = document.body.appendChild(document.createElement('div'));
          host.style.width = '900px';
          const el = host.attachShadow({mode: 'open'}).appendChild(document.createElement('div'));
          el.id = 'inside';
          (await import('/circuit_graph.js')).default.render({model: models[0], el});
        }"""
    )
    frame(browser_page)
    inside = browser_page.locator("#inside")
    inside.locator(".cg-list .cg-link").first.click()
    assert inside.locator(".cg-panel").inner_text().startswith("Edge")
    assert inside.locator(".cg-body").evaluate("body => getComputedStyle(body).display") == "flex"


def test_it_leaves_nothing_behind(show: Any, browser_page: Any) -> None:
    show()
    left = browser_page.evaluate(
        "() => { models[0].cleanup(); return [document.querySelectorAll('.sw').length,"
        " Object.values(models[0].listeners).reduce((n, set) => n + set.size, 0)] }"
    )
    assert left == [0, 0]


def test_everything_that_can_be_pressed_has_a_name(measured_show: Any, browser_page: Any) -> None:
    view, place, _ = measured_show(compare=circuit(seed=2))
    view.selected_heads = [(1, 1)]
    frame(browser_page)
    nameless = place.locator("button, input, [role=slider], [role=button], [role=separator]").evaluate_all(
        "all => all.filter(e => !(e.getAttribute('aria-label') || e.textContent.trim())).map(e => e.outerHTML)"
    )
    assert nameless == []


@pytest.mark.parametrize("width", [480, 800, 1160])
def test_nothing_stands_out_of_the_view(measured_show: Any, browser_page: Any, width: int) -> None:
    shown = circuit(12, 12, keep=300)
    view, place, _ = measured_show(shown, curve=curve(shown), width=width)
    view.selected_heads = [(1, 1)]
    frame(browser_page)
    outside = place.locator(".sw").evaluate(
        "root => [...root.querySelectorAll('.sw-bar > *, .cg-readout *, .cg-stage, .cg-strip *, .cg-panel')]"
        ".filter(e => { const b = e.getBoundingClientRect(), r = root.getBoundingClientRect();"
        " return b.width && !e.closest('svg') && !e.closest('.sw-chips') && !e.closest('.sw-legend')"
        " && (b.right > r.right + 1 || b.bottom > r.bottom + 1) })"
        ".map(e => e.className)"
    )
    assert outside == []


def _compared() -> CircuitGraph:
    one = circuit(keep=24)
    return CircuitGraph(one, compare=one.keep(30).remove(*one.edges[:6]))


def _without_scores() -> CircuitGraph:
    shown = circuit(keep=24)
    scores = shown.scores.copy()
    scores[::3] = np.nan
    return CircuitGraph(replace(shown, scores=scores), measurement=FakeMeasurement(shown))


def _measured(shown: Circuit, with_curve: bool = True, **options: Any) -> CircuitGraph:
    return CircuitGraph(
        shown, measurement=FakeMeasurement(shown), curve=curve(shown) if with_curve else None, **options
    )


EDITED: dict[str, Any] = {
    "labels": {"a2.h2": "name mover", "a1.h1": "previous token", "m2": "facts about Paris", "a3.h1": "S"},
    "removed": ["a3.h0", "m1"],
    "groups": {"early heads": ["a0.h1", "a0.h2"], "late": ["a3.h2", "m3"]},
    "pins": {"a1.h2": [2.5, 1.4]},
}
PICTURES: dict[str, Callable[[], CircuitGraph]] = {
    "small": lambda: _measured(circuit(keep=24)),
    "edited": lambda: _measured(circuit(keep=40), selected_heads=[(2, 2)], **EDITED),
    "several": lambda: _measured(circuit(keep=40), selected_heads=[(2, 2), (1, 1), (0, 1)]),
    "large": lambda: _measured(circuit(12, 12, keep=250), selected_heads=[(6, 1)]),
    "deep": lambda: _measured(circuit(30, 9, 3, keep=300)),
    "many": lambda: _measured(circuit(12, 12, keep=8000), with_curve=False),
    "compared": _compared,
    "without_scores": _without_scores,
    "empty": lambda: CircuitGraph(circuit(keep=0)),
}


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize("name", PICTURES)
def test_pictures_for_the_eye(browser_page: Any, mount: Any, screenshot: Any, name: str, theme: str) -> None:
    """Screenshots to look at after a change."""
    browser_page.emulate_media(color_scheme=theme)
    (place,) = mount(browser_page, PICTURES[name](), width=1160)
    frame(browser_page)
    screenshot(place, f"circuit_graph_{name}_{theme}")


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_pictures_of_a_narrow_view(browser_page: Any, mount: Any, screenshot: Any, theme: str) -> None:
    browser_page.emulate_media(color_scheme=theme)
    (place,) = mount(browser_page, PICTURES["edited"](), width=520)
    frame(browser_page)
    screenshot(place, f"circuit_graph_narrow_{theme}")


# -- the work of drawing; benchmarks/pointing.py has the times


@pytest.mark.parametrize("shape", [(12, 12, None), (30, 9, 3)])
def test_sliding_over_all_edges_draws_a_part_of_them(show: Any, browser_page: Any, shape: Any) -> None:
    _, place = show(circuit(*shape, keep=200))
    (slide,) = map(most, works(browser_page, SLIDE))
    assert slide <= Work(calls=2000, pixels=0, changes=200)
    assert int(place.locator(".cg-stage").get_attribute("data-drawn")) == 2000


SLIDE = """
  const slider = document.querySelector('.cg-slider'), box = slider.getBoundingClientRect();
  const at = (share) => ({clientX: box.x + box.width * share, clientY: box.y + 10, bubbles: true, pointerId: 1});
  slider.setPointerCapture = () => {};
  slider.dispatchEvent(new PointerEvent('pointerdown', at(.3)));
  const slide = [];
  for (let i = 0; i < 60; i++)
    slide.push(await work(() => slider.dispatchEvent(new PointerEvent('pointermove', at(.3 + .65 * i / 60)))));
  return [slide];
"""


def test_a_toggle_is_asked_once_and_shown(measured_show: Any, browser_page: Any) -> None:
    _, place, fake = measured_show()
    for i in range(8):
        before, asked = readout(place), len(fake.asked)
        place.locator(".cg-list input").nth(i).click()
        browser_page.wait_for_function("() => !document.querySelector('.cg-measured.cg-old')")
        assert readout(place) != before
        assert len(fake.asked) == asked + 1


def test_json_is_plain(show: Any) -> None:
    view, _ = show()
    json.dumps({name: value for name, value in view.get_state().items() if name in ("facts", "names", "curve")})


# -- the scale of colours


@pytest.mark.parametrize("factor", [1, 1000])
def test_colours_end_where_few_edges_lie_above_which_are_counted(show: Any, browser_page: Any, factor: int) -> None:
    """Of scores that reach 13 most are below 0.5: the end is the data's, what lies beyond is said, fit brings it in."""
    plain = circuit(keep=None)
    scores = np.linspace(0.01, 0.4, plain.graph.n_edges).astype(np.float32)
    scores[[3, 40, 77]] = 13, -7, 2
    scores *= factor
    shown = replace(plain, scores=scores).keep(200)
    _, place = show(shown)
    limit = place.get_by_role("slider", name="Upper limit of score")
    end = float(limit.get_attribute("aria-valuenow"))
    sizes = np.sort(np.abs(scores))[::-1]
    assert sizes[min(11, len(sizes) // 20)] <= end < 2 * factor  # a twentieth of the edges lies beyond, 12 at most
    above = int((np.abs(scores[shown.included]) > end).sum())
    assert above == 3
    counted = place.locator(".sw-clipped")
    assert counted.inner_text() == "3 above"
    assert "fit" in counted.get_attribute("title")
    assert "score, 3 above" in save(browser_page, place, "SVG").decode()
    place.get_by_role("button", name="fit").click()
    assert float(limit.get_attribute("aria-valuenow")) >= 13 * factor
    assert counted.is_hidden()
    assert "score, 3 above" not in save(browser_page, place, "SVG").decode()


def test_a_latent_opens_its_page_in_a_linked_browser(browser_page: Any, mount: Any) -> None:
    made, chosen = latent_circuit(), Selection()
    graph = CircuitGraph(made, selection=chosen, height=420)
    browser = FeatureBrowser(FeatureIndex.load("demo"), selection=chosen)
    place, page = mount(browser_page, graph, browser, width=1000)
    frame(browser_page)
    for name, opened in (("2.41", None), ("3.17", 17)):
        column, row = made.graph.places[name]
        browser_page.mouse.click(*spot(place, column, row, heads=made.graph.n_columns))
        frame(browser_page)
        assert (chosen.latents, browser.latent) == ([name], opened)
    assert "Latent 17" in page.locator(".fb-page-name").inner_text()
    page.locator(".fb-row:not([hidden])").first.click()
    frame(browser_page)
    assert chosen.latents == [f"3.{browser.latent}"] != ["3.17"]
    assert not panel(place).startswith("Latent 3.17")
    chosen.latents = ["2.41"]
    frame(browser_page)
    assert panel(place).startswith("Latent 2.41")


def test_latents_are_boxes_whose_edges_can_be_opened(show: Any, browser_page: Any) -> None:
    """A circuit of latents, as `features.provenance` gives it: names in boxes, nothing to measure again."""
    made = latent_circuit()
    view, place = show(made, height=420)
    assert "5 confirmed of 6 tried" in panel(place)
    assert "lat. 2.41" in panel(place)
    column, row = made.graph.places["2.41"]
    browser_page.mouse.click(*spot(place, column, row, heads=made.graph.n_columns))
    frame(browser_page)
    assert panel(place).startswith("Latent 2.41")
    assert place.get_by_role("textbox", name="Label").input_value() == "a name's second mention"
    browser_page.keyboard.press("x")
    frame(browser_page)
    assert view.removed == ["2.41"]
    assert view.circuit.n_edges == 2
    text = json.loads(save(browser_page, place, "JSON"))
    assert Circuit.from_json(json.dumps(text)).edges == view.circuit.edges
