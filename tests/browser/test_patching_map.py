"""PatchingMap in a real Chromium, joined to its real Python half."""

from __future__ import annotations

import ast
import csv
import io
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from scope_widgets import patching as patching_room
from scope_widgets.widgets import PatchingMap, Selection
from scope_widgets.widgets.core import requests
from scope_widgets.widgets.patching_map import patching_map
from tests.support.patching_examples import WEIRD, Sweep, attribution, estimated, patching
from tests.support.view_page import Work, frame, most, works

pytestmark = pytest.mark.browser


@pytest.fixture
def show(browser_page: Any, mount: Callable[..., list[Any]]) -> Callable[..., tuple[PatchingMap, Any]]:
    """``show(source, ...)`` gives the view and its locator, drawn."""

    def show(source: Any = None, *, width: int = 1160, **options: Any) -> tuple[PatchingMap, Any]:
        view = PatchingMap(patching(4, 15) if source is None else source, **options)
        (place,) = mount(browser_page, view, width=width)
        frame(browser_page)
        return view, place

    return show


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

    def close(self) -> None:
        """End what is still going on, while there is a page that can hear of it."""
        for _, args in self._waiting:
            args[-1].close()


@pytest.fixture
def loop(browser_page: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Loop]:
    loop = Loop()
    monkeypatch.setattr(requests, "asyncio", SimpleNamespace(get_running_loop=lambda: loop))
    for name, value in (("_PAUSE_S", 0), ("_RATE", np.inf), ("_SHARE", np.inf)):  # each step is told
        monkeypatch.setattr(patching_map, name, value)
    yield loop
    loop.close()


def map_of(place: Any) -> Any:
    return place.locator(".pm-left > .pm-map")


def strip_of(place: Any) -> Any:
    return place.locator(".pm-strip .pm-map")


def cell_at(area: Any, row: int, column: int) -> dict[str, float]:
    """Where a cell stands in the page, counted from the top left one."""
    cell = area.locator(".sw-cell").evaluate(
        "cell => { const b = cell.getBoundingClientRect();"
        " return {x: b.x, y: b.y, width: b.width, height: b.height,"
        " row: +cell.parentElement.getAttribute('aria-rowindex'), column: +cell.getAttribute('aria-colindex')}; }"
    )
    return {
        "x": cell["x"] + (column + 1 - cell["column"]) * cell["width"],
        "y": cell["y"] + (row + 1 - cell["row"]) * cell["height"],
        "width": cell["width"],
        "height": cell["height"],
    }


def middle(area: Any, row: int, column: int) -> tuple[float, float]:
    cell = cell_at(area, row, column)
    return cell["x"] + cell["width"] / 2, cell["y"] + cell["height"] / 2


def pixels(area: Any, row: int, column: int) -> Any:
    """Colours of a cell as drawn, without its edges, uint8 [pixel, 4]."""
    cell, box = cell_at(area, row, column), area.bounding_box()
    found = area.locator("canvas").first.evaluate(
        "(canvas, [x, y, w, h]) => [...canvas.getContext('2d').getImageData(x, y, w, h).data]",
        [
            round(cell["x"] - box["x"]) + 3,
            round(cell["y"] - box["y"]) + 3,
            int(cell["width"]) - 7,
            int(cell["height"]) - 7,
        ],
    )
    return np.array(found, np.uint8).reshape(-1, 4)


def tooltip(place: Any) -> str:
    note = place.locator(".sw-tooltip")
    return note.inner_text() if note.is_visible() else ""


def signed(value: float, digits: int = 6) -> str:
    return f"{value:+.{digits}f}".replace("-", "−")


def code_in_clipboard(page: Any) -> str:
    page.wait_for_function("document.querySelector('.sw-note').textContent")
    return str(page.evaluate("navigator.clipboard.readText()"))


def save(page: Any, place: Any, kind: str) -> bytes:
    place.get_by_role("button", name="Save", exact=True).click()
    with page.expect_download() as download:
        place.get_by_role("menuitem", name=kind).click()
    return Path(download.value.path()).read_bytes()


# -- seeing


def test_it_says_what_it_shows(show: Any) -> None:
    _, place = show()
    assert place.locator(".sw-title").inner_text() == "Patching the residual stream, SmolLM2-135M, 8 prompts"
    assert "0: logit difference as corrupted; 1: as clean." in place.locator(".pm-meaning").inner_text()
    assert place.locator(".pm-status").is_hidden()
    grid = map_of(place).get_by_role("grid")
    assert (grid.get_attribute("aria-rowcount"), grid.get_attribute("aria-colcount")) == ("4", "15")


def test_hover_shows_exact_values_with_the_deepest_layer_on_top(show: Any, browser_page: Any) -> None:
    result = patching(4, 15)
    result = replace(result, estimate=estimated(result))
    _, place = show(result)
    for row, position in ((0, 14), (3, 10), (2, 7)):
        browser_page.mouse.move(*middle(map_of(place), row, position))
        text = tooltip(place)
        assert signed(result.values[3 - row, position]) in text
        assert f"estimate {signed(result.estimate[3 - row, position])}" in text
        assert ("Final norm" if row == 0 else f"Layer {3 - row}") in text
        assert result.positions[position].replace(" ", "·") in text
    browser_page.mouse.move(5, 5)
    assert tooltip(place) == ""


