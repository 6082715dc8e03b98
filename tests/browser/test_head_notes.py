"""Notes on heads: written in one view, read in those that share the selection, in a real Chromium."""

from __future__ import annotations

from typing import Any

import pytest

from scope_widgets import circuits, heads, ioi, lens, patching
from scope_widgets.widgets import (
    AttentionView,
    AttributionView,
    CircuitGraph,
    HeadTable,
    PatchingMap,
    Selection,
    save_html,
)

PROMPT = "When Mary and John went to the store, John gave a drink to"
CORRUPTED = "When Mary and John went to the store, Mary gave a drink to"
NOTE = "moves the name, attends to IO"
HOSTILE = "<img src=x onerror=window.executed=1> </script>"


@pytest.fixture
def every(browser_page: Any, mount: Any, demo: Any) -> Any:
    """``every(width, theme)`` gives the selection and the place of each view that shows heads."""

    def every(width: int = 1000, theme: str = "light", notes: Any = None) -> tuple[Any, dict[str, Any]]:
        trace = demo.trace(PROMPT)
        circuit = circuits.discover(demo, ioi.prompts(demo, n=6, seed=1).task(), "eap").keep(40)
        compared = {"answer": " Mary", "versus": " John"}
        chosen = Selection(heads=[(3, 1)], notes=notes)
        shared: dict[str, Any] = {"selection": chosen, "theme": theme}
        views = {
            "attention": AttentionView(trace, **shared),
            "table": HeadTable(heads.score(trace, null_draws=0), columns=["induction", "entropy"], **shared),
            "attribution": AttributionView(lens.direct_logit_attribution(trace, **compared), trace=trace, **shared),
            "map": PatchingMap(patching.activations(demo, PROMPT, CORRUPTED, **compared, over="head"), **shared),
            "circuit": CircuitGraph(circuit, **shared),
        }
        return chosen, dict(zip(views, mount(browser_page, *views.values(), width=width), strict=True))

    return every


def settled(page: Any) -> None:
    """Wait until the page has what Python was told."""
    page.evaluate("() => globalThis.settled?.()")


def written(place: Any) -> str:
    return place.locator(".sw-headnote-closed").inner_text().replace("\n", " ").strip()


def test_a_note_written_in_one_view_stands_in_all_and_in_python(every: Any, browser_page: Any) -> None:
    chosen, places = every()
    assert {written(place) for place in places.values()} == {"note"}
    places["attention"].get_by_role("button", name="Write a note on 3.1").click()
    browser_page.keyboard.type(NOTE)
    browser_page.keyboard.press("Enter")
    assert chosen.notes == {(3, 1): NOTE}
    assert {written(place) for place in places.values()} == {f"note: {NOTE}"}
    chosen.notes[3, 1] = HOSTILE
    settled(browser_page)
    assert written(places["table"]) == f"note: {HOSTILE}"
    assert browser_page.evaluate("window.executed") is None


def test_keys_alone_write_keep_and_delete(every: Any, browser_page: Any) -> None:
    chosen, places = every(notes={(3, 1): NOTE})
    place = places["attribution"]
    field = place.get_by_label("Note on 3.1: Enter")
    place.get_by_role("button", name=f"Note on 3.1: {NOTE}").focus()
    browser_page.keyboard.press("a")
    assert field.input_value() == NOTE
    browser_page.keyboard.type("something else")
    browser_page.keyboard.press("Escape")
    assert chosen.notes == {(3, 1): NOTE}
    browser_page.keyboard.press("a")
    field.fill("x" * 301)
    field.press("Enter")
    assert "300 characters at most, and this one has 301" in place.locator(".sw-headnote").inner_text()
    field.fill("")
    field.press("Enter")
    assert chosen.notes == {}
    assert written(places["map"]) == "note"


def test_what_was_typed_is_kept_on_its_head_when_another_is_chosen(every: Any, browser_page: Any) -> None:
    chosen, places = every()
    places["table"].get_by_role("button", name="Write a note on 3.1").click()
    browser_page.keyboard.type(NOTE)
    chosen.heads = [(2, 0)]
    settled(browser_page)
    assert chosen.notes == {(3, 1): NOTE}
    assert written(places["table"]) == "note"


def test_a_saved_page_has_notes_to_be_read(browser_page: Any, demo: Any, tmp_path: Any) -> None:
    chosen = Selection(heads=[(3, 1)], notes={(3, 1): HOSTILE})
    view = AttentionView(demo.trace(PROMPT), selection=chosen)
    browser_page.goto(save_html([view], tmp_path / "page.html").as_uri())
    note = browser_page.locator(".sw-headnote-closed")
    assert note.inner_text().replace("\n", " ") == f"3.1 note: {HOSTILE}"
    assert note.is_disabled()
    chosen.heads = [(2, 0)]
    browser_page.goto(save_html([view], tmp_path / "page.html").as_uri())
    browser_page.locator(".av-body").wait_for()
    assert browser_page.locator(".sw-headnote").is_hidden()


@pytest.mark.parametrize(("width", "theme"), [(480, "dark"), (1000, "light")])
def test_pictures(every: Any, screenshot: Any, width: int, theme: str) -> None:
    _, places = every(width, theme, {(3, 1): NOTE})
    for name, place in places.items():
        screenshot(place, f"notes-{name}-{theme}-{width}", compared=False)
    place = places["attention"]
    place.locator(".sw-headnote-closed").click()
    field = place.locator(".sw-headnote-field")
    field.fill("long " * 70)
    field.press("Enter")
    screenshot(place, f"notes-refused-{theme}-{width}", compared=False)
    field.fill("")
    field.press("Enter")
    for name in ("attention", "table", "circuit"):
        screenshot(places[name], f"notes-none-{name}-{theme}-{width}", compared=False)
