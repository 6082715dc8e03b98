"""AttentionStack in a real Chromium, joined to its real Python half."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scope_widgets.widgets import AttentionStack, AttentionView, Selection, save_html
from tests.support.stack_examples import stacked_trace
from tests.support.view_page import frame

pytestmark = pytest.mark.browser

#: no WebGL in this page
WITHOUT = """
const get = HTMLCanvasElement.prototype.getContext;
HTMLCanvasElement.prototype.getContext = function (kind, ...rest) {
  return kind === "webgl2" ? null : get.call(this, kind, ...rest);
};"""
FLAT = "The stack lies flat: no slice hides another."


@pytest.fixture(scope="module")
def trace() -> Any:
    return stacked_trace(32, 6, 8)


@pytest.fixture
def show(browser_page: Any, mount: Callable[..., list[Any]], trace: Any) -> Callable[..., tuple[AttentionStack, Any]]:
    """``show(...)`` gives the view and its locator; `given` is another trace."""

    def show(given: Any = None, width: int = 1160, webgl: bool = True, **options: Any) -> tuple[AttentionStack, Any]:
        if not webgl:
            browser_page.add_init_script(WITHOUT)
        browser_page.set_viewport_size({"width": width + 40, "height": 900})
        view = AttentionStack(trace if given is None else given, **options)
        (place,) = mount(browser_page, view, width=width)
        frame(browser_page)
        return view, place

    return show


def has_webgl(page: Any) -> bool:
    return bool(page.evaluate("!!document.createElement('canvas').getContext('webgl2')"))


def press(page: Any, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)
    frame(page)


def stage(place: Any) -> Any:
    return place.locator(".as-stage")


def walk_to(page: Any, place: Any, layer: int, head: int, layers: int) -> Any:
    """Stand on a head by keyboard; its cell lies over its slice."""
    cell = stage(place).get_by_role("gridcell")
    cell.focus()
    press(page, "Control+Home", *["ArrowDown"] * (layers - 1 - layer), *["ArrowRight"] * head)
    return cell


def save(page: Any, place: Any, kind: str) -> bytes:
    place.get_by_role("button", name="Save").click()
    with page.expect_download() as download:
        place.get_by_role("menuitem", name=kind, exact=True).click()
    return Path(download.value.path()).read_bytes()


@pytest.mark.parametrize("webgl", [True, False])
def test_every_head_is_there_and_hidden_ones_are_counted(show: Any, browser_page: Any, webgl: bool) -> None:
    """Of each head that is not hidden its own number was found among the pixels."""
    view, place = show(stacked_trace(64, 12, 12), spread=1.0, threshold=0.0, webgl=webgl)
    place.get_by_text(FLAT).wait_for()
    said = place.locator(".as-said").inner_text()
    assert ("has no WebGL 2" in said) is not (webgl and has_webgl(browser_page))
    view.spread, view.turn, view.tilt = 0.0, 0.0, 0.0
    place.get_by_text("143 of 144 heads cannot be seen from here").wait_for()
    view.threshold = 0.2  # through what is clear others show
    place.get_by_text(re.compile(r"hide what is behind them: (?!143 )\d+ of 144 heads|a cell or the edge")).wait_for()


def test_pointing_opens_a_head_and_a_click_selects_it_everywhere(browser_page: Any, mount: Any, trace: Any) -> None:
    chosen = Selection()
    views = (
        AttentionStack(trace, selection=chosen, spread=1.0, turn=0.0, tilt=0.0),
        AttentionView(trace, selection=chosen),
    )
    stack, other = mount(browser_page, *views, width=1160)
    frame(browser_page)
    for layer, head in ((0, 0), (5, 7), (2, 4)):
        cell = walk_to(browser_page, stack, layer, head, 6)
        box = cell.bounding_box()
        browser_page.mouse.move(box["x"] + 0.3 * box["width"], box["y"] + 0.7 * box["height"])
        frame(browser_page)
        assert stack.locator(".sw-tooltip b").inner_text() == f"Head {layer}.{head}"
        assert f"Head {layer}.{head}" in stack.locator(".as-panel").inner_text()
    browser_page.mouse.down()
    browser_page.mouse.up()
    frame(browser_page)
    assert chosen.heads == [(2, 4)]
    assert "Head 2.4" in other.inner_text()
    chosen.heads = [(1, 1)]
    frame(browser_page)
    browser_page.mouse.move(5, 5)
    frame(browser_page)
    assert "Head 1.1" in stack.locator(".as-panel").inner_text()
    assert "selected" in stack.locator(".as-panel").inner_text()


def test_values_are_exact_where_a_head_is_selected(show: Any, browser_page: Any, trace: Any) -> None:
    _, place = show(selected_heads=[(4, 2)])
    box = place.locator(".as-matrix").bounding_box()
    pattern = trace.attention(4)[2].numpy()
    seen = 0
    for share in (0.45, 0.55, 0.65):
        browser_page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + share * box["height"])
        frame(browser_page)
        found = re.search(r"query (\d+) .*, key (\d+) .*: (\S+)$", place.locator(".as-note").inner_text())
        if found:
            seen += 1
            value = pattern[int(found[1]), int(found[2])]
            assert float(found[3].replace("−", "-")) == pytest.approx(float(value), rel=2e-3, abs=1e-6)
    assert seen


def test_turning_spreading_and_keys(show: Any, browser_page: Any) -> None:
    view, place = show()
    box = place.locator(".as-stage").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    browser_page.mouse.move(x, y)
    browser_page.mouse.down()
    browser_page.mouse.move(x + 50, y + 20, steps=4)
    browser_page.mouse.up()
    frame(browser_page)
    assert (view.turn, view.tilt) == (-32 + 20, 22 + 8)
    assert view.selected_heads == []
    place.get_by_role("slider", name="Spread").press("ArrowRight")
    assert view.spread == pytest.approx(0.71)
    place.get_by_role("button", name="layers").click()
    assert view.spread == 0.5
    stage(place).get_by_role("gridcell").focus()
    press(browser_page, "d", "w", ".", "f")
    assert (view.turn, view.tilt, view.spread) == (0, 0, 1)
    press(browser_page, "f")
    assert (view.turn, view.tilt) == (-6, 24)
    assert view.spread == pytest.approx(0.55)
    press(browser_page, "0")
    assert (view.turn, view.tilt, view.spread) == (-32, 22, 0.7)
    view.spread = 0.2
    frame(browser_page)
    assert place.get_by_role("slider", name="Spread").input_value() == "0.2"


def test_heads_by_keyboard(show: Any, browser_page: Any) -> None:
    view, place = show()
    cell = walk_to(browser_page, place, 3, 2, 6)
    assert cell.get_attribute("aria-label").startswith("Head 3.2, largest attention")
    press(browser_page, "Enter", "ArrowUp", "Shift+Enter")
    assert view.selected_heads == [(3, 2), (4, 2)]
    assert "selected" in cell.get_attribute("aria-label")
    press(browser_page, "Escape")
    assert view.selected_heads == []


def test_the_opened_head_by_keyboard(show: Any, browser_page: Any, trace: Any) -> None:
    _, place = show(selected_heads=[(4, 2)])
    cell = place.get_by_role("grid", name=re.compile("^Cells of the head")).get_by_role("gridcell")
    cell.focus()
    press(browser_page, "Control+Home", *["ArrowDown"] * 9, *["ArrowRight"] * 8)
    said = cell.get_attribute("aria-label")
    value = trace.attention(4)[2][9, 8].item()
    assert said.startswith("Head 4.2, query 9 ")
    assert float(said.rsplit(": ")[-1]) == pytest.approx(value, rel=2e-3, abs=1e-6)
    assert "query 9 " in place.locator(".as-note").inner_text()
    assert cell.bounding_box()["width"] >= 3
    press(browser_page, "ArrowRight", "ArrowRight")  # no key is after its query
    assert "query 9 " in cell.get_attribute("aria-label")
    assert "key 9 " in cell.get_attribute("aria-label")


def test_pointing_at_cells_paints_no_head_anew(show: Any, browser_page: Any) -> None:
    _, place = show(selected_heads=[(4, 2)])
    place.get_by_role("region", name="Head").get_by_text("selected").wait_for()
    browser_page.evaluate(
        """() => {
          const put = CanvasRenderingContext2D.prototype.putImageData;
          globalThis.painted = 0;
          CanvasRenderingContext2D.prototype.putImageData = function (...all) {
            painted++;
            return put.apply(this, all);
          };
        }"""
    )
    box = place.locator(".as-matrix").bounding_box()
    said = set()
    for share in (0.5, 0.6, 0.7):
        browser_page.mouse.move(box["x"] + 0.4 * box["width"], box["y"] + share * box["height"])
        frame(browser_page)
        said.add(place.locator(".as-note").inner_text())
    assert len(said) == 3
    assert browser_page.evaluate("painted") == 0
    browser_page.mouse.move(5, 5)
    place.get_by_role("button", name="linear").click()
    frame(browser_page)
    assert browser_page.evaluate("painted") > 0  # another scale does


def test_only_a_stack_that_lies_in_the_plane_of_the_screen_is_called_flat(show: Any, browser_page: Any) -> None:
    view, place = show(spread=1.0)
    flat = place.get_by_role("button", name="flat")
    assert flat.get_attribute("aria-pressed") == "false"
    flat.click()
    assert flat.get_attribute("aria-pressed") == "true"
    assert (view.turn, view.tilt, view.spread) == (0, 0, 1)


def test_fewer_pixels_while_it_moves_slowly(show: Any, browser_page: Any) -> None:
    show()
    canvas = "document.querySelector('.as-stage .sw-canvas canvas')"
    full = browser_page.evaluate(f"{canvas}.width")
    moving = browser_page.evaluate(
        f"""async () => {{
          let least = 1e9;
          for (let at = 0; at < 7; at++) {{
            models[0].put('turn', at);
            await new Promise(requestAnimationFrame);
            const until = performance.now() + 60;
            while (performance.now() < until);
            least = Math.min(least, {canvas}.width);
          }}
          return least;
        }}"""
    )
    assert moving == round(full / 2)
    browser_page.wait_for_function(f"{canvas}.width === {full}")


def test_it_stays_when_the_browser_takes_webgl_away(show: Any, browser_page: Any) -> None:
    if not has_webgl(browser_page):
        pytest.skip("This Chromium has no WebGL to take away.")
    _, place = show(spread=1.0)
    browser_page.evaluate(
        """() => document.querySelector('.sw-canvas canvas').getContext('webgl2')
          .getExtension('WEBGL_lose_context').loseContext()"""
    )
    place.get_by_text("The browser took WebGL away").wait_for()
    place.get_by_text(FLAT).wait_for()


def test_another_prompt_is_shown_whole(browser_page: Any, mount: Any, demo: Any) -> None:
    view = AttentionStack(demo.trace("When Mary and John went to the store"))
    (place,) = mount(browser_page, view, width=800)
    view.change_prompt("The dog runs")
    frame(browser_page)
    assert place.locator(".sw-title").inner_text().endswith(f"{len(view.tokens)} tokens")
    walk_to(browser_page, place, 0, 0, view.n_layers)
    assert "Head 0.0" in place.locator(".as-panel").inner_text()


def test_files(show: Any, browser_page: Any, trace: Any) -> None:
    _, place = show(selected_heads=[(1, 5)])
    rows = list(csv.DictReader(io.StringIO(save(browser_page, place, "CSV").decode(), newline="")))
    assert len(rows) == 32 * 33 // 2
    expected = trace.attention(1)[5].numpy()[np.tril_indices(32)]
    np.testing.assert_allclose([float(row["attention"]) for row in rows], expected, rtol=1e-6)
    svg = save(browser_page, place, "SVG").decode()
    assert svg.count("<image") == 48
    assert "from here" in svg
    assert save(browser_page, place, "PNG")[:4] == b"\x89PNG"


def test_a_saved_page_works_without_a_kernel(browser_page: Any, tmp_path: Path, trace: Any) -> None:
    view = AttentionStack(trace, selected_heads=[(0, 3)], spread=1.0)
    browser_page.goto(save_html(view, tmp_path / "page.html").as_uri())
    browser_page.get_by_text(FLAT).wait_for()
    browser_page.get_by_role("button", name="layers").click()
    stage(browser_page).get_by_role("gridcell").focus()
    browser_page.keyboard.press("Enter")
    browser_page.get_by_role("region", name="Head").get_by_text("selected").wait_for()


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize("name", ["stack", "spread", "flat", "narrow", "without"])
def test_screenshots(show: Any, browser_page: Any, screenshot: Any, name: str, theme: str) -> None:
    spread = {"stack": 0.1, "flat": 1.0}.get(name, 0.7)
    _, place = show(
        stacked_trace(64, 12, 12),
        width=480 if name == "narrow" else 1160,
        webgl=name != "without",
        theme=theme,
        spread=spread,
        selected_heads=[(5, 3)],
    )
    place.locator(".as-said").filter(has_text=re.compile("from here|no slice hides")).wait_for()
    screenshot(place, f"stack-{name}-{theme}")
