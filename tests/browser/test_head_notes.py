"""Notes on heads: written in one view, read in those that share the selection, in a real Chromium."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import pandas as pd
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


@pytest.fixture(scope="module")
def results(demo: Any) -> dict[str, Any]:
    trace = demo.trace(PROMPT)
    compared = {"answer": " Mary", "versus": " John"}
    return {
        "attention": trace,
        "table": heads.score(trace, null_draws=0),
        "attribution": lens.direct_logit_attribution(trace, **compared),
        "map": patching.activations(demo, PROMPT, CORRUPTED, **compared, over="head"),
        "circuit": circuits.discover(demo, ioi.prompts(demo, n=6, seed=1).task(), "eap").keep(40),
    }


VIEWS = {
    "attention": AttentionView,
    "table": HeadTable,
    "attribution": AttributionView,
    "map": PatchingMap,
    "circuit": CircuitGraph,
}


@pytest.fixture
def show(browser_page: Any, mount: Any, results: Any) -> Any:
    """``show(names, width, theme, notes)`` gives the selection and the place of each view."""

    def show(
        names: Any = tuple(VIEWS), width: int = 1000, theme: str = "light", notes: Any = None
    ) -> tuple[Any, dict[str, Any]]:
        chosen = Selection(heads=[(3, 1)], notes=notes)
        views = [VIEWS[name](results[name], selection=chosen, theme=theme) for name in names]
        return chosen, dict(zip(names, mount(browser_page, *views, width=width), strict=True))

    return show


def settled(page: Any) -> None:
    """Wait until the page has what Python was told."""
    page.evaluate("() => globalThis.settled?.()")


def written(place: Any) -> str:
    return place.locator(".sw-headnote-closed").inner_text().replace("\n", " ").strip()


def test_a_note_written_in_one_view_stands_in_all_and_in_python(show: Any, browser_page: Any) -> None:
    chosen, places = show()
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


def test_keys_alone_write_keep_and_delete(show: Any, browser_page: Any) -> None:
    chosen, places = show(("attribution", "map"), notes={(3, 1): NOTE})
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


def test_what_was_typed_is_kept_on_its_head_when_another_is_chosen(show: Any, browser_page: Any) -> None:
    chosen, places = show(["table"])
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


def saved(page: Any, place: Any, choice: str) -> str:
    place.get_by_label("Save", exact=True).click()
    with page.expect_download() as download:
        place.get_by_role("menuitem", name=choice, exact=True).click()
    return Path(download.value.path()).read_text(encoding="utf-8")


def test_copied_code_tables_and_figures_have_the_notes(show: Any, browser_page: Any, demo: Any) -> None:
    chosen, places = show(notes={(3, 1): NOTE, (0, 2): 'says "the" \\'})
    for name, place in places.items():
        place.get_by_label("Copy as code").click()
        code = browser_page.evaluate("navigator.clipboard.readText()")
        lines = code[code.index("selection = ") : code.index("})\n", code.index("selection = ")) + 3]
        made: dict[str, Any] = {}
        exec(f"from scope_widgets.widgets import Selection\n{lines}", made)
        assert made["selection"].notes == chosen.notes, name
        assert re.search(r"^from scope_widgets\.widgets import \w+, Selection$", code, re.MULTILINE), name
        assert "selection=selection)" in code.splitlines()[-1 if name != "circuit" else -2], name
        svg = " ".join(re.sub(r"<[^>]*>", " ", saved(browser_page, place, "SVG")).split())
        assert f"3.1, {NOTE}." in svg, name
    for name, choice in (("table", "CSV, rows shown"), ("attribution", "CSV"), ("map", "CSV")):
        rows = pd.read_csv(io.StringIO(saved(browser_page, places[name], choice)), keep_default_na=False)
        noted = rows[rows["head_note"] == NOTE]
        assert set(zip(noted["layer"], noted["head"], strict=True)) == {(3, 1)}, name


@pytest.mark.parametrize(("width", "theme"), [(480, "dark"), (1000, "light")])
def test_pictures(show: Any, screenshot: Any, width: int, theme: str) -> None:
    _, places = show(width=width, theme=theme, notes={(3, 1): NOTE})
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