def test_zero_not_run_undefined_and_an_estimate_look_different(show: Any) -> None:
    result = patching(4, 15)
    per_prompt = result.per_prompt.copy()
    per_prompt[:, 0, :2] = np.nan
    per_prompt[:, 0, 2] = 0
    per_prompt[0, 0, 3] = np.nan  # one prompt has no effect: undefined
    per_prompt[:, 0, 4] = np.nan
    estimate = np.full((4, 15), np.nan)
    estimate[0, 4] = 0.8
    _, place = show(replace(result, per_prompt=per_prompt, values=per_prompt.mean(0), estimate=estimate))
    not_run, other, zero, undefined, estimated_, exact = (
        pixels(map_of(place), 3, column) for column in (0, 1, 2, 3, 4, 10)
    )
    for plain in (not_run, zero, exact):
        assert len(np.unique(plain, axis=0)) == 1
    assert np.array_equal(not_run, other)
    assert np.abs(not_run[0].astype(int) - zero[0]).max() >= 20
    red, green, blue, _ = not_run[0].astype(int)
    assert max(red, green, blue) - min(red, green, blue) <= 4  # grey: no effect has that colour
    assert len(np.unique(undefined, axis=0)) >= 2  # hatched
    assert len(np.unique(estimated_, axis=0)) >= 2  # a dot on a paler tone:
    assert estimated_[:, 3].min() < 130 < 250 < estimated_[:, 3].max()
    assert place.locator(".pm-key").all_inner_texts() == ["estimate (gradient)", "exact", "not run", "undefined (NaN)"]


def test_a_vanishing_denominator_is_said_above_the_map(show: Any, browser_page: Any) -> None:
    nothing, same = np.full((8, 4, 15), np.nan), np.full(8, 3.1)
    message = "logit_difference is 3.1 in both runs, so that an effect is not defined: every cell is NaN."
    result = patching(4, 15, values=nothing[0], per_prompt=nothing, clean=same, corrupted=same, message=message)
    _, place = show(replace(result, floor=np.inf))
    assert place.get_by_role("note").inner_text() == message
    assert place.get_by_role("note").bounding_box()["y"] < map_of(place).bounding_box()["y"]
    assert place.locator(".pm-panel").inner_text().endswith("No cell is defined.")
    browser_page.mouse.move(*middle(map_of(place), 1, 1))
    assert "undefined" in tooltip(place)


def test_the_scale_is_symmetric_and_can_be_dragged(show: Any, browser_page: Any) -> None:
    view, place = show()
    low, high = (place.get_by_role("slider", name=f"{side} limit of effect") for side in ("Lower", "Upper"))
    assert (low.get_attribute("aria-valuenow"), high.get_attribute("aria-valuenow")) == ("-1.2", "1.2")
    high.press("ArrowLeft")
    assert 1 < view.limit < 1.2
    assert float(low.get_attribute("aria-valuenow")) == -view.limit
    frame(browser_page)  # the handle may still move
    box = high.bounding_box()
    browser_page.mouse.move(box["x"] + 5, box["y"] + 8)
    browser_page.mouse.down()
    browser_page.mouse.move(box["x"] - 8, box["y"] + 8, steps=3)
    browser_page.mouse.up()
    frame(browser_page)
    assert 0.3 < view.limit < 1
    above = int((np.abs(view.result.values) > view.limit).sum())
    assert place.locator(".sw-clipped").inner_text() == f"{above} above"
    place.locator(".sw-legend-scale").dblclick(position={"x": 90, "y": 28})
    assert view.limit is None
    view.limit = 0.5
    assert high.get_attribute("aria-valuenow") == "0.5"


def test_sums_at_the_margins_are_of_exact_cells(show: Any, browser_page: Any) -> None:
    result = patching(4, 15)
    per_prompt = result.per_prompt.copy()
    per_prompt[:, 1, :5] = np.nan
    result = replace(result, per_prompt=per_prompt, values=per_prompt.mean(0), estimate=estimated(result))
    _, place = show(result)
    last = cell_at(map_of(place), 2, 14)
    browser_page.mouse.move(last["x"] + last["width"] + 30, last["y"] + 5)
    assert f"Layer 1: sum {signed(np.nansum(result.values[1]))}" in tooltip(place)
    assert "10 exact cells of 15" in tooltip(place)
    bottom = cell_at(map_of(place), 3, 10)
    browser_page.mouse.move(bottom["x"] + 5, bottom["y"] + bottom["height"] + 25)
    assert f"sum {signed(np.nansum(result.values[:, 10]))}" in tooltip(place)
    assert "of 4 cells" in tooltip(place)


# -- heads and positions


