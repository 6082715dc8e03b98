"""SteeringPanel in a real Chromium, joined to its real Python half and the demo model."""

from __future__ import annotations

import csv
import io
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from scope_widgets import steering
from scope_widgets._job import Job, JobStatus, Steps
from scope_widgets.experiments.statistics.rounding import logit_floor
from scope_widgets.models.microscope import Microscope
from scope_widgets.widgets import Selection, SteeringPanel
from scope_widgets.widgets.core import requests
from scope_widgets.widgets.core.requests import finished
from tests.support.view_page import frame, rested

pytestmark = pytest.mark.browser

PROMPT = "When Mary and John went to the store, John gave a drink to"


@cache
def scope() -> Microscope:
    return Microscope.load("demo")


@cache
def name_direction() -> Any:
    return steering.direction(scope(), answer=" Mary", versus=" John", layer=2, name="Mary − John")


def panel(**options: Any) -> SteeringPanel:
    given = {"directions": [name_direction()], "heads": [(3, 1)], "neurons": [(1, 5)]}
    return SteeringPanel(scope(), PROMPT, **{**given, "answer": " Mary", "versus": " John", **options})


@pytest.fixture
def show(browser_page: Any, mount: Callable[..., list[Any]]) -> Callable[..., Any]:
    """``show(view)`` gives its locator, drawn."""

    def show(view: SteeringPanel, *, width: int = 1160) -> Any:
        (place,) = mount(browser_page, view, width=width)
        frame(browser_page)
        return place

    return show


