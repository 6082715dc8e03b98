"""AttentionView of two prompts of other lengths, and of two models, in a real browser."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import pytest

from scope_widgets.widgets import AttentionView
from tests.browser.test_attention_view import cell_at, show, thumbnail, tooltip  # noqa: F401
from tests.support.trace_examples import FakeTrace
from tests.support.view_page import frame

A = ["When", " Mary", " and", " John", " went", ",", " John", " gave", " it", " to"]
B = ["Then", " Mary", " Ann", " and", " John", " went", " home", ",", " John", " gave", " to"]
#: of each token of A the one of B
PARTNERS = [-1, 1, 3, 4, 5, 7, 8, 9, -1, 10]


def traces() -> tuple[FakeTrace, FakeTrace]:
    return FakeTrace(tokens=A), FakeTrace(tokens=B, seed=1)


def test_it_says_what_is_aligned_and_points_in_both(show: Any, browser_page: Any) -> None:  # noqa: F811
    a, b = traces()
    view, place = show(a, b, selected_heads=[(1, 1)])
    assert view.partners == PARTNERS
    said = place.locator(".av-comparison").inner_text()
    assert said == "8 of 10 tokens of A are aligned with one of B by token; B − A is over these, and hatched elsewhere."
    assert place.locator(".av-sentence").count() == 2
    assert place.locator(".av-alone").evaluate_all("all => all.map(e => e.dataset.at)") == ["0", "8", "0", "2", "6"]
    values = float(a.attention(1)[1, 7, 3]), float(b.attention(1)[1, 9, 4])
    for panel, query, key in (("a", 7, 3), ("b", 9, 4), ("difference", 7, 3)):
        browser_page.mouse.move(*cell_at(place, query, key, panel))
        frame(browser_page)
        note = tooltip(place)
        assert all(f"{value:.6f}" in note for value in values), (panel, note)
        marked = place.locator(".av-query").evaluate_all("all => all.map(e => e.dataset.at)")
        assert marked == ["7", "9"]
    browser_page.mouse.move(*cell_at(place, 8, 3))
    assert tooltip(place).count("not aligned") == 2
    browser_page.mouse.move(*cell_at(place, 8, 3, "difference"))
    frame(browser_page)
    assert "NaN" not in place.inner_text()


def test_a_token_of_either_selects_the_pair(show: Any, browser_page: Any) -> None:  # noqa: F811
    view, place = show(*traces(), selected_heads=[(1, 1)])
    second = place.locator(".av-sentence").nth(1)
    second.locator('[data-at="5"]').click()
    assert view.selected_tokens == [4]
    chosen = place.locator(".av-token.av-selected").evaluate_all("all => all.map(e => e.dataset.at)")
    assert chosen == ["4", "5"]
    second.locator('[data-at="2"]').click()
    assert view.selected_tokens == [4]
    assert "this one has none" in place.locator(".sw-note, [role=status]").all_inner_texts().__str__()
    second.focus()
    second.press("End")
    second.press("Enter")
    assert view.selected_tokens == [9]


def test_the_zoom_of_one_shows_the_same_part_of_the_other(show: Any, browser_page: Any) -> None:  # noqa: F811
    _, place = show(*traces(), selected_heads=[(1, 1)])
    browser_page.mouse.move(*cell_at(place, 7, 3))
    for _ in range(3):
        browser_page.keyboard.press("+")
    frame(browser_page)
    # the same number of cells, so cells as large
    sizes = [
        place.locator(f'.av-matrix[data-panel="{panel}"] .sw-cell').bounding_box()["width"] for panel in ("a", "b")
    ]
    assert sizes[0] == pytest.approx(sizes[1], abs=2)


def test_the_csv_has_both_positions(show: Any, browser_page: Any) -> None:  # noqa: F811
    a, b = traces()
    _, place = show(a, b, selected_heads=[(1, 1)])
    place.get_by_role("button", name="Save").click()
    with browser_page.expect_download() as download:
        place.get_by_role("menuitem", name="CSV").click()
    rows = list(csv.DictReader(io.StringIO(Path(download.value.path()).read_text("utf-8"))))
    assert len({(row["query_a"], row["key_a"]) for row in rows if row["query_a"]}) == 55
    assert len({(row["query_b"], row["key_b"]) for row in rows if row["query_b"]}) == 66
    row = next(row for row in rows if (row["query_a"], row["key_a"]) == ("7", "3"))
    assert (row["query_b"], row["key_b"], row["key_token_b"]) == ("9", "4", " John")
    assert float(row["b_minus_a"]) == pytest.approx(float(b.attention(1)[1, 9, 4] - a.attention(1)[1, 7, 3]), abs=1e-6)
    assert all(row["b_minus_a"] == "" for row in rows if not row["query_a"] or not row["query_b"])


def test_heads_of_unlike_models_stand_beside_each_other_without_difference(show: Any, browser_page: Any) -> None:  # noqa: F811
    a, b = FakeTrace(4, 4, A), FakeTrace(2, 3, B, seed=1)
    b.model_id = "somewhere/other"
    view, place = show(a, b, pairs={(3, 1): (1, 2)}, selected_heads=[(3, 1)])
    titles = place.locator(".av-panel > b")
    assert titles.all_inner_texts() == ["A", "B: 1.2"]
    browser_page.mouse.move(*cell_at(place, 9, 4, "b"))
    assert f"{float(b.attention(1)[2, 9, 4]):.6f}" in tooltip(place)
    view.selected_heads = [(3, 3)]
    frame(browser_page)
    assert titles.all_inner_texts() == ["A", "none in B"]
    assert "B has no head 3.3" in place.locator(".av-comparison").inner_text()
    assert place.locator(".av-pending").count() == 0
    place.get_by_role("radio", name="B", exact=True).click()
    browser_page.mouse.move(*thumbnail(place, 3, 1))
    assert tooltip(place).startswith("Head 3.1, B: 1.2")


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_pictures_to_look_at(show: Any, screenshot: Any, browser_page: Any, theme: str) -> None:  # noqa: F811
    _, place = show(*traces(), theme=theme, selected_heads=[(1, 1)], selected_tokens=[4], width=1000)
    browser_page.mouse.move(*cell_at(place, 7, 3))
    screenshot(place, f"side-by-side-{theme}")


def test_a_saved_page_shows_both(browser_page: Any, tmp_path: Path) -> None:
    a, b = traces()
    file = tmp_path / "both.html"
    AttentionView(a, b, selected_heads=[(1, 1)]).to_html(file)
    browser_page.goto(file.as_uri())
    place = browser_page.locator(".sw")
    place.locator(".av-matrix .sw-cell").first.wait_for(state="attached")
    frame(browser_page)
    browser_page.mouse.move(*cell_at(place, 9, 4, "b"))
    frame(browser_page)
    assert f"{float(a.attention(1)[1, 7, 3]):.6f}" in tooltip(place)