def test_a_map_of_heads_shows_the_largest_position_or_the_selected_one(show: Any, browser_page: Any) -> None:
    result = patching(6, 5, 15)
    view, place = show(result)
    strongest = np.abs(result.values).argmax(-1)
    for row, head in ((0, 3), (4, 1)):
        at = strongest[5 - row, head]
        browser_page.mouse.move(*middle(map_of(place), row, head))
        assert f"Head {5 - row}.{head} at" in tooltip(place)
        assert signed(result.values[5 - row, head, at]) in tooltip(place)
    browser_page.mouse.click(*middle(strip_of(place), 0, 7))
    assert view.selected_tokens == [7]
    assert "Each head at ·store (7)" in place.locator(".pm-switch").inner_text()
    browser_page.mouse.move(*middle(map_of(place), 2, 2))
    assert signed(result.values[3, 2, 7]) in tooltip(place)
    browser_page.mouse.click(*middle(strip_of(place), 0, 7))
    assert view.selected_tokens == []


def test_the_strip_shows_the_strongest_head_or_the_one_pointed_at(show: Any, browser_page: Any) -> None:
    result = patching(6, 5, 15)
    _, place = show(result)
    cell = strip_of(place).locator(".sw-cell")
    best = np.unravel_index(np.abs(result.values[..., 14]).argmax(), (6, 5))
    browser_page.mouse.move(*middle(strip_of(place), 0, 14))
    assert f"Head {best[0]}.{best[1]}" in tooltip(place)
    browser_page.mouse.click(*middle(map_of(place), 1, 4))
    cell.focus()
    browser_page.keyboard.press("End")
    assert cell.get_attribute("aria-label").startswith(
        "Head 4.4 at ·to" if result.positions[14] == " to" else "Head 4.4"
    )


def test_the_switch_changes_rows_and_columns(show: Any, browser_page: Any) -> None:
    result = patching(6, 5, 15)
    view, place = show(result)
    place.get_by_role("radio", name="positions", exact=True).click()
    assert view.shows == "positions"
    frame(browser_page)
    head = np.abs(result.values[4, :, 9]).argmax()
    browser_page.mouse.move(*middle(map_of(place), 1, 9))
    assert f"Head 4.{head} at" in tooltip(place)
    assert signed(result.values[4, head, 9]) in tooltip(place)
    view.selected_heads = [(2, 1), (5, 0)]
    view.shows = "selected heads"
    frame(browser_page)
    grid = map_of(place).get_by_role("grid")
    assert grid.get_attribute("aria-rowcount") == "2"
    browser_page.mouse.move(*middle(map_of(place), 1, 3))
    assert "Head 2.1 at" in tooltip(place)
    assert signed(result.values[2, 1, 3]) in tooltip(place)
    map_of(place).locator(".sw-cell").press("m")
    assert view.shows == "heads"


def test_selected_heads_without_any_says_so(show: Any) -> None:
    _, place = show(patching(6, 5, 15), shows="selected heads")
    assert "No head is selected" in place.locator(".pm-switch").inner_text()


# -- one cell


def test_a_click_opens_the_prompts_and_the_code(show: Any, browser_page: Any) -> None:
    result = patching(4, 15)
    view, place = show(result)
    browser_page.mouse.click(*middle(map_of(place), 3, 10))
    panel = place.locator(".pm-panel")
    panel.locator("circle").first.wait_for()
    values = result.per_prompt[:, 0, 10]
    mean, error = values.mean(), values.std(ddof=1) / np.sqrt(len(values))
    text = panel.inner_text()
    assert "Layer 0 at ·gave 10" in text
    assert signed(mean) in text
    assert f"mean of 8 prompts\t{signed(mean, 3)}" in text
    assert f"{signed(mean - 1.96 * error, 3)} to {signed(mean + 1.96 * error, 3)}" in text
    assert panel.locator("circle").count() == 8
    panel.locator("circle").nth(3).hover()
    assert signed(values[3]) in tooltip(place)
    assert f"clean: {result.provenance.prompts[3]}" in tooltip(place)
    assert view.selected_tokens == [10]
    place.get_by_role("button", name="Copy the code of this cell").click()
    assert code_in_clipboard(browser_page) == result.code(0, 10)
    place.get_by_role("button", name="Close the details").click()
    assert "Largest effects" in panel.inner_text()


def test_dots_are_on_their_axis(show: Any, browser_page: Any) -> None:
    result = patching(4, 15)
    _, place = show(result)
    browser_page.mouse.click(*middle(map_of(place), 3, 10))
    place.locator(".pm-dots circle").first.wait_for()
    found = place.locator(".pm-dots").evaluate(
        "svg => [[...svg.querySelectorAll('circle')].map(c => +c.getAttribute('cx')),"
        " +svg.querySelector('.pm-zero').getAttribute('d').match(/M([\\d.]+)/)[1],"
        " +svg.querySelector('.pm-mean').getAttribute('d').match(/M([\\d.]+)/)[1]]"
    )
    dots, zero, mean = np.array(found[0]), found[1], found[2]
    values = result.per_prompt[:, 0, 10]
    unit = (mean - zero) / values.mean()
    np.testing.assert_allclose(dots, zero + values * unit, atol=0.1)


