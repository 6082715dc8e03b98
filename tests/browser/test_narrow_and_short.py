"""Views in little room, narrow and low: nothing runs over their edge, and what lies over them is whole."""

from __future__ import annotations

from typing import Any

import pytest

from scope_widgets import heads
from scope_widgets.widgets import AttentionView, HeadTable
from tests.support.every_view import every_view
from tests.support.view_page import frame, until

PROMPT = "When Mary and John went to the store, John gave a drink to"
#: parts of a view that are seen beyond its lower or right edge, or the picture of which another part lies over
OVER = """(root) => {
    const edge = root.getBoundingClientRect();
    const shown = (one) => one.offsetHeight && !one.matches("style, .sw-hidden, .sw-edge, [popover]");
    const parts = [...root.children].filter(shown).map((one) => [one.className, one.getBoundingClientRect()]);
    const out = parts.filter(([, box]) => box.bottom > edge.bottom + 1 || box.right > edge.right + 1);
    const pairs = parts.slice(1).filter(([, box], at) => box.top < parts[at][1].bottom - 1);
    const inner = root.scrollHeight > root.clientHeight + 1 || root.scrollWidth > root.clientWidth + 1;
    return [...out, ...pairs].map(([name]) => name).concat(inner ? ["root"] : []);
}"""
#: whether all corners of an element are seen
WHOLE = """(one) => {
    const { left, top, right, bottom } = one.getBoundingClientRect();
    const corners = [[left + 3, top + 3], [right - 3, top + 3], [left + 3, bottom - 3], [right - 3, bottom - 3]];
    return corners.every(([x, y]) => one.contains(document.elementFromPoint(x, y)));
}"""
VIEWS = every_view()


@pytest.mark.parametrize("name", VIEWS)
def test_a_view_keeps_the_height_that_it_needs(browser_page: Any, mount: Any, name: str) -> None:
    (place,) = mount(browser_page, VIEWS[name], width=380)
    root, edge = place.locator(".sw"), place.locator(".sw-edge")
    for width in (380, 860):
        place.evaluate("(one, width) => { one.style.width = `${width}px`; }", width)
        edge.focus()
        for _ in range(30):
            edge.press("ArrowUp")
        frame(browser_page)
        assert root.evaluate(OVER) == [], width
        browser_page.keyboard.press("?")
        sheet = place.get_by_role("dialog", name="Keys and definitions")
        sheet.wait_for()
        assert sheet.evaluate(WHOLE)
        box = sheet.bounding_box()
        assert box["height"] > 300
        assert box["y"] >= 0
        assert box["y"] + box["height"] <= browser_page.viewport_size["height"]
        browser_page.keyboard.press("Escape")
        place.get_by_role("button", name="Save", exact=True).click()
        assert place.locator(".sw-menu").evaluate(WHOLE)
        browser_page.keyboard.press("Escape")


def test_the_sheet_goes_with_the_page_that_is_scrolled(browser_page: Any, mount: Any, demo: Any) -> None:
    scores = heads.score(demo.trace(PROMPT))
    browser_page.set_viewport_size({"width": 1200, "height": 1400})  # of a lower window it would reach both edges
    table, _ = mount(browser_page, HeadTable(scores), HeadTable(scores), width=700)
    browser_page.evaluate("document.body.style.paddingBottom = '2000px'")
    table.get_by_role("button", name="Keys and definitions").click()
    sheet, bar = table.locator(".sw-keys"), table.locator(".sw-bar")
    distance = sheet.bounding_box()["y"] - bar.bounding_box()["y"]
    browser_page.evaluate("window.scrollBy(0, 10)")
    until(browser_page, "() => window.scrollY === 10")
    frame(browser_page)
    assert sheet.bounding_box()["y"] - bar.bounding_box()["y"] == distance
    table.evaluate("one => one.remove()")
    browser_page.evaluate("window.scrollBy(0, 10)")
    frame(browser_page)


def test_columns_beyond_the_edge_of_a_table_are_shown_by_a_fade(browser_page: Any, mount: Any, demo: Any) -> None:
    scores = heads.score(demo.trace(PROMPT))
    (place,) = mount(browser_page, HeadTable(scores, heads.label(scores)), width=480)
    box, grid = place.locator(".sw-box"), place.locator(".sw-grid")
    assert "sw-more" in box.get_attribute("class")
    grid.evaluate("one => one.scrollTo(one.scrollWidth, 0)")
    until(browser_page, "() => !document.querySelector('.sw-more')")
    header = place.locator(".sw-header > :last-child").bounding_box()
    seen = grid.bounding_box()
    assert header["x"] + header["width"] <= seen["x"] + seen["width"] + 1
    browser_page.evaluate("document.querySelector('.view').style.width = '1600px'")
    frame(browser_page)
    assert "sw-more" not in box.get_attribute("class")


def test_a_table_of_few_rows_shows_them_whatever_stands_around(browser_page: Any, mount: Any, demo: Any) -> None:
    scores = heads.score(demo.trace(PROMPT))
    (place,) = mount(browser_page, HeadTable(scores), width=400)
    before = place.locator(".sw-grid").bounding_box()["height"]
    place.locator(".sw-row").first.click()
    place.get_by_role("button", name="Ablate").click()
    place.locator(".sw-touch-numbers > *").first.wait_for()
    frame(browser_page)
    assert place.locator(".sw-grid").bounding_box()["height"] >= before - 4
    assert place.locator(".sw").evaluate(OVER) == []


@pytest.mark.parametrize("width", range(300, 500, 40))
def test_what_takes_a_head_away_stands_beside_its_name(
    browser_page: Any, mount: Any, demo: Any, width: int, screenshot: Any
) -> None:
    view = AttentionView(demo.trace(PROMPT), selected_heads=[(layer, head) for layer in (0, 3) for head in range(4)])
    (place,) = mount(browser_page, view, width=width)
    screenshot(place, f"crosses-{width}", compared=False)
    beside = "one => [one, one.previousElementSibling].map((each) => each.getBoundingClientRect())"
    assert place.locator(".sw-bar").bounding_box()["height"] < 100
    for cross in [*place.locator(".sw-chip-clear").all(), place.locator(".av-named > :last-child")]:
        cross.scroll_into_view_if_needed()
        own, name = cross.evaluate(beside)
        assert abs((own["top"] + own["bottom"]) - (name["top"] + name["bottom"])) <= 2
        assert own["left"] >= name["right"] - 1
        assert own["right"] <= place.bounding_box()["x"] + width
        cross.click(trial=True)  # nothing lies over it
    assert place.locator(".sw").evaluate(OVER) == []
