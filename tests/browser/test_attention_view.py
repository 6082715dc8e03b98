"""AttentionView in a real Chromium, joined to its real Python half."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest
import torch

from scope_widgets.widgets import Selection, attention_view
from scope_widgets.widgets.attention_view import AttentionView
from tests.support.trace_examples import FakeTrace
from tests.support.view_page import Work, frame, most, works

pytestmark = pytest.mark.browser

EVIL = "<img src=x onerror=window.evil=1>"


@pytest.fixture
def show(browser_page: Any, mount: Callable[..., list[Any]]) -> Callable[..., tuple[AttentionView, Any]]:
    """``show(trace, ...)`` gives the view and its locator, drawn."""

    def show(*traces: Any, width: int = 1160, **options: Any) -> tuple[AttentionView, Any]:
        view = AttentionView(*(traces or (FakeTrace(),)), **options)
        (place,) = mount(browser_page, view, width=width)
        frame(browser_page)
        return view, place

    return show


def thumbnail(place: Any, layer: int, head: int) -> tuple[float, float]:
    """Middle of a thumbnail, in pixels of the page."""
    box = place.locator(".av-cells").bounding_box()
    size = place.locator(".av-cells canvas").first.bounding_box()
    view = place.page.evaluate("[models[0].get('n_layers'), models[0].get('n_heads')]")
    return (
        box["x"] + (head + 0.4) * size["width"] / view[1],
        box["y"] + (layer + 0.4) * size["height"] / view[0],
    )


def label_room(place: Any, panel: str = "a") -> dict[str, float]:
    """Where the square of cells of a matrix stands: from the focusable cell (0, 0) and its size."""
    matrix = place.locator(f'.av-matrix[data-panel="{panel}"]')
    box = matrix.bounding_box()
    cell = matrix.locator(".sw-cell").evaluate(
        "cell => { const b = cell.getBoundingClientRect(); const row = +cell.parentElement.ariaRowIndex || "
        "+cell.parentElement.getAttribute('aria-rowindex'); const column = +cell.getAttribute('aria-colindex'); "
        "return {x: b.x - (column - 1) * b.width, y: b.y - (row - 1) * b.height, size: b.width}; }"
    )
    return {**cell, "box": box}


def cell_at(place: Any, query: int, key: int, panel: str = "a") -> tuple[float, float]:
    room = label_room(place, panel)
    return room["x"] + (key + 0.5) * room["size"], room["y"] + (query + 0.5) * room["size"]


def tooltip(place: Any) -> str:
    note = place.locator(".sw-tooltip")
    return note.inner_text() if note.is_visible() else ""


# -- seeing


def test_it_says_what_it_shows(show: Any) -> None:
    _, place = show()
    assert place.locator(".sw-title").inner_text() == "Attention, SmolLM2-135M, 14 tokens"
    assert place.locator(".av-token").count() == 14
    assert place.locator(".av-rows span").count() == 3
    assert place.locator(".av-columns span").count() == 4
    axes = [place.locator(name).inner_text() for name in (".av-corner", ".av-columns b")]
    assert axes == ["layer", "head"]


def test_pointing_at_a_head_previews_it_and_clicking_opens_it(show: Any, browser_page: Any) -> None:
    view, place = show(labels={(1, 2): "I"})
    browser_page.mouse.move(*thumbnail(place, 1, 2))
    assert tooltip(place) == "Head 1.2, induction (I)"
    assert place.locator(".av-name").inner_text() == "Head 1.2, induction, click to open"
    browser_page.mouse.click(*thumbnail(place, 1, 2))
    assert view.selected_heads == [(1, 2)]
    frame(browser_page)
    assert place.locator(".av-name").inner_text() == "Head 1.2, induction"


def test_hover_shows_exact_values(show: Any, browser_page: Any) -> None:
    trace = FakeTrace()
    _, place = show(trace, selected_heads=[(2, 1)])
    for query, key in ((13, 0), (9, 3), (5, 5)):
        browser_page.mouse.move(*cell_at(place, query, key))
        assert f"{float(trace.attention(2)[1, query, key]):.6f}" in tooltip(place)
    browser_page.mouse.move(*cell_at(place, 3, 9))  # above the diagonal there is nothing
    assert tooltip(place) == ""


def test_the_table_of_exact_values_follows_the_pointer(show: Any, browser_page: Any) -> None:
    trace = FakeTrace()
    _, place = show(trace, selected_heads=[(0, 0)])
    browser_page.mouse.move(*cell_at(place, 12, 2))
    frame(browser_page)
    row = trace.attention(0)[0, 12, :13]
    best = int(row.argmax())
    first = place.locator(".av-details tbody tr").first.inner_text().split("\t")
    assert first[0] == str(best)
    assert first[2] == f"{float(row[best]):.6f}"
    assert place.locator(".av-details th").first.get_attribute("scope") == "col"


def test_a_token_underlines_what_it_attends_to(show: Any, browser_page: Any) -> None:
    trace = FakeTrace()
    _, place = show(trace, selected_heads=[(1, 1)])
    place.locator(".av-token").nth(7).hover()
    frame(browser_page)
    shadows = place.locator(".av-token").evaluate_all("spans => spans.map(span => span.style.boxShadow)")
    strongest = int(trace.attention(1)[1, 7, :8].argmax())
    assert "inset" in shadows[strongest]
    assert any("inset" in shadow for shadow in shadows[8:])  # and above: those that attend to it
    browser_page.mouse.move(5, 5)
    frame(browser_page)
    assert not any(place.locator(".av-token").evaluate_all("spans => spans.map(span => span.style.boxShadow)"))


def test_characters_that_are_spread_over_tokens_are_shown_whole(show: Any, browser_page: Any) -> None:
    _, place = show(FakeTrace(tokens=["a", "<0xE3><0x81>", "<0x93>", " b"]), selected_heads=[(0, 0)])
    assert place.locator(".av-token").all_inner_texts() == ["a", "こ0xE3 0x81", "0x93", "·b"]
    browser_page.mouse.move(*cell_at(place, 2, 1))
    assert "0x93 (part 2 of 2 of 'こ') 2 → 0xE3 0x81 (part 1 of 2 of 'こ') 1" in tooltip(place)


def test_nan_is_hatched_and_named(show: Any, browser_page: Any) -> None:
    trace = FakeTrace()
    trace.attention(0)[0, 9, 3] = torch.nan
    _, place = show(trace, selected_heads=[(0, 0)])
    browser_page.mouse.move(*cell_at(place, 9, 3))
    assert "NaN" in tooltip(place)


def test_cells_above_the_limit_are_counted(show: Any) -> None:
    trace = FakeTrace()
    _, place = show(trace, selected_heads=[(0, 0)], limits=(0, 0.3))
    above = int((trace.attention(0)[0] > 0.3).sum())
    assert place.locator(".sw-clipped").inner_text() == f"{above} above"


# -- many heads


@pytest.mark.parametrize("width", [300, 420, 640, 1160])
def test_the_example_of_the_field_is_not_cut(show: Any, browser_page: Any, width: int) -> None:
    _, place = show(FakeTrace(), width=width)
    field = place.get_by_label("Find heads")
    text, room, needs = field.evaluate(
        "e => { const pen = document.createElement('canvas').getContext('2d'); const style = getComputedStyle(e);"
        " pen.font = style.font; return [e.placeholder,"
        " e.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight),"
        " pen.measureText(e.placeholder).width] }"
    )
    assert text
    assert needs <= room


def test_the_head_that_stands_out_is_open_at_first_and_not_selected(show: Any) -> None:
    trace = FakeTrace()
    view, place = show(trace)
    layer, head, statistic = view.strongest
    name = place.locator(".av-name").inner_text()
    assert name.startswith(f"Head {layer}.{head}, shown first: the largest {statistic.replace('_', ' ')} (")
    assert view.selected_heads == []
    assert f"{float(trace.attention(layer)[head, 13].max()):.6f}" in place.locator(".av-details").inner_text()


def test_layers_fold_and_closing_the_head_gives_the_grid_the_whole_width(show: Any, browser_page: Any) -> None:
    view, place = show(FakeTrace(30, 9), width=1560)
    folds = place.locator(".av-rows")
    pictures = place.locator(".av-thumbnails")
    with_head = (folds.count(), pictures.bounding_box()["width"])
    place.get_by_role("button", name="Close the head").click()
    frame(browser_page)
    assert place.locator(".av-right").is_hidden()
    assert with_head[0] == 3
    assert folds.count() == 4
    assert pictures.bounding_box()["width"] > max(1400, with_head[1])
    box = place.locator(".av-cells").bounding_box()
    browser_page.mouse.move(box["x"] + box["width"] - 10, box["y"] + 10)  # the last block begins with layer 24
    assert tooltip(place) == "Head 24.8"
    assert place.locator(".av-preview").is_visible()
    browser_page.mouse.click(box["x"] + box["width"] - 10, box["y"] + 10)
    assert view.selected_heads == [(24, 8)]


def test_a_class_is_a_letter_where_it_has_room_and_a_dot_where_not(show: Any, browser_page: Any) -> None:
    """Between 20 and 28 px nothing but a corner is covered."""
    _, place = show(FakeTrace(30, 9), labels={(0, 8): "I"}, width=1000)
    covered = browser_page.evaluate(
        """() => { const canvas = document.querySelector('.av-frames'), pen = canvas.getContext('2d');
        const side = Math.floor(canvas.width / 20), pixels = pen.getImageData(8 * side, 0, side, side).data;
        let n = 0; for (let i = 3; i < pixels.length; i += 4) n += pixels[i] > 200;
        return n / side ** 2; }"""
    )
    assert covered < 0.15
    assert place.locator(".av-key button").inner_text().split() == ["I", "induction", "1"]


def test_heads_are_sorted_filtered_and_found(show: Any, browser_page: Any) -> None:
    scores = pd.DataFrame({"layer": [0, 2, 1], "head": [1, 3, 0], "effect": [0.25, 0.5, -1.0]})
    view, place = show(scores=scores, labels={(2, 3): "I"})
    name = place.locator(".av-name")
    assert name.inner_text() == "Head 2.3, induction, shown first: the largest effect (0.5)"
    place.get_by_label("Order of the heads").select_option("effect")
    frame(browser_page)
    assert view.sort == "effect"
    cell = place.locator(".av-cells [role=gridcell]")
    cell.focus()
    labels = []
    for key in ("Control+Home", "ArrowRight", "ArrowRight"):
        browser_page.keyboard.press(key)
        labels.append(cell.get_attribute("aria-label"))
    assert labels == ["Head 2.3, induction (I), effect 0.5", "Head 0.1, effect 0.25", "Head 1.0, effect −1"]
    field = place.get_by_label("Find heads")
    field.fill("effect < .4")
    assert view.filter == "effect < .4"
    assert place.locator(".sw-count").inner_text() == "2 of 12 heads"
    assert name.inner_text().startswith("Head 0.1")
    field.fill("2.3, 0.0")
    assert place.locator(".sw-count").inner_text() == "2 of 12 heads"
    field.fill("")
    place.locator(".av-key button").click()
    assert view.filter == 'class = "induction"'
    assert place.locator(".sw-count").inner_text() == "1 of 12 heads"


def test_heads_are_pinned_and_compared(show: Any, browser_page: Any) -> None:
    trace = FakeTrace()
    view, place = show(trace, selected_heads=[(0, 1)], width=1400)
    place.get_by_role("button", name="pin", exact=True).click()
    assert view.pinned_heads == [(0, 1)]
    browser_page.mouse.click(*thumbnail(place, 2, 3))
    frame(browser_page)
    assert place.locator(".av-panel:visible > b").all_inner_texts() == ["0.1\n×", "2.3"]
    for nth, (layer, head) in enumerate([(0, 1), (2, 3)]):
        matrix = place.locator(".av-matrix:visible").nth(nth)
        cell = matrix.locator("[role=gridcell]")
        cell.focus()
        browser_page.keyboard.press("Control+End")
        value = float(trace.attention(layer)[head, 13, 13])
        assert cell.get_attribute("aria-label") == f"·to (13) attends to ·to (13): {value:.6f}"
    rows = list(csv.DictReader(io.StringIO(save(browser_page, place, "CSV").decode())))
    assert {(row["layer"], row["head"]) for row in rows} == {("0", "1"), ("2", "3")}
    place.get_by_role("button", name="Unpin 0.1").click()
    assert view.pinned_heads == []
    assert place.locator(".av-panel:visible").count() == 1


def test_below_640_pixels_the_head_stands_under_the_grid(show: Any) -> None:
    _, place = show(FakeTrace(30, 9), width=480)
    left, right = (place.locator(name).bounding_box() for name in (".av-left", ".av-right"))
    assert left["width"] == right["width"] == 480
    assert right["y"] >= left["y"] + left["height"]
    assert place.locator(".av-matrix").bounding_box()["height"] > 200


# -- choosing


def test_shift_click_extends_and_escape_steps_back(show: Any, browser_page: Any) -> None:
    view, place = show()
    browser_page.mouse.click(*thumbnail(place, 0, 0))
    browser_page.keyboard.down("Shift")
    browser_page.mouse.click(*thumbnail(place, 2, 3))
    browser_page.keyboard.up("Shift")
    assert view.selected_heads == [(0, 0), (2, 3)]
    place.locator(".av-token").nth(4).click()
    assert view.selected_tokens == [4]
    assert place.locator(".sw-chip-name").all_inner_texts() == ["0.0", "2.3", "token 4"]
    place.locator(".av-sentence").focus()
    browser_page.keyboard.press("Escape")
    assert (view.selected_tokens, len(view.selected_heads)) == ([], 2)
    browser_page.keyboard.press("Escape")
    assert view.selected_heads == []


def test_python_selects_and_the_view_follows(show: Any, browser_page: Any) -> None:
    view, place = show(FakeTrace(90, 9), height=300)
    view.selected_heads = [(44, 5)]
    view.selected_tokens = [3]
    frame(browser_page)
    assert place.locator(".av-name").inner_text() == "Head 44.5"
    assert place.locator(".av-heads").evaluate("box => box.scrollTop") > 100
    assert place.locator(".av-token.av-selected").all_inner_texts() == ["·John"]


def test_the_head_grid_works_by_keyboard(show: Any, browser_page: Any) -> None:
    view, place = show()
    cell = place.locator(".av-cells [role=gridcell]")
    cell.focus()
    for key in ("ArrowDown", "ArrowRight", "ArrowRight"):
        browser_page.keyboard.press(key)
    assert cell.get_attribute("aria-label") == "Head 1.2"
    browser_page.keyboard.press("Enter")
    assert view.selected_heads == [(1, 2)]
    browser_page.keyboard.press("End")
    browser_page.keyboard.press("Shift+Enter")
    assert view.selected_heads == [(1, 2), (1, 3)]
    browser_page.keyboard.press("?")
    assert place.get_by_role("dialog", name="Keys").is_visible()
    browser_page.keyboard.press("Escape")
    assert place.get_by_role("dialog", name="Keys").is_hidden()
    assert view.selected_heads == [(1, 2), (1, 3)]


def test_the_matrix_works_by_keyboard(show: Any, browser_page: Any) -> None:
    trace = FakeTrace()
    view, place = show(trace, selected_heads=[(0, 3)])
    cell = place.locator(".av-matrix [role=gridcell]")
    cell.focus()
    for key in ("Control+End", "ArrowUp", "ArrowLeft"):
        browser_page.keyboard.press(key)
    value = float(trace.attention(0)[3, 12, 11])
    assert cell.get_attribute("aria-label") == f"·drink (12) attends to ·a (11): {value:.6f}"
    browser_page.keyboard.press("Enter")
    assert view.selected_tokens == [12]


def test_a_drag_selects_tokens_and_ctrl_wheel_zooms(show: Any, browser_page: Any) -> None:
    view, place = show(FakeTrace(tokens=60), selected_heads=[(0, 0)])
    start = label_room(place)
    browser_page.mouse.move(*cell_at(place, 30, 10))
    browser_page.mouse.down()
    browser_page.mouse.move(*cell_at(place, 32, 11), steps=4)
    browser_page.mouse.up()
    assert view.selected_tokens == [10, 11, 30, 31, 32]
    browser_page.keyboard.down("Control")
    browser_page.mouse.wheel(0, -300)
    browser_page.keyboard.up("Control")
    browser_page.wait_for_function(
        "size => document.querySelector('.av-matrix .sw-cell').offsetWidth > size", arg=1.5 * start["size"]
    )
    browser_page.mouse.wheel(0, 50)  # a plain wheel is the notebook's


def test_two_views_share_a_selection(browser_page: Any, mount: Any) -> None:
    selection = Selection()
    views = [AttentionView(FakeTrace(seed=seed), selection=selection, height=280) for seed in (0, 1)]
    places = mount(browser_page, *views)
    frame(browser_page)
    browser_page.mouse.click(*thumbnail(places[0], 1, 1))
    frame(browser_page)
    assert places[1].locator(".av-name").inner_text().startswith("Head 1.1")
    assert selection.heads == [(1, 1)]


# -- the scale


def test_scale_and_limits_reach_python(show: Any, browser_page: Any) -> None:
    view, place = show(selected_heads=[(0, 0)])
    place.get_by_role("button", name="Scale: linear").click()
    assert view.scale == "log"
    place.get_by_role("button", name="Scale: log").click()
    handle = place.get_by_role("slider", name="Upper limit of attention")
    box = handle.bounding_box()
    browser_page.mouse.move(box["x"] + 5, box["y"] + 8)
    browser_page.mouse.down()
    browser_page.mouse.move(box["x"] - 60, box["y"] + 8, steps=3)
    browser_page.mouse.up()
    assert 0.4 < view.limits[1] < 0.6
    handle.press("ArrowLeft")
    assert view.limits[1] < float(handle.get_attribute("aria-valuenow")) + 1e-9 < 0.6
    place.get_by_role("slider", name="Threshold").press("ArrowRight")
    assert 0 < view.threshold < 0.1
    place.locator(".sw-legend-scale").dblclick(position={"x": 90, "y": 28})
    assert (view.limits, view.threshold) == ([0, 1], 0)


# -- A and B


def test_a_beside_b_and_their_difference(show: Any, browser_page: Any) -> None:
    a, b = FakeTrace(), FakeTrace(seed=1)
    _, place = show(a, b, selected_heads=[(1, 1)])
    assert place.locator(".av-panel > b").all_inner_texts() == ["A", "B", "B − A"]
    browser_page.mouse.move(*cell_at(place, 10, 4, "difference"))
    values = [float(trace.attention(1)[1, 10, 4]) for trace in (a, b)]
    text = tooltip(place).replace("−", "-")
    shown = [float(number) for number in re.findall(r"-?\d+\.\d{6}", text)]
    assert shown == pytest.approx([*values, values[1] - values[0]], abs=1e-6)
    place.get_by_role("radio", name="B − A").click()
    assert place.get_by_role("radio", name="B − A").get_attribute("aria-checked") == "true"


def test_in_a_narrow_cell_one_of_the_three_is_shown(show: Any) -> None:
    _, place = show(FakeTrace(), FakeTrace(seed=1), width=480, selected_heads=[(1, 1)])
    assert place.locator(".av-panel:visible > b").all_inner_texts() == ["A"]
    place.get_by_role("radio", name="B", exact=True).click()
    assert place.locator(".av-panel:visible > b").all_inner_texts() == ["B"]


# -- what comes later, and what fails


def test_long_prompts_get_exact_rows_when_pointed_at(show: Any, browser_page: Any) -> None:
    trace = FakeTrace(1, 2, 1100)
    _, place = show(trace, selected_heads=[(0, 1)])
    frame(browser_page)
    assert "drawn in steps of" in place.locator(".av-name").inner_text()
    assert place.locator(".av-token").count() <= 1000
    box = place.locator(".av-matrix").bounding_box()
    browser_page.mouse.move(box["x"] + 0.35 * box["width"], box["y"] + 0.8 * box["height"])
    browser_page.wait_for_function("!/≈/.test(document.querySelector('.sw-tooltip').textContent)")
    query, key = (int(number) for number in re.findall(r"(\d+) → \S+ (\d+)", tooltip(place))[0])
    assert f"{float(trace.attention(0)[1, query, key]):.6f}" in tooltip(place)


def test_thumbnails_stream_in(show: Any, browser_page: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attention_view, "PATIENCE_S", 0)
    view, _ = show(FakeTrace(5))
    browser_page.wait_for_function("models[0].get('thumbnail_layers') === 5")
    assert view.thumbnail_layers == 5


def test_a_failure_is_said_and_the_picture_stays(show: Any, browser_page: Any) -> None:
    view, place = show()

    def lost(layer: int) -> torch.Tensor:
        raise ValueError("The trace's file is gone. Trace again.")

    view._opened.clear()
    view.traces["a"].attention = lost
    browser_page.mouse.click(*thumbnail(place, 1, 2))
    frame(browser_page)
    assert place.locator(".sw-note").inner_text() == "The trace's file is gone. Trace again."
    assert place.locator(".av-matrix").is_visible()  # the coarse picture


# -- tokens are not to be trusted


def test_markup_in_tokens_stays_text(show: Any, browser_page: Any) -> None:
    tokens = [EVIL, "</script>", "\n", "<0xE2>", " &amp;", "\u202egnp", '"quoted", text']
    view, place = show(FakeTrace(tokens=tokens), selected_heads=[(0, 0)], selected_tokens=[0])
    browser_page.mouse.move(*cell_at(place, 6, 0))
    assert "<img·src=x·onerror=window.evil=1>" in tooltip(place)
    texts = place.locator(".av-token").all_inner_texts()
    assert texts[1:5] == ["</script>", "↵", "0xE2", "·&amp;"]
    svg = save(browser_page, place, "SVG").decode()
    assert "<img" not in svg
    assert "&#60;img" in svg
    browser_page.evaluate(
        "svg => { const d = new DOMParser().parseFromString(svg, 'image/svg+xml');"
        " if (d.querySelector('parsererror')) throw Error(d.documentElement.textContent) }",
        svg,
    )
    assert place.locator("img").count() == 0
    assert browser_page.evaluate("window.evil") is None
    assert view.tokens == tokens


# -- files


def save(page: Any, place: Any, kind: str) -> bytes:
    place.get_by_role("button", name="Save").click()
    with page.expect_download() as download:
        place.get_by_role("menuitem", name=kind).click()
    with open(download.value.path(), "rb") as file:
        return file.read()


def test_csv_holds_exact_values(show: Any, browser_page: Any) -> None:
    trace = FakeTrace()
    _, place = show(trace, selected_heads=[(1, 3)])
    rows = list(csv.DictReader(io.StringIO(save(browser_page, place, "CSV").decode())))
    assert len(rows) == 14 * 15 // 2
    for row in rows:
        exact = float(trace.attention(1)[3, int(row["query"]), int(row["key"])])
        assert float(row["attention"]) == exact
    assert rows[-1]["query_token"] == " to"


def test_csv_of_a_long_prompt_fetches_exact_rows(show: Any, browser_page: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attention_view, "EXACT_TOKENS", 8)
    trace = FakeTrace()
    _, place = show(trace, selected_heads=[(1, 3)])
    rows = list(csv.DictReader(io.StringIO(save(browser_page, place, "CSV").decode())))
    assert [float(row["attention"]) for row in rows[-14:]] == trace.attention(1)[3, 13].tolist()


def test_pictures_can_be_saved_with_and_without_an_open_head(show: Any, browser_page: Any) -> None:
    view, place = show(labels={(0, 1): "I"})
    place.get_by_role("button", name="Close the head").click()
    assert save(browser_page, place, "SVG").count(b"<image") == 12
    view.selected_heads = [(0, 1)]
    frame(browser_page)
    svg = save(browser_page, place, "SVG")
    assert svg.count(b"<rect") > 14 * 15 // 2
    assert "·store".encode() in svg
    assert save(browser_page, place, "PNG")[:4] == b"\x89PNG"


def test_a_large_head_is_saved_as_a_picture_with_text(show: Any, browser_page: Any) -> None:
    _, place = show(FakeTrace(tokens=200), selected_heads=[(0, 1)])
    svg = save(browser_page, place, "SVG")
    assert svg.count(b"<image") == 1
    assert svg.count(b"<text") > 10


def test_copy_as_code(show: Any, browser_page: Any) -> None:
    _, place = show(selected_heads=[(2, 1)], selected_tokens=[3], limits=(0, 0.5))
    place.get_by_role("button", name="Copy as code").click()
    browser_page.wait_for_function("document.querySelector('.sw-note').textContent")
    code = browser_page.evaluate("navigator.clipboard.readText()")
    assert code.splitlines()[-1] == (
        "AttentionView(trace, selected_heads=[(2, 1)], selected_tokens=[3], limits=(0, 0.5))"
    )
    made = eval(code.splitlines()[-1], {"AttentionView": AttentionView, "trace": FakeTrace()})
    assert (made.selected_heads, made.limits) == ([(2, 1)], [0, 0.5])


def test_a_saved_page_works_from_disk_without_a_kernel(browser_page: Any, tmp_path: Any) -> None:
    trace = FakeTrace()
    view = AttentionView(trace, labels={(1, 2): "I"}, theme="light")
    browser_page.goto(view.to_html(tmp_path / "page.html").as_uri())
    place = browser_page.locator("#view-0")
    cell = place.locator(".av-cells [role=gridcell]")
    cell.focus()
    for key in ("ArrowDown", "ArrowRight", "ArrowRight", "Enter"):
        browser_page.keyboard.press(key)
    browser_page.wait_for_function("document.querySelectorAll('.av-details td').length > 8")
    matrix = place.locator(".av-matrix [role=gridcell]")
    matrix.focus()
    browser_page.keyboard.press("Control+End")
    assert f"{float(trace.attention(1)[2, 13, 13]):.6f}" in matrix.get_attribute("aria-label")
    save(browser_page, place, "CSV")


def test_a_saved_page_says_what_it_does_not_hold(browser_page: Any, tmp_path: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(attention_view, "SAVED_EXACT_BYTES", 0)
    monkeypatch.setattr(attention_view, "SAVED_BYTES", 300)
    view = AttentionView(FakeTrace(), selected_heads=[(0, 1)])
    browser_page.goto(view.to_html(tmp_path / "page.html").as_uri())
    place = browser_page.locator("#view-0")
    place.locator(".av-details .av-number").first.wait_for()
    assert "drawn in steps" in place.locator(".av-name").inner_text()
    assert "≈" in place.locator(".av-details .av-number").first.inner_text()
    assert "only the heads that were shown (0.1)" in browser_page.locator("body").inner_text()
    cell = place.locator(".av-cells [role=gridcell]")
    cell.focus()
    for key in ("ArrowDown", "Enter"):
        browser_page.keyboard.press(key)
    browser_page.wait_for_function("/notebook/.test(document.querySelector('.sw-note').textContent)")


# -- surroundings


@pytest.mark.parametrize(("theme", "ground"), [("dark", "rgb(17, 19, 23)"), ("light", "rgb(255, 255, 255)")])
def test_the_theme_follows_the_host_unless_forced(show: Any, browser_page: Any, theme: str, ground: str) -> None:
    browser_page.emulate_media(color_scheme=theme)
    view, place = show()
    root = place.locator(".sw")
    assert root.evaluate("root => getComputedStyle(root).backgroundColor") == ground
    browser_page.evaluate(
        "document.documentElement.style.cssText = '--jp-layout-color0: #223; --jp-content-font-color0: #fff'"
    )
    assert root.evaluate("root => getComputedStyle(root).backgroundColor") == "rgb(34, 34, 51)"
    view.theme = "light"
    assert root.evaluate("root => getComputedStyle(root).backgroundColor") == "rgb(255, 255, 255)"


#: what stands on the page, and what the view has then, in a browser that prefers light pages
GROUNDS = {
    "one behind it": ("body.style.background = '#123'", "rgb(17, 34, 51)", "dark"),
    "a light one": ("body.style.background = '#fec'", "rgb(255, 238, 204)", "light"),
    "what shines through is none": ("body.style.background = '#1238'", "rgb(255, 255, 255)", "light"),
    "nothing": ("body.style.background = 'none'", "rgb(255, 255, 255)", "light"),
    "a card": ("card.style.background = 'color(srgb 0.2 0.2 0.2)'", "color(srgb 0.2 0.2 0.2)", "dark"),
    "said but not shown": ("body.style.background = '#fec'; body.classList.add('dark')", "rgb(17, 19, 23)", "dark"),
}


@pytest.mark.parametrize("name", GROUNDS)
def test_the_ground_is_that_of_the_page(show: Any, browser_page: Any, name: str) -> None:
    script, ground, scheme = GROUNDS[name]
    _, place = show()
    root = place.locator(".sw")
    place.evaluate(f"(place) => {{ const [body, card] = [document.body, place.parentElement]; {script}; }}")
    browser_page.evaluate("document.body.classList.add('changed')")
    frame(browser_page)
    assert root.evaluate("one => [getComputedStyle(one).backgroundColor, one.dataset.theme]") == [ground, scheme]
    browser_page.evaluate("dispatchEvent(new Event('beforeprint'))")
    paper = browser_page.locator(".sw-print rect").first
    assert paper.get_attribute("fill") == "#ffffff"


def test_it_works_in_a_shadow_root(show: Any, browser_page: Any) -> None:
    show(selected_heads=[(0, 0)])
    browser_page.evaluate(
        """async () => {
          const host = document.body.appendChild(document.createElement('div'));
          host.style.width = '900px';
          const el = host.attachShadow({mode: 'open'}).appendChild(document.createElement('div'));
          el.id = 'inside';
          (await import('/attention_view.js')).default.render({model: models[0], el});
        }"""
    )
    frame(browser_page)
    inside = browser_page.locator("#inside")
    assert inside.locator(".av-name").inner_text() == "Head 0.0"
    assert inside.locator(".sw").evaluate("root => getComputedStyle(root).display") == "flex"
    inside.get_by_role("button", name="Keys").click()
    assert inside.get_by_role("dialog", name="Keys").is_visible()


def test_a_view_rendered_before_it_is_in_the_page_gets_the_hosts_colours(show: Any, browser_page: Any) -> None:
    show(selected_heads=[(0, 0)])
    ground = browser_page.evaluate(
        """async () => {
          document.documentElement.style.cssText = '--jp-layout-color0: #111; --jp-content-font-color0: #fff';
          const el = document.createElement('div');
          (await import('/attention_view.js')).default.render({model: models[0], el});
          document.body.append(el);
          while (el.firstChild.dataset.theme !== 'dark') await new Promise(requestAnimationFrame);
          return [el.firstChild.dataset.theme, getComputedStyle(el.firstChild).backgroundColor];
        }"""
    )
    assert ground == ["dark", "rgb(17, 17, 17)"]


def test_it_leaves_nothing_behind(show: Any, browser_page: Any) -> None:
    show(selected_heads=[(0, 0)])
    left = browser_page.evaluate(
        "() => { models[0].cleanup(); return [document.querySelectorAll('.sw').length,"
        " Object.values(models[0].listeners).reduce((n, set) => n + set.size, 0)] }"
    )
    assert left == [0, 0]


def test_everything_that_can_be_pressed_has_a_name(show: Any) -> None:
    _, place = show(FakeTrace(), FakeTrace(seed=1), selected_heads=[(0, 0)])
    nameless = place.locator("button, [role=slider], [role=grid], [role=separator]").evaluate_all(
        "all => all.filter(e => !(e.getAttribute('aria-label') || e.textContent.trim())).map(e => e.outerHTML)"
    )
    assert nameless == []


@pytest.mark.parametrize("width", [480, 1160])
def test_nothing_stands_out_of_the_view(show: Any, width: int) -> None:
    _, place = show(FakeTrace(12, 12), selected_heads=[(0, 0)], selected_tokens=[3], width=width)
    outside = place.locator(".sw").evaluate(
        "root => [...root.querySelectorAll('.av-right *, .sw-bar > *, .av-bottom *')].filter(e => {"
        " const b = e.getBoundingClientRect(), r = root.getBoundingClientRect();"
        " return b.width && !e.closest('.av-details, .av-sentence, .sw-chips')"
        " && (b.right > r.right + 1 || b.bottom > r.bottom + 1)"
        " }).map(e => e.className)"
    )
    assert outside == []


# -- the work of drawing; benchmarks/pointing.py has the times


def test_pointing_and_recolouring_at_1024_tokens_draw_little(show: Any, browser_page: Any) -> None:
    _, place = show(FakeTrace(2, 12, 1024), selected_heads=[(0, 0)])
    browser_page.wait_for_function("!/loading/.test(document.querySelector('.av-name').textContent)")
    place.locator(".av-matrix").hover()
    hover, recolour = map(most, works(browser_page, POINT))
    assert hover <= Work(calls=300, pixels=0, changes=1024)  # a token, a change
    assert recolour.pixels <= 4 * 1024**2


POINT = """
  const matrix = document.querySelector('.av-matrix'), box = matrix.getBoundingClientRect();
  const scale = document.querySelector('.sw-legend button');
  const hover = [], recolour = [];
  for (let i = 0; i < 30; i++) {
    const at = {clientX: box.x + box.width * (.25 + .003 * i), clientY: box.y + box.height * (.6 + .01 * i)};
    const move = new PointerEvent('pointermove', {...at, bubbles: true});
    hover.push(await work(() => matrix.dispatchEvent(move)));
    if (i % 3 === 0) recolour.push(await work(() => scale.click()));
  }
  return [hover, recolour];
"""