def test_many_prompts_show_the_first_two_hundred(show: Any, browser_page: Any) -> None:
    _, place = show(patching(4, 15, prompts=300))
    browser_page.mouse.click(*middle(map_of(place), 3, 10))
    place.locator(".pm-dots circle").first.wait_for()
    assert place.locator(".pm-dots circle").count() == 200
    assert "Dots: the first 200 prompts." in place.locator(".pm-panel").inner_text()
    assert "mean of 300 prompts" in place.locator(".pm-panel").inner_text()


def test_one_prompt_has_no_interval(show: Any, browser_page: Any) -> None:
    _, place = show(patching(4, 15, prompts=1))
    browser_page.mouse.click(*middle(map_of(place), 3, 10))
    place.locator(".pm-dots circle").first.wait_for()
    assert "1 prompt, no interval" in place.locator(".pm-panel").inner_text()
    assert "1.96" not in place.locator(".pm-panel").inner_text()


def test_the_largest_cells_are_listed_and_open(show: Any, browser_page: Any) -> None:
    result = patching(6, 5, 15)
    view, place = show(result)
    best = np.unravel_index(np.argsort(-np.abs(result.values).ravel(), kind="stable")[:12], result.values.shape)
    names = place.locator(".pm-panel .pm-name").all_inner_texts()
    assert [name.split(" at ")[0] for name in names] == [f"Head {a}.{b}" for a, b in zip(*best[:2], strict=True)]
    second = place.locator(".pm-panel .pm-name").nth(1)
    second.focus()
    browser_page.keyboard.press("Enter")
    assert view.selected_heads == [(best[0][1], best[1][1])]
    assert place.get_by_role("button", name="Close the details").evaluate("b => b === document.activeElement")
    browser_page.keyboard.press("Escape")
    assert "Largest effects" in place.locator(".pm-panel").inner_text()


# -- choosing


def test_a_head_is_selected_by_a_click_and_from_python(browser_page: Any, mount: Any) -> None:
    chosen = Selection()
    views = [
        PatchingMap(patching(6, 5, over="head"), selection=chosen),
        PatchingMap(patching(6, 5, 15), selection=chosen),
    ]
    places = mount(browser_page, *views, width=1160)
    frame(browser_page)
    browser_page.mouse.click(*middle(map_of(places[0]), 1, 3))
    assert chosen.heads == [(4, 3)]
    browser_page.keyboard.down("Shift")
    browser_page.mouse.click(*middle(map_of(places[0]), 0, 2))
    browser_page.keyboard.up("Shift")
    assert chosen.heads == [(4, 3), (5, 2)]
    assert places[1].locator(".sw-chip-name").all_inner_texts() == ["4.3", "5.2"]
    before = marked(places[1])
    chosen.heads = [(0, 0)]
    frame(browser_page)
    assert places[1].locator(".sw-chip-name").all_inner_texts() == ["0.0"]
    assert marked(places[1]) != before
    chosen.tokens = [3]
    frame(browser_page)
    assert "Each head at ·John (3)" in places[1].locator(".pm-switch").inner_text()
    places[1].get_by_label("Clear 0.0").click()
    assert chosen.heads == []


def marked(place: Any) -> str:
    """The upper canvas, on which marks are."""
    return str(map_of(place).locator("canvas").nth(1).evaluate("canvas => canvas.toDataURL()"))


def test_a_column_label_selects_its_token(show: Any, browser_page: Any) -> None:
    view, place = show()
    x, y = middle(map_of(place), 0, 6)
    browser_page.mouse.click(x, y - 30)
    assert view.selected_tokens == [6]
    assert place.locator(".sw-chip-name").all_inner_texts() == ["·the (6)"]
    browser_page.mouse.click(x, y - 30)
    assert view.selected_tokens == []


def test_roles_and_key_value_heads_are_selected_here_only(show: Any, browser_page: Any) -> None:
    result = patching(4, 3, 2, over="v", positions=["io", "end"])
    view, place = show(replace(result, provenance=replace(result.provenance, prompts=("When Mary went",) * 16)))
    browser_page.mouse.click(*middle(map_of(place), 1, 1))
    browser_page.mouse.click(*middle(strip_of(place), 0, 1))
    assert (view.selected_heads, view.selected_tokens) == ([], [])
    assert place.locator(".sw-chip-name").all_inner_texts() == ["2.1", "end (1)"]
    assert "Each head at end (1)" in place.locator(".pm-switch").inner_text()