def many(n: int) -> list[Any]:
    heads = [steering.ScaleHead(i // 4, i % 4, 1.0) for i in range(n - 2)]
    long = steering.direction(
        scope(), answer=" Lily", versus=" John", layer=1, name="a direction with quite a long name"
    )
    return [steering.AddDirection(name_direction(), 0.1), steering.AddDirection(long, 0.05, at="last"), *heads]


EVIL = "<img src=x onerror=alert(1)>"


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


def thumb(place: Any, name: str = "add Mary − John") -> Any:
    return place.get_by_role("slider", name=name)


def field(place: Any, name: str = "add Mary − John") -> Any:
    return place.get_by_label(f"Strength of {name}")


def drag(page: Any, place: Any, share: float, name: str = "add Mary − John", *, let_go: bool = True) -> None:
    """Drag a slider to a share of its track, in a few steps."""
    box = thumb(place, name).locator("..").bounding_box()
    at = thumb(place, name).bounding_box()
    y = box["y"] + box["height"] / 2
    page.mouse.move(at["x"] + at["width"] / 2, y)
    page.mouse.down()
    page.mouse.move(box["x"] + share * box["width"], y, steps=5)
    if let_go:
        page.mouse.up()


def painted(page: Any, place: Any) -> None:
    """Wait until the newest answer is on the screen."""
    frame(page)
    page.wait_for_function(
        "root => root.dataset.asked === root.dataset.painted || !root.dataset.asked", arg=root(place)
    )
    frame(page)


def root(place: Any) -> Any:
    return place.locator(".sw").element_handle()


def rows(page: Any, place: Any) -> list[list[str]]:
    """The table that stands for the bars."""
    rested(page)
    return place.locator(".sp-table tbody tr").evaluate_all("all => all.map(r => [...r.cells].map(c => c.textContent))")


def dials(place: Any) -> str:
    return str(place.locator(".sp-dials").inner_text())


def save(page: Any, place: Any, kind: str) -> bytes:
    place.get_by_role("button", name="Save", exact=True).click()
    with page.expect_download() as download:
        place.get_by_role("menuitem", name=kind).click()
    return Path(download.value.path()).read_bytes()


# -- steering


def test_it_says_what_it_shows(show: Any, browser_page: Any) -> None:
    view = panel()
    place = show(view)
    assert place.locator(".sw-title").inner_text() == "Steering, demo, 15 tokens"
    assert place.locator(".sp-what").all_inner_texts() == ["neuron 1:5", "add Mary − John", "head 3.1"]
    assert place.locator(".sp-where").all_inner_texts() == ["layer 1, neuron", "layer 2, residual", "layer 3, head"]
    assert place.locator(".sp-order").all_inner_texts() == ["1", "2", "3"]
    assert "0.00 nats" in dials(place)
    assert "+2.53" in dials(place)
    first = view.start["tokens"][0]
    assert rows(browser_page, place)[0][:2] == [first["text"], f"{first['p0']:.6f}"]


def test_dragging_steers_at_once_and_is_written_on_release(show: Any, browser_page: Any) -> None:
    view = panel(continue_on_release=False)
    place = show(view)
    writes: list[Any] = []
    view.observe(lambda change: writes.append(change["new"]), names="strengths")
    browser_page.evaluate("addEventListener('steering-painted', ({detail}) => (window.events ??= []).push(detail))")
    drag(browser_page, place, 0.6, let_go=False)
    painted(browser_page, place)
    assert writes == []
    assert field(place).input_value() == "0.2"
    expected = finished(view.answer_steer([None, 0.2, 1.0]))[0]
    assert [row[0] for row in rows(browser_page, place)] == [one["text"] for one in expected["tokens"]]
    assert f"{expected['kl']:.2f} nats" in dials(place)
    browser_page.mouse.up()
    assert writes == [[None, 0.2, 1.0]]
    events = browser_page.evaluate("window.events")
    assert events[-1]["strengths"] == [None, 0.2, 1.0]
    assert [event["sequence"] for event in events] == sorted({event["sequence"] for event in events})
    assert 0 < events[-1]["ms"] < 5000


def test_the_keyboard_steers(show: Any, browser_page: Any) -> None:
    view = panel(continue_on_release=False)
    place = show(view)
    thumb(place).focus()

    def press(keys: str) -> None:
        browser_page.keyboard.press(keys)
        frame(browser_page)

    for keys, strength in [
        ("ArrowRight", 0.01), ("Shift+ArrowRight", 0.11), ("ArrowLeft", 0.1), ("Home", -1.0), ("End", 1.0), ("0", 0.0),
        ("Shift+ArrowLeft", -0.1), ("Delete", 0.0),
    ]:  # fmt: skip
        press(keys)
        assert view.strengths[1] == pytest.approx(strength), keys
    press("ArrowDown")
    press("End")
    assert view.strengths == [None, 0.0, 2.0]
    thumb(place, "head 3.1").dblclick()
    assert view.strengths == [None, 0.0, 1.0]
    press("ArrowUp")
    press("ArrowUp")
    press("ArrowRight")
    assert view.strengths[0] == pytest.approx(0.02)
    press("Control+z")
    assert view.strengths == [None, 0.0, 1.0]
    press("Control+Shift+z")
    assert view.strengths[0] == pytest.approx(0.02)


def test_one_row_is_in_the_order_of_tabs(show: Any) -> None:
    place = show(panel())
    assert place.locator(".sp-sliders [tabindex='0']").count() == 5
    thumb(place, "head 3.1").focus()
    assert place.locator(".sp-current .sp-what").inner_text() == "head 3.1"
    assert place.locator(".sp-sliders [tabindex='0']").count() == 5


def test_a_number_can_be_written(show: Any, browser_page: Any) -> None:
    view = panel()
    place = show(view)
    field(place).fill("-1,5")
    browser_page.keyboard.press("Enter")
    assert view.strengths == [None, -1.5, 1.0]
    assert field(place).input_value() == "−1.5"
    for wrong in ("much", "Infinity", "", "1e999"):
        field(place).fill(wrong)
        browser_page.keyboard.press("Enter")
        assert "A strength is a finite number" in place.locator(".sw-note").inner_text()
        assert field(place).input_value() == "−1.5"
    assert view.strengths == [None, -1.5, 1.0]
    field(place, "neuron 1:5").fill("0.5")
    browser_page.keyboard.press("Enter")
    field(place, "neuron 1:5").fill("free")
    browser_page.keyboard.press("Enter")
    assert view.strengths[0] is None


def test_a_slider_that_is_off_does_nothing(show: Any, browser_page: Any) -> None:
    view = panel(strengths=[None, 0.3, 1.0])
    place = show(view)
    assert "0.00 nats" not in dials(place)
    place.get_by_role("switch", name="add Mary − John: on").uncheck()
    painted(browser_page, place)
    assert "0.00 nats" in dials(place)
    assert (view.strengths, view.enabled) == ([None, 0.3, 1.0], [True, False, True])


def test_reset_undo_and_changes_from_python(show: Any, browser_page: Any) -> None:
    view = panel()
    place = show(view)
    view.strengths = [1.0, 0.3, 0.5]
    painted(browser_page, place)
    assert field(place).input_value() == "0.3"
    assert f"{view.steered.kl:.2f} nats" in dials(place)
    place.get_by_role("button", name="Reset", exact=True).click()
    assert view.strengths == [None, 0.0, 1.0]
    place.get_by_role("button", name="Undo").click()
    assert view.strengths == [1.0, 0.3, 0.5]


def test_sliders_come_and_go(show: Any, browser_page: Any) -> None:
    chosen = Selection(heads=[(3, 1), (2, 0)])
    view = panel(selection=chosen)
    place = show(view)
    assert place.locator(".sp-adds button").all_inner_texts() == ["Add head 2.0"]
    place.get_by_role("button", name="Add head 2.0").click()
    thumb(place, "head 2.0").wait_for()
    assert view.strengths == [None, 0.0, 1.0, 1.0]
    drag(browser_page, place, 0.0, "head 2.0")
    painted(browser_page, place)
    assert view.strengths == [None, 0.0, 0.0, 1.0]
    assert f"{view.steered.kl:.2g} nats" in dials(place)
    place.get_by_role("button", name="Remove: neuron 1:5").click()
    thumb(place, "neuron 1:5").wait_for(state="detached")
    view.add(steering.ScaleHead(0, 0, 0.5))
    thumb(place, "head 0.0").wait_for()
    assert view.strengths == [0.5, 0.0, 0.0, 1.0]


# -- a kernel that is busy


def test_a_busy_kernel_keeps_the_old_picture_and_gets_the_newest_value(show: Any, browser_page: Any) -> None:
    view = panel(continue_on_release=False)
    place = show(view)
    before = rows(browser_page, place)
    browser_page.evaluate("window.held = []; models[0].send = (content) => void held.push(content); 0")
    drag(browser_page, place, 0.9, let_go=False)
    drag_box = thumb(place).locator("..").bounding_box()
    for share in (0.2, 0.8, 0.3, 0.65):
        browser_page.mouse.move(drag_box["x"] + share * drag_box["width"], drag_box["y"] + 14)
        frame(browser_page)
    assert field(place).input_value() == "0.3"
    asked = browser_page.evaluate("held.map(m => m.args.strengths[1])")
    assert len(asked) == 2
    place.get_by_text("waiting for the kernel …").wait_for()
    kept = f"still at {view.interventions[1]['name']} {view.session.strengths[1]:g}; "
    assert place.locator(".sp-status").inner_text() == f"{kept}waiting for the kernel …"
    assert place.locator(".sp-stage").evaluate("e => getComputedStyle(e).opacity") == "0.5"
    assert rows(browser_page, place) == before
    browser_page.evaluate("expire(2000)")
    assert "does not answer" in place.locator(".sp-status").inner_text()
    browser_page.mouse.up()
    browser_page.evaluate("delete models[0].send; held.forEach(m => models[0].send(m))")
    painted(browser_page, place)
    assert place.locator(".sp-status").inner_text() == ""
    assert f"{view.steered.kl:.2f} nats" in dials(place)
    assert view.strengths == [None, 0.3, 1.0]


def test_an_error_is_said_and_keeps_the_picture(show: Any, browser_page: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    view = panel(continue_on_release=False)
    place = show(view)
    before = rows(browser_page, place)

    def fails(strengths: Any) -> Any:
        raise ValueError("The model is gone.")

    monkeypatch.setattr(view, "answer_steer", fails)
    drag(browser_page, place, 0.7, let_go=False)
    frame(browser_page)
    kept = f"still at {view.interventions[1]['name']} {view.session.strengths[1]:g}; "
    assert place.locator(".sp-status").inner_text() == f"{kept}The model is gone."
    assert place.locator(".sp-stage").evaluate("e => getComputedStyle(e).opacity") == "0.5"
    assert rows(browser_page, place) == before
    monkeypatch.undo()
    drag(browser_page, place, 0.8)
    painted(browser_page, place)
    assert place.locator(".sp-status").inner_text() == ""


def test_a_drag_paints_the_bars_once_an_answer(show: Any, browser_page: Any) -> None:
    place = show(panel(continue_on_release=False))
    browser_page.evaluate("window.paints = drawing.calls = 0; addEventListener('steering-painted', () => paints++)")
    for share in (0.2, 0.8, 0.4, 0.6, 0.3):
        drag(browser_page, place, share)
        painted(browser_page, place)
    paints, calls = browser_page.evaluate("[paints, drawing.calls]")
    assert 5 <= paints <= 5 * 6  # a drag is five moves and the release
    assert calls <= 1000 * paints


# -- sweeps, continuations, presets


def test_a_sweep_is_drawn_and_its_range_shaded(show: Any, browser_page: Any) -> None:
    view = panel()
    place = show(view)
    place.get_by_label("Sweep: what each strength does: add Mary − John").click()
    place.locator(".sp-plot circle").first.wait_for()
    assert place.locator(".sp-said").inner_text() == "fluent from −0.4 to 0"
    assert "−0.4: KL" in place.locator(".sp-plot").get_attribute("aria-label")
    shade = place.locator(".sp-slider").nth(1).locator(".sp-range")
    assert shade.get_attribute("title") == "Fluent: −0.4 to 0"
    assert shade.evaluate("e => [e.style.left, e.style.right]") == ["30%", "50%"]
    assert place.locator(".sp-safe").is_visible()
    box = place.locator(".sp-chart").bounding_box()
    browser_page.mouse.click(box["x"] + box["width"] / 4 + 10, box["y"] + 40)
    assert -0.7 < view.strengths[1] < -0.3
    view.strengths = [1.0, -0.5, 1.0]
    frame(browser_page)
    assert place.locator(".sp-said").inner_text() == "other sliders have moved since"


def test_a_sweep_can_be_stopped(show: Any, browser_page: Any, loop: Loop) -> None:
    view = panel(continue_on_release=False)
    place = show(view)
    place.get_by_label("Sweep: what each strength does: add Mary − John").click()
    frame(browser_page)
    loop.step(3)
    frame(browser_page)
    assert place.locator(".sp-said").inner_text().startswith("3 of 13")
    place.locator(".sp-sweep").get_by_role("button", name="Stop").click()
    frame(browser_page)
    loop.step(2)
    assert "stopped" in place.locator(".sw-note").inner_text()
    assert view.fluent == {}
    assert loop._waiting == []


def test_continuations_come_on_release_and_mark_what_differs(show: Any, browser_page: Any) -> None:
    view = panel()
    place = show(view)
    texts = place.locator(".sp-text")
    texts.first.get_by_text("Mary.").wait_for()
    assert texts.nth(1).inner_text() == "Mary."
    assert place.locator("mark").count() == 0
    drag(browser_page, place, 0.65)
    place.locator("mark").first.wait_for()
    painted(browser_page, place)
    (*_, last) = view.session.continuations([view.session.neutral, [float("nan"), 0.3, 1.0]], max_new_tokens=20)
    assert texts.all_inner_texts() == last
    place.get_by_label("Tokens to write").fill("6")
    browser_page.keyboard.press("Enter")
    frame(browser_page)
    assert view.max_new_tokens == 6
    assert len(texts.nth(1).inner_text().split()) <= 6
    place.get_by_label("on release").uncheck()
    drag(browser_page, place, 0.5)
    frame(browser_page)
    assert not view.continue_on_release
    assert "sp-old" in texts.nth(1).get_attribute("class")


def test_a_continuation_streams_and_stops(show: Any, browser_page: Any, loop: Loop) -> None:
    view = panel(strengths=[None, 0.3, 1.0])
    place = show(view)
    loop.step(4)
    frame(browser_page)
    assert place.locator(".sp-below [role=status]").inner_text() == "4 of 20 tokens"
    drag(browser_page, place, 0.6, let_go=False)
    frame(browser_page)
    loop.step(2)
    frame(browser_page)
    assert loop._waiting == []  # a slider that moves stops it
    browser_page.mouse.up()
    frame(browser_page)
    loop.step(3)
    frame(browser_page)
    place.locator(".sp-below").get_by_role("button", name="Stop").click()
    frame(browser_page)
    loop.step(2)
    assert loop._waiting == []
    assert place.locator(".sp-below").get_by_role("button", name="Continue").is_visible()


def test_presets_are_saved_applied_and_deleted(show: Any, browser_page: Any, tmp_path: Path) -> None:
    view = panel(continue_on_release=False)
    place = show(view)
    view.strengths = [1.0, 0.3, 0.5]
    place.get_by_label("Name of a preset").fill(EVIL)
    browser_page.keyboard.press("Enter")
    assert view.presets[EVIL]["strengths"]["head 3.1, layer 3, all positions"] == 0.5
    place.get_by_role("button", name="Reset", exact=True).click()
    place.locator(".sp-chip-name").click()
    assert view.strengths == [1.0, 0.3, 0.5]
    assert place.locator(".sp-chip-name").get_attribute("aria-pressed") == "true"
    text = save(browser_page, place, "JSON").decode()
    before = view.presets
    view.presets = {}
    view.load_presets(text)
    assert view.presets == before
    frame(browser_page)
    place.locator(".sp-chip-clear").click()
    assert view.presets == {}
    (tmp_path / "mine.json").write_text(text)
    place.get_by_label("File of presets").set_input_files(tmp_path / "mine.json")
    place.locator(".sp-chip-name").wait_for()
    assert view.presets == before
    (tmp_path / "other.json").write_text(text.replace('"demo"', '"gpt2"'))
    place.get_by_label("File of presets").set_input_files(tmp_path / "other.json")
    place.get_by_text("These presets are of gpt2, and this panel steers demo.").wait_for()


# -- files


def test_the_files(show: Any, browser_page: Any) -> None:
    view = panel(strengths=[None, 0.3, 0.5], title="A & <b>")
    place = show(view)
    place.locator("mark").first.wait_for()
    svg = save(browser_page, place, "SVG").decode()
    texts = "".join(ET.fromstring(svg).itertext())
    for part in ("A & <b>", "add Mary − John", "head 3.1", view.start["tokens"][0]["text"], "steered, continued"):
        assert part in texts
    assert save(browser_page, place, "PNG").startswith(b"\x89PNG")
    table = list(csv.DictReader(io.StringIO(save(browser_page, place, "CSV").decode())))
    assert [row["token"] for row in table] == [one["text"] for one in view.start["tokens"]]
    # computed anew, in another batch: both its logit and the sum over all tokens may move by rounding
    apart = 2 * logit_floor(view.session.scope, view.steered.logits)
    assert float(table[0]["steered"]) == pytest.approx(view.start["tokens"][0]["p"], rel=apart)
    assert b"Content-Security-Policy" in save(browser_page, place, "HTML")


def test_the_code_in_the_clipboard_makes_it_again(show: Any, browser_page: Any) -> None:
    view = panel(strengths=[None, 0.3, 0.5])
    place = show(view)
    place.get_by_role("button", name="Copy as code").click()
    browser_page.get_by_text("Copied as Python code.").wait_for()
    space: dict[str, Any] = {}
    lines = browser_page.evaluate("navigator.clipboard.readText()").splitlines()
    exec("\n".join(lines[:-1]), space)  # as it stands, in a kernel that knows nothing
    exec(f"made = {lines[-1]}", space)
    np.testing.assert_allclose(space["made"].steered.logits, view.steered.logits, atol=1e-4)


def written() -> Steps[list[str]]:
    texts = [EVIL, "a\n\u202e" + EVIL]
    yield JobStatus("running", partial=texts)
    return texts


def test_untrusted_text_stays_text(show: Any, browser_page: Any) -> None:
    view = panel(strengths=[None, 0.3, 0.5], title=EVIL)
    view._reader._texts = dict.fromkeys(range(720), EVIL)
    view.prompt_tokens, view.answers = [EVIL] * 3, [EVIL, EVIL]
    view._session.submit_continuations = lambda *_, **__: Job(written())
    view.strengths = [None, 0.31, 0.5]
    place = show(view)
    place.locator("mark").first.wait_for()
    assert browser_page.locator("img").count() == 0
    assert EVIL in place.locator(".sp-text").first.inner_text()
    assert "↵" in place.locator(".sp-text").nth(1).inner_text()
    assert "\u202e" not in place.locator(".sp-text").nth(1).inner_text()
    ET.fromstring(save(browser_page, place, "SVG"))


# -- a saved page


@pytest.fixture
def saved(browser_page: Any, tmp_path: Path) -> Iterator[Callable[[SteeringPanel], Any]]:
    def saved(view: SteeringPanel) -> Any:
        browser_page.context.set_offline(True)
        browser_page.goto(view.to_html(tmp_path / "page.html").as_uri())
        place = browser_page.locator("#view-0")
        place.locator(".sp-table tbody tr").first.wait_for(state="attached")
        return place

    yield saved
    browser_page.context.set_offline(False)  # all pages have one context


def test_every_slider_of_a_saved_page_moves(saved: Any, browser_page: Any) -> None:
    view = panel(strengths=[None, 0.1, 0.5], max_new_tokens=4)
    finished(view.answer_sweep(1, [None, 0.1, 0.5]))
    place = saved(view)
    status = place.locator(".sp-status")
    assert status.inner_text() == "computed"
    assert f"{view.steered.kl:.2f} nats" in dials(place)
    (*_, last) = view.session.continuations([view.session.neutral, [float("nan"), 0.1, 0.5]], max_new_tokens=4)
    assert place.locator(".sp-text").all_inner_texts() == last
    assert place.locator(".sp-plot circle").count() == 11

    field(place).fill("0.2")
    browser_page.keyboard.press("Enter")
    frame(browser_page)
    exact = finished(view.answer_steer([None, 0.2, 0.5]))[0]
    assert status.inner_text() == "computed"
    assert f"{exact['kl']:.2f} nats" in dials(place)
    shown = rows(browser_page, place)
    first = exact["tokens"][0]
    assert [row[2] for row in shown if row[0] == first["text"]] == [f"{first['p']:.6f}"]

    field(place).fill("0.23")
    browser_page.keyboard.press("Enter")
    frame(browser_page)
    assert status.inner_text() == "interpolated between 12 computed strengths"
    thumb(place, "head 3.1").focus()
    browser_page.keyboard.press("Home")
    frame(browser_page)
    assert "one slider moves at a time" in place.locator(".sw-note").inner_text()
    assert field(place).input_value() == "0.1"
    assert f"{finished(view.answer_steer([None, 0.1, 0.0]))[0]['kl']:.2f} nats" in dials(place)
    field(place, "head 3.1").fill("9")
    browser_page.keyboard.press("Enter")
    frame(browser_page)
    assert "were not computed" in status.inner_text()
    drag(browser_page, place, 0.75, "neuron 1:5")
    frame(browser_page)
    assert status.inner_text() in ("computed", "interpolated between 11 computed strengths")


def test_a_saved_page_offers_nothing_that_needs_the_kernel(saved: Any, browser_page: Any) -> None:
    place = saved(panel(selected_heads=[(0, 0)], max_new_tokens=3))
    assert place.get_by_text("Add head 0.0").count() == 0
    assert place.get_by_role("button", name="Continue").count() == 0
    assert not place.get_by_label("Remove: head 3.1").is_visible()
    assert not place.get_by_label("Sweep: what each strength does: head 3.1").is_visible()
    place.get_by_role("button", name="Copy as code").click()
    browser_page.get_by_text("Copied as Python code.").wait_for()


# -- looks


@pytest.mark.parametrize("width", [320, 360, 480, 799, 800, 1000, 1400])
def test_nothing_is_cut_off(show: Any, browser_page: Any, width: int) -> None:
    browser_page.set_viewport_size({"width": 1440, "height": 1000})
    view = panel(interventions=many(5), fluent={}, presets={name: {"strengths": {}, "enabled": {}} for name in "abc"})
    place = show(view, width=width)
    place.get_by_label("Sweep: what each strength does: add Mary − John").first.click()
    place.locator(".sp-plot circle").first.wait_for()
    frame(browser_page)
    beyond = place.locator(".sw").evaluate(
        """root => {
            const { left, right } = root.getBoundingClientRect();
            return [...root.querySelectorAll("button, input, canvas, .sp-track, .sp-numbers, .sp-numbers *, .sp-text")]
                .filter((e) => e.offsetParent && !e.closest(".sw-hidden, .sw-menu"))
                .filter((e) => {
                    const box = e.getBoundingClientRect();
                    return box.left < left - 1 || box.right > right + 1;
                })
                .map((e) => e.className + e.textContent);
        }"""
    )
    assert beyond == []


def test_the_keys_are_listed(show: Any, browser_page: Any) -> None:
    place = show(panel())
    thumb(place).focus()
    browser_page.keyboard.press("?")
    assert "Shift ten times" in place.get_by_role("dialog", name="Keys").inner_text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_screenshots(show: Any, browser_page: Any, screenshot: Any, scheme: str) -> None:
    browser_page.emulate_media(color_scheme=scheme)
    view = panel(presets={"a little": {"strengths": {}, "enabled": {}}})
    place = show(view)
    place.get_by_label("Sweep: what each strength does: add Mary − John").click()
    place.locator(".sp-plot circle").first.wait_for()
    thumb = place.get_by_role("slider", name="add Mary − John")
    thumb.focus()
    for _ in range(3):
        browser_page.keyboard.press("Shift+ArrowRight")
    frame(browser_page)
    screenshot(place, f"steering-{scheme}")


@pytest.mark.parametrize("width", [320, 640, 820, 1400])
def test_screenshots_of_many(show: Any, browser_page: Any, screenshot: Any, width: int) -> None:
    place = show(panel(directions=[], heads=[], neurons=[], interventions=many(12)), width=width)
    frame(browser_page)
    screenshot(place, f"steering-12-{width}")


@pytest.mark.parametrize("width", [360, 1200])
def test_screenshots_of_odd_tokens(show: Any, browser_page: Any, screenshot: Any, width: int) -> None:
    odd = [
        "<|endoftext|>",
        "\n",
        " <0xE2>",
        " pneumonoultramicroscopicsilicovolcanoconiosis",
        "\u202egnp",
        " &amp;",
        "日本語",
    ]
    view = panel(heads=[], neurons=[])
    view._reader._texts = {id_: odd[id_ % len(odd)] for id_ in range(720)}
    view.strengths = [0.05]
    place = show(view, width=width)
    place.get_by_label("Sweep: what each strength does: add Mary − John").click()
    place.locator(".sp-plot circle").first.wait_for()
    frame(browser_page)
    screenshot(place, f"steering-odd-{width}")


def test_screenshot_of_nothing(show: Any, screenshot: Any) -> None:
    screenshot(show(panel(directions=[], heads=[], neurons=[])), "steering-empty")