def test_keys_walk_open_and_close(show: Any, browser_page: Any) -> None:
    result = patching(4, 15)
    view, place = show(result)
    cell = map_of(place).locator(".sw-cell")
    cell.focus()
    press = browser_page.keyboard.press
    for key in ("ArrowDown", "End", "ArrowLeft"):
        press(key)
    assert cell.get_attribute("aria-label") == f"Layer 2 at ·to 13, {signed(result.values[2, 13])}"
    press("Enter")
    place.locator(".pm-dots circle").first.wait_for()
    assert view.selected_tokens == [13]
    assert "Layer 2 at ·to (13)" in place.locator(".pm-panel [role=status]").text_content()
    press("Escape")
    assert "Largest effects" in place.locator(".pm-panel").inner_text()
    press("Escape")
    assert view.selected_tokens == []
    press("?")
    assert place.get_by_role("dialog", name="Keys").is_visible()
    press("Escape")
    assert place.get_by_role("dialog", name="Keys").is_hidden()


def test_columns_zoom(show: Any, browser_page: Any) -> None:
    _, place = show(patching(6, 200))
    before = cell_at(map_of(place), 0, 0)["width"]
    browser_page.mouse.move(*middle(map_of(place), 2, 100))
    browser_page.keyboard.down("Control")
    browser_page.mouse.wheel(0, -300)
    browser_page.keyboard.up("Control")
    browser_page.wait_for_function(
        "before => document.querySelector('.pm-left > .pm-map .sw-cell').offsetWidth > 2 * before", arg=before
    )
    place.locator(".pm-left > .pm-map .sw-cell").press("0")
    frame(browser_page)
    assert cell_at(map_of(place), 0, 0)["width"] == before


# -- running


def test_the_map_fills_in_while_it_runs(show: Any, browser_page: Any, loop: Loop) -> None:
    whole = patching(4, 15)
    sweep = Sweep(whole, batch=6)
    view, place = show(sweep)
    status = place.locator(".pm-progress")
    assert place.get_by_role("button", name="Stop").is_visible()
    assert re.fullmatch(r"6 of 60 cells, about .+ left", status.inner_text())
    area = map_of(place)
    late = int(np.argsort(-np.abs(whole.values).ravel(), kind="stable")[20])
    row, column = 3 - late // 15, late % 15
    before = pixels(area, row, column)
    seen = [view.done]
    for _ in range(5):
        loop.step()
        frame(browser_page)
        seen.append(int(re.match(r"\d+", status.inner_text()).group()))
    assert seen == [6, 12, 18, 24, 30, 36]
    after = pixels(area, row, column)
    assert not np.array_equal(before, after)
    assert len(np.unique(after, axis=0)) == 1  # solid: exact
    found = re.search(r"r = (\S+) over the (\d+) cells that were run", place.locator(".pm-agreement").inner_text())
    assert found.group(2) == "36"
    now = view.result
    exact = np.isfinite(now.values)
    assert float(found.group(1)) == pytest.approx(np.corrcoef(now.values[exact], now.estimate[exact])[0, 1], abs=0.005)
    loop.step(20)
    frame(browser_page)
    assert status.inner_text() == "All 60 cells were run"
    assert not view.running
    assert place.locator(".pm-run").is_hidden()
    np.testing.assert_array_equal(np.frombuffer(view.values), whole.values.ravel())


def test_what_is_0_by_construction_is_not_said_to_have_run(show: Any, browser_page: Any, loop: Loop, demo: Any) -> None:
    clean = "When Mary and John went to the store, John gave a drink to"
    corrupted = "When Mary and John went to the store, Mary gave a drink to"
    sweep = patching_room.sweep(demo, clean, corrupted, answer=" Mary", versus=" John")
    view, place = show(sweep, start=False)
    shape = view.result.values.shape
    zero = int((view.result.values == 0).sum())  # nothing has run: these are the cells before the second name
    ids = [demo.trace(prompt).token_ids for prompt in (clean, corrupted)]
    assert zero == np.prod(shape[:2]) * int((ids[0] == ids[1]).long().cumprod(0).sum())
    said = f"{zero:,} more are 0 by construction"
    left = np.prod(shape) - zero
    assert place.locator(".pm-progress").inner_text() == f"0 of {left:,} cells were run; {said}"
    assert "0 by construction" in place.locator(".pm-keys").inner_text()
    loop.step(1)
    assert view.done == 0
    place.get_by_role("button", name="Run").click()
    while view.done < view.total:
        loop.step(1)
    frame(browser_page)
    assert place.locator(".pm-progress").inner_text() == f"All {left:,} cells were run; {said}"
    found = re.search(r"r = (\S+) over the (\S+) cells that were run", place.locator(".pm-agreement").inner_text())
    ran = view.result.to_run
    r = np.corrcoef(view.result.values[ran], view.result.estimate[ran])[0, 1]
    assert found.groups() == (f"{r:.2f}", f"{left:,}")


def test_the_question_stands_above_the_map_and_in_the_figure(show: Any) -> None:
    _, place = show(patching(4, 15))
    question = place.locator(".sw-question")
    assert question.locator(".sw-differs").all_inner_texts() == ["·John\n·Mary"]
    assert "logit difference ·Mary − ·John: clean " in question.inner_text()
    assert "the first of 8 pairs" in question.inner_text()
    assert "Corrupted: When·Mary·and·John·went·to·the·store,·Mary·gave" in question.locator(".sw-hidden").text_content()


def test_stop_keeps_what_is_done_and_run_goes_on(show: Any, browser_page: Any, loop: Loop) -> None:
    sweep = Sweep(patching(4, 15), batch=6)
    view, place = show(sweep)
    loop.step(2)
    place.get_by_role("button", name="Stop").click()
    loop.step(3)
    frame(browser_page)
    assert (view.running, view.done, sweep.closed) == (False, 18, 1)
    assert place.locator(".pm-progress").inner_text() == "18 of 60 cells were run"
    loop.step(3)
    assert view.done == 18
    place.get_by_role("button", name="Run").click()
    loop.step(1)
    assert view.running
    assert view.done == 30
    map_of(place).locator(".sw-cell").press("r")
    loop.step(1)
    assert not view.running


def test_it_starts_when_shown_unless_start_is_false(show: Any, loop: Loop) -> None:
    view, place = show(Sweep(patching(4, 15), batch=6), start=False)
    assert (view.running, view.done) == (False, 0)
    assert place.locator(".pm-progress").inner_text() == "0 of 60 cells were run"
    place.get_by_role("button", name="Run").click()
    assert view.running


def test_a_view_that_goes_stops_its_run(show: Any, browser_page: Any, loop: Loop) -> None:
    sweep = Sweep(patching(4, 15), batch=6)
    view, _ = show(sweep)
    loop.step(1)
    browser_page.evaluate("models[0].cleanup()")
    frame(browser_page)
    loop.step(2)
    assert (view.running, sweep.closed) == (False, 1)
    assert view.done < 60


def test_a_failure_is_said_and_the_map_stays(show: Any, browser_page: Any) -> None:
    view, place = show(Sweep(patching(4, 15), batch=6, fails_at=12))
    frame(browser_page)
    assert place.locator(".pm-server").inner_text() == "The model ran out of memory. Patch fewer prompts at once."
    assert place.locator(".pm-progress").inner_text() == "12 of 60 cells were run"
    assert place.get_by_role("button", name="Go on").is_visible()
    assert np.isfinite(view.result.values).sum() == 12


def test_an_opened_cell_gets_its_prompts_when_it_is_run(show: Any, browser_page: Any, loop: Loop) -> None:
    whole = patching(4, 15)
    late = int(np.argsort(-np.abs(whole.values).ravel(), kind="stable")[20])
    _, place = show(Sweep(whole, batch=6))
    browser_page.mouse.click(*middle(map_of(place), 3 - late // 15, late % 15))
    frame(browser_page)
    panel = place.locator(".pm-panel")
    assert "not run yet" in panel.inner_text()
    assert panel.locator("circle").count() == 0
    loop.step(5)
    panel.locator("circle").first.wait_for()
    assert signed(whole.values.ravel()[late]) in panel.inner_text()


# -- attribution


def test_an_attribution_shows_its_parts_and_their_sum(show: Any, browser_page: Any) -> None:
    result = attribution(4, 5)
    view, place = show(result)
    ledger = place.locator(".pm-ledger").inner_text()
    heads = result.contribution[np.array(result.component) == "attention"]
    assert f"heads {signed(heads.sum(), 3)}" in ledger
    assert f"sum = logit difference {signed(result.total.mean(), 3)}, residue 1e−7" in ledger.replace("\n", " ")
    row = result.component.index("attention", 1 + 2 * 7) + 3  # layer 2, head 3
    browser_page.mouse.move(*middle(map_of(place), 1, 3))
    assert "Head 2.3" in tooltip(place)
    assert signed(result.contribution[row]) in tooltip(place)
    browser_page.mouse.click(*middle(map_of(place), 1, 3))
    assert view.selected_heads == [(2, 3)]
    x, y = middle(map_of(place), 1, 6)
    browser_page.mouse.move(x + 8, y)  # beyond the gap
    assert "MLP of layer 2" in tooltip(place)
    place.locator(".pm-ledger .pm-name").first.click()
    place.locator(".pm-dots circle").first.wait_for()
    assert place.locator(".pm-panel").inner_text().startswith("Embedding")
    assert view.selected_heads == [(2, 3)]


# -- tokens are not to be trusted


def test_markup_in_tokens_and_prompts_stays_text(show: Any, browser_page: Any) -> None:
    evil = "<img src=x onerror=window.evil=1>"
    result = patching(3, 8, positions=[evil, *WEIRD[1:]])
    result = replace(result, message=evil, provenance=replace(result.provenance, prompts=(evil,) * 16))
    _, place = show(result, title=evil)
    browser_page.mouse.click(*middle(map_of(place), 1, 0))
    place.locator(".pm-dots circle").first.hover()
    assert evil in tooltip(place)
    assert place.locator("img").count() == 0
    svg = save(browser_page, place, "SVG").decode()
    assert "<img" not in svg
    browser_page.evaluate(
        "svg => { const d = new DOMParser().parseFromString(svg, 'image/svg+xml');"
        " if (d.querySelector('parsererror')) throw Error(d.documentElement.textContent) }",
        svg,
    )
    assert browser_page.evaluate("window.evil") is None


# -- files


@pytest.mark.parametrize("shape", [(4, 15), (3, 5, 15)])
def test_csv_holds_all_cells_exactly(show: Any, browser_page: Any, shape: tuple[int, ...]) -> None:
    sweep = Sweep(patching(*shape), batch=7).run(4)
    _, place = show(sweep, start=False)
    rows = list(csv.DictReader(io.StringIO(save(browser_page, place, "CSV").decode())))
    result = sweep.result
    assert len(rows) == result.values.size
    for row, (index, value) in zip(rows, np.ndenumerate(result.values), strict=True):
        assert tuple(int(row[axis]) for axis in result.axes) == index
        assert row["token"] == result.positions[index[-1]]
        assert row["status"] == ("exact" if np.isfinite(value) else "estimate")
        assert (row["effect"] == "") if np.isnan(value) else float(row["effect"]) == value
        assert float(row["estimate"]) == result.estimate[index]


def test_csv_of_an_attribution_sums_to_the_logit_difference(show: Any, browser_page: Any) -> None:
    result = attribution(4, 5)
    _, place = show(result)
    rows = list(csv.DictReader(io.StringIO(save(browser_page, place, "CSV").decode())))
    assert [row["component"] for row in rows] == result.component
    assert sum(float(row["contribution"]) for row in rows) == pytest.approx(result.total.mean())


def test_pictures_are_saved(show: Any, browser_page: Any) -> None:
    view, place = show(Sweep(patching(6, 5, 15), batch=30).run(3), start=False)
    svg = save(browser_page, place, "SVG").decode()
    assert svg.count("<rect") > 30
    assert svg.count("<circle") > 10
    assert "estimate (gradient)" in svg
    view.shows = "positions"
    frame(browser_page)
    assert "·store" in save(browser_page, place, "SVG").decode()
    assert save(browser_page, place, "PNG")[:4] == b"\x89PNG"
    assert save(browser_page, place, "HTML").startswith(b"<!doctype html>")


def test_a_large_map_is_saved_as_a_picture_with_text(show: Any, browser_page: Any) -> None:
    _, place = show(patching(30, 1024))
    svg = save(browser_page, place, "SVG")
    assert svg.count(b"<image") == 2
    assert svg.count(b"<text") > 20


def test_copy_as_code(show: Any, browser_page: Any) -> None:
    result = patching(6, 5, 15)
    _, place = show(result, shows="positions", selected_heads=[(2, 1)], selected_tokens=[3], limit=0.5)
    place.get_by_role("button", name="Copy as code").click()
    code = code_in_clipboard(browser_page)
    assert [line for line in code.splitlines() if line.startswith("scope = ...  # your model 'somewhere/SmolLM2-135M'")]
    assert ast.unparse(ast.parse(result.code())) in code
    assert "from scope_widgets import patching" in code
    made = eval(code.splitlines()[-1], {"PatchingMap": PatchingMap, "result": result})
    assert (made.shows, made.selected_heads, made.selected_tokens, made.limit) == ("positions", [(2, 1)], [3], 0.5)


def test_a_saved_page_works_from_disk_without_a_kernel(browser_page: Any, tmp_path: Any) -> None:
    sweep = Sweep(patching(3, 5, 15), batch=20).run(4)
    view = PatchingMap(sweep, theme="light")
    browser_page.goto(view.to_html(tmp_path / "page.html").as_uri())
    place = browser_page.locator("#view-0")
    place.locator(".pm-progress").wait_for()
    assert place.locator(".pm-progress").inner_text() == "80 of 225 cells were run"
    assert place.locator(".pm-run").is_hidden()
    place.locator(".pm-panel .pm-name").first.click()
    place.locator(".pm-dots circle").first.wait_for()
    assert "result.values[" in place.locator(".pm-code").inner_text()
    assert place.locator(".sw-note").inner_text() == ""
    save(browser_page, place, "CSV")


# -- surroundings


@pytest.mark.parametrize(("theme", "ground"), [("dark", "rgb(17, 19, 23)"), ("light", "rgb(255, 255, 255)")])
def test_zero_is_the_ground_in_both_themes(show: Any, browser_page: Any, theme: str, ground: str) -> None:
    browser_page.emulate_media(color_scheme=theme)
    _, place = show()
    assert place.locator(".sw").evaluate("root => getComputedStyle(root).backgroundColor") == ground
    zero = pixels(map_of(place), 1, 0)[0][:3].astype(int)
    assert np.abs(zero - [int(channel) for channel in re.findall(r"\d+", ground)]).max() <= 2


def test_it_works_in_a_shadow_root(show: Any, browser_page: Any) -> None:
    show(patching(3, 5, 15))
    browser_page.evaluate(
        """async () => {
          const host = document.body.appendChild(document.createElement('div'));
          host.style.width = '900px';
          const el = host.attachShadow({mode: 'open'}).appendChild(document.createElement('div'));
          el.id = 'inside';
          (await import('/patching_map.js')).default.render({model: models[0], el});
        }"""
    )
    frame(browser_page)
    inside = browser_page.locator("#inside")
    inside.locator(".pm-panel .pm-name").first.focus()
    browser_page.keyboard.press("Enter")
    inside.locator(".pm-dots circle").first.wait_for()
    assert inside.get_by_role("button", name="Close the details").evaluate("b => b.getRootNode().activeElement === b")
    assert inside.locator(".pm-body").evaluate("body => getComputedStyle(body).display") == "flex"


def test_a_view_rendered_before_it_is_in_the_page_is_drawn(show: Any, browser_page: Any) -> None:
    show()
    browser_page.evaluate(
        """async () => {
          const el = document.createElement('div');
          (await import('/patching_map.js')).default.render({model: models[0], el});
          document.body.append(el);
          const colours = () => {
            const canvas = el.querySelector('.pm-map canvas');
            const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
            return new Set(new Uint32Array(data.buffer)).size;
          };
          while (colours() <= 10) await frame();
        }"""
    )


def test_it_leaves_nothing_behind(show: Any, browser_page: Any) -> None:
    show(patching(3, 5, 15))
    left = browser_page.evaluate(
        "() => { models[0].cleanup(); return [document.querySelectorAll('.sw').length,"
        " Object.values(models[0].listeners).reduce((n, set) => n + set.size, 0)] }"
    )
    assert left == [0, 0]


def test_everything_that_can_be_pressed_has_a_name(show: Any) -> None:
    _, place = show(Sweep(patching(3, 5, 15)), start=False)
    nameless = place.locator("button, [role=slider], [role=grid], [role=separator], [role=radio]").evaluate_all(
        "all => all.filter(e => !(e.getAttribute('aria-label') || e.textContent.trim())).map(e => e.outerHTML)"
    )
    assert nameless == []


@pytest.mark.parametrize("width", [480, 1160])
def test_nothing_stands_out_of_the_view(show: Any, browser_page: Any, width: int) -> None:
    _, place = show(Sweep(patching(12, 12, 15), batch=100).run(3), start=False, selected_heads=[(1, 1)], width=width)
    outside = place.locator(".sw").evaluate(
        "root => [...root.querySelectorAll('.sw-bar > *, .pm-status *, .pm-head *, .pm-switch *, .pm-map, .pm-panel')]"
        ".filter(e => { const b = e.getBoundingClientRect(), r = root.getBoundingClientRect();"
        " return b.width && !e.closest('.sw-chips') && (b.right > r.right + 1 || b.bottom > r.bottom + 1) })"
        ".map(e => e.className)"
    )
    assert outside == []


PICTURES: dict[str, tuple[Callable[[], Any], dict[str, Any]]] = {
    "small": (lambda: patching(4, 15), {}),
    "large": (lambda: Sweep(patching(31, 200), batch=300).run(8), {"start": False}),
    "heads": (lambda: Sweep(patching(12, 12, 15), batch=200).run(3), {"start": False, "selected_heads": [(11, 10)]}),
    "positions": (lambda: patching(12, 12, 15), {"shows": "positions"}),
    "attribution": (attribution, {}),
    "weird": (lambda: Sweep(patching(5, 8, positions=WEIRD), 10, estimate=False).run(2), {"start": False}),
}


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize("name", PICTURES)
def test_pictures_for_the_eye(show: Any, browser_page: Any, screenshot: Any, name: str, theme: str) -> None:
    """Screenshots to look at after a change, with a cell opened."""
    make, options = PICTURES[name]
    _, place = show(make(), theme=theme, **options)
    screenshot(place, f"patching_map_{name}_{theme}")
    place.locator(".pm-panel .pm-name").nth(1).click()
    place.locator(".pm-dots circle").first.wait_for()
    screenshot(place, f"patching_map_{name}_open_{theme}")


# -- the work of drawing; benchmarks/pointing.py has the times


@pytest.mark.parametrize("shape", [(30, 1024), (80, 64)])
def test_pointing_and_recolouring_draw_little(show: Any, browser_page: Any, shape: tuple[int, int]) -> None:
    _, place = show(patching(*shape, over="residual" if shape[1] > 64 else "head"))
    map_of(place).hover()
    hover, recolour = map(most, works(browser_page, POINT))
    assert hover <= Work(calls=300, pixels=0, changes=10)
    assert recolour <= Work(calls=2000, pixels=80_000, changes=40)


POINT = """
  const map = document.querySelector('.pm-left > .pm-map'), box = map.getBoundingClientRect();
  const hover = [], recolour = [];
  for (let i = 0; i < 30; i++) {
    const at = {clientX: box.x + box.width * (.2 + .02 * i), clientY: box.y + box.height * (.4 + .01 * i)};
    hover.push(await work(() => map.dispatchEvent(new PointerEvent('pointermove', {...at, bubbles: true}))));
    if (i % 3 === 0) recolour.push(await work(() => models[0].put('limit', 0.5 + i / 100)));
  }
  return [hover, recolour];
"""
