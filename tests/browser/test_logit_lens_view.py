"""LogitLensView in a real Chromium, joined to its real Python half."""

from __future__ import annotations

import csv
import dataclasses
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scope_widgets.widgets import LogitLensView, Selection
from tests.support.lens_examples import made_lens
from tests.support.view_page import Work, frame, most, works

pytestmark = pytest.mark.browser

GUTTER, HEADER = 48, 34
EVIL = "<img src=x onerror=window.evil=1>"
ODD = ["\n", "<0xE2><0x80>", " \U0001f680", " مرحبا", "日本語", "\u202eevil", EVIL, "\ufffd", "\t\t", "", "</script>"]


@pytest.fixture
def show(browser_page: Any, mount: Callable[..., list[Any]]) -> Callable[..., tuple[LogitLensView, Any]]:
    """``show(lens, ...)`` gives the view and its locator, with everything arrived and drawn."""

    def show(lens: Any = None, width: int = 1160, **options: Any) -> tuple[LogitLensView, Any]:
        view = LogitLensView(lens or made_lens(), **options)
        (place,) = mount(browser_page, view, width=width)
        frame(browser_page)
        return view, place

    return show


def cell_at(place: Any, layer: int, position: int) -> tuple[float, float]:
    """Middle of a cell, in pixels of the page, from where the focusable cell stands."""
    cell = place.locator(".ll-map .sw-cell")
    box = cell.bounding_box()
    row = int(cell.evaluate("cell => cell.parentElement.getAttribute('aria-rowindex')")) - 1
    column = int(cell.get_attribute("aria-colindex")) - 1
    rows = int(place.locator(".ll-map [role=grid]").get_attribute("aria-rowcount"))
    width, height = box["width"] + 1, box["height"] + 1
    return box["x"] + (position - column + 0.5) * width, box["y"] + (rows - 1 - layer - row + 0.5) * height


def tooltip(place: Any) -> str:
    note = place.locator(".sw-tooltip")
    return note.inner_text() if note.is_visible() else ""


def colour_at(page: Any, place: Any, layer: int, position: int) -> list[int]:
    """Colour of a cell's lower right part, where no word stands."""
    x, y = cell_at(place, layer, position)
    box = place.locator(".ll-map").bounding_box()
    return page.evaluate(
        "([x, y]) => [...document.querySelector('.ll-map canvas').getContext('2d').getImageData(x, y, 1, 1).data]",
        [x - box["x"] + 20, y - box["y"] + 14],
    )


# -- seeing


def test_it_says_what_it_shows(show: Any) -> None:
    _, place = show()
    assert place.locator(".sw-title").inner_text() == "Logit lens, tiny-model, 14 tokens"
    grid = place.get_by_role("grid")
    assert (grid.get_attribute("aria-rowcount"), grid.get_attribute("aria-colcount")) == ("5", "14")
    assert "position 13" in place.locator(".ll-at").inner_text()
    assert place.locator(".ll-overview").is_hidden()  # all is on show


def test_pointing_shows_the_best_tokens_with_exact_numbers(show: Any, browser_page: Any) -> None:
    lens = made_lens()
    _, place = show(lens)
    for layer, position in ((0, 0), (4, 13), (2, 7)):
        browser_page.mouse.move(*cell_at(place, layer, position))
        text = tooltip(place)
        assert f"{'output' if layer == 4 else f'layer {layer}'}, position {position}" in text
        for value in lens.top_probabilities[layer, position]:
            assert f"{value:.6f}" in text
        assert f"entropy {lens.entropy[layer, position]:.3f} nats" in text
        assert f"KL to the output {lens.kl[layer, position]:.3f} nats" in text
    assert "goes on with ," in text.replace("\xa0", " ")
    browser_page.mouse.move(3, 3)
    assert tooltip(place) == ""


def test_colours_follow_what_is_chosen(show: Any, browser_page: Any) -> None:
    lens = made_lens()
    view, place = show(lens)
    before = colour_at(browser_page, place, 0, 3)
    select = place.get_by_label("What the colours show")
    assert select.locator("option").all_inner_texts() == [
        "probability of the top token",
        "entropy, nats",
        "KL(output ‖ layer), nats",
        "rank of ·Mary",
        "probability of ·Mary",
        "rank of ·John",
        "probability of ·John",
    ]
    select.select_option("entropy, nats")
    frame(browser_page)
    assert view.colour == "entropy"
    assert colour_at(browser_page, place, 0, 3) != before
    select.select_option("rank of ·John")
    assert (view.colour, view.token) == ("rank", 2)
    browser_page.mouse.move(*cell_at(place, 1, 5))
    assert f"rank of ·John: {lens.watched_ranks[1, 1, 5] + 1}" in tooltip(place)
    assert place.get_by_role("button", name="Scale: log").is_hidden()  # ranks are always logarithmic
    view.colour = "probability"
    frame(browser_page)
    assert select.input_value() == "0"
    assert colour_at(browser_page, place, 0, 3) == before


def test_scale_and_limits_reach_python(show: Any, browser_page: Any) -> None:
    view, place = show()
    place.get_by_role("button", name="Scale: linear").click()
    assert view.scale == "log"
    place.get_by_role("slider", name="Upper limit").press("ArrowLeft")
    assert view.limits[1] < 1
    assert "above" in place.locator(".sw-clipped").inner_text()
    place.get_by_label("What the colours show").select_option("entropy, nats")
    assert view.limits is None  # those of a probability say nothing about entropy


def test_nan_is_hatched_not_coloured(show: Any, browser_page: Any) -> None:
    lens = made_lens()
    chances = lens.top_probabilities.copy()
    chances[1, 2, 0] = np.nan
    _, place = show(dataclasses.replace(lens, top_probabilities=chances))
    browser_page.mouse.move(*cell_at(place, 1, 2))
    assert "NaN" in tooltip(place)


# -- one position


def test_a_click_opens_a_position(show: Any, browser_page: Any) -> None:
    lens = made_lens()
    view, place = show(lens)
    browser_page.mouse.click(*cell_at(place, 1, 4))
    frame(browser_page)
    assert view.selected_tokens == [4]
    assert "position 4" in place.locator(".ll-at").inner_text()
    expected = lens.ever_on_top(4)
    rows = place.locator(".ll-ever tbody tr")
    shown = {row.split("\t")[0]: float(row.split("\t")[-1]) for row in rows.all_inner_texts()}
    names = [text.replace(" ", "·").replace("\n", "↵") for text in expected["text"]]
    assert shown == pytest.approx(dict(zip(names, expected["peak_probability"], strict=True)), abs=6e-4)
    browser_page.keyboard.down("Shift")
    browser_page.mouse.click(*cell_at(place, 0, 9))
    browser_page.keyboard.up("Shift")
    frame(browser_page)
    assert view.selected_tokens == [4, 9]
    assert place.locator(".sw-chip-name").all_inner_texts() == ["4 ·went", "9 ·John"]
    browser_page.mouse.click(*cell_at(place, 0, 9))
    frame(browser_page)
    assert view.selected_tokens == [9]


def test_ever_on_top_names_the_layers(show: Any) -> None:
    lens = made_lens()
    ids = lens.top_ids.copy()
    ids[:, 13, 0] = [7, 5, 7, 5, 5]
    _, place = show(dataclasses.replace(lens, top_ids=ids))
    assert place.locator(".ll-runs").all_inner_texts() == ["1, 3–output", "0, 2"]


def test_the_chart_follows_position_layer_and_kind(show: Any, browser_page: Any) -> None:
    lens = made_lens()
    view, place = show(lens)

    def said() -> str:
        frame(browser_page)
        return str(place.locator(".ll-chart").get_attribute("aria-label"))

    ranks = lens.watched_ranks[:, :, 13] + 1
    assert said() == f"Ranks after position 13 at the output: ·Mary {ranks[0, 4]}, ·John {ranks[1, 4]}"
    browser_page.mouse.move(*cell_at(place, 1, 3))
    assert said() == f"Ranks after position 13 at layer 1: ·Mary {ranks[0, 1]}, ·John {ranks[1, 1]}"
    place.get_by_role("radio", name="probability").click()
    assert view.chart == "probability"
    assert 0 < lens.watched_probabilities[0, 4, 13] < 5e-4
    john = lens.watched_probabilities[1, 4, 13]
    assert said() == f"Probabilities after position 13 at the output: ·Mary <.001, ·John {john:.3f}"
    box = place.locator(".ll-chart svg").bounding_box()
    browser_page.mouse.move(box["x"] + 38, box["y"] + 40)
    assert "at layer 0:" in said()


def test_without_watched_tokens_the_chart_says_so(show: Any) -> None:
    _, place = show(made_lens(watch=()))
    assert place.locator(".ll-chart").inner_text() == "No token is watched."


# -- moving about


def test_it_works_by_keyboard(show: Any, browser_page: Any) -> None:
    lens = made_lens()
    view, place = show(lens)
    cell = place.locator(".ll-map .sw-cell")
    cell.focus()
    for key in ("Control+Home", "ArrowDown", "ArrowRight", "ArrowRight"):
        browser_page.keyboard.press(key)
    label = cell.get_attribute("aria-label")
    assert label.startswith("Layer 3, position 2 ·and: ")
    assert f"{lens.top_probabilities[3, 2, 0]:.6f}, then" in label
    browser_page.keyboard.press("Enter")
    assert view.selected_tokens == [2]
    browser_page.keyboard.press("c")
    assert view.colour == "entropy"
    browser_page.keyboard.press("Escape")
    assert view.selected_tokens == []
    browser_page.keyboard.press("?")
    assert place.get_by_role("dialog", name="Keys").is_visible()


def test_a_drag_selects_positions(show: Any, browser_page: Any) -> None:
    view, place = show()
    browser_page.mouse.move(*cell_at(place, 2, 5))
    browser_page.mouse.down()
    browser_page.mouse.move(*cell_at(place, 2, 3), steps=3)
    browser_page.mouse.up()
    assert view.selected_tokens == [3, 4, 5]


def test_a_long_prompt_is_seen_at_its_end_and_scrolls(show: Any, browser_page: Any) -> None:
    view, place = show(made_lens(12, 200))
    scrollbar = place.get_by_role("scrollbar")
    assert scrollbar.get_attribute("aria-valuetext").endswith("to 199 of 200")
    first = int(scrollbar.get_attribute("aria-valuenow"))
    place.locator(".ll-map").hover()
    browser_page.mouse.wheel(-270, 0)
    frame(browser_page)
    assert int(scrollbar.get_attribute("aria-valuenow")) < first
    scrollbar.press("Home")
    assert scrollbar.get_attribute("aria-valuenow") == "0"
    view.selected_tokens = [150]
    frame(browser_page)
    start = int(scrollbar.get_attribute("aria-valuenow"))
    assert 100 < start <= 150


def test_zooming_out_shows_all_and_escape_brings_the_words_back(show: Any, browser_page: Any) -> None:
    _, place = show(made_lens(12, 200))
    box = place.locator(".ll-map").bounding_box()
    browser_page.mouse.move(box["x"] + 300, box["y"] + 100)
    before = place.locator(".ll-map .sw-cell").bounding_box()["width"]
    browser_page.keyboard.down("Control")
    browser_page.mouse.wheel(0, 3000)
    browser_page.keyboard.up("Control")
    place.locator(".ll-overview").wait_for(state="hidden")
    assert place.locator(".ll-settled").is_hidden() is (box["width"] - GUTTER < 6 * 200)
    place.locator(".ll-map .sw-cell").focus()
    browser_page.keyboard.press("Escape")
    frame(browser_page)
    assert place.locator(".ll-overview").is_visible()
    assert place.locator(".ll-map .sw-cell").bounding_box()["width"] == pytest.approx(before, abs=1)


def test_two_views_share_a_selection(browser_page: Any, mount: Any) -> None:
    chosen = Selection()
    places = mount(browser_page, *(LogitLensView(made_lens(), selection=chosen) for _ in range(2)))
    frame(browser_page)
    browser_page.mouse.click(*cell_at(places[0], 2, 6))
    assert chosen.tokens == [6]
    assert "position 6" in places[1].locator(".ll-at").inner_text()
    chosen.tokens = [99]  # a token that only another view's prompt has
    frame(browser_page)
    assert "position 13" in places[0].locator(".ll-at").inner_text()


# -- tokens are not to be trusted


def test_odd_tokens_stay_text(show: Any, browser_page: Any) -> None:
    lens = made_lens(4, ODD, watch=range(len(ODD)), vocabulary=ODD)
    _, place = show(lens, selected_tokens=[6])
    for position in range(len(ODD)):
        browser_page.mouse.move(*cell_at(place, 3, position))
    browser_page.mouse.move(*cell_at(place, 3, 6))
    assert "<img·src=x·onerror=window.evil=1>" in tooltip(place)
    svg = save(browser_page, place, "SVG").decode()
    assert "<img" not in svg
    for text in (svg, place.locator(".ll-chart svg").evaluate("svg => svg.outerHTML")):
        assert (
            browser_page.evaluate(
                "svg => { const d = new DOMParser().parseFromString(svg, 'image/svg+xml');"
                " return d.querySelectorAll('parsererror, img, script').length }",
                text,
            )
            == 0
        )
    assert place.locator("img, script").count() == 0
    assert browser_page.evaluate("window.evil") is None


@pytest.mark.parametrize("rows", [4, 30])
def test_words_stay_in_their_cells(show: Any, browser_page: Any, rows: int) -> None:
    browser_page.add_init_script(
        """window.drawn = [];
        const fill = CanvasRenderingContext2D.prototype.fillText;
        CanvasRenderingContext2D.prototype.fillText = function (text, x, y) {
          drawn.push([text, x, x + this.measureText(text).width, y]);
          fill.call(this, text, x, y);
        }"""
    )
    _, place = show(made_lens(rows, vocabulary=[*ODD, *(" supercalifragilistic" + "i" * i for i in range(20))]))
    width = place.locator(".ll-map .sw-cell").bounding_box()["width"] + 1
    drawn = [one for one in browser_page.evaluate("drawn") if one[1] > GUTTER and one[3] > HEADER]
    assert len(drawn) > 100
    end = 0.0
    for text, left, right, _ in drawn:
        column = int((left - GUTTER) / width)
        assert right <= GUTTER + (column + 1) * width, text
        if text == "…":  # part of the word before it
            assert left == pytest.approx(end, abs=0.5)
        end = right


# -- files


def save(page: Any, place: Any, kind: str) -> bytes:
    place.get_by_role("button", name="Save").click()
    with page.expect_download() as download:
        place.get_by_role("menuitem", name=kind).click()
    return Path(download.value.path()).read_bytes()


def test_csv_is_the_lens_own_table_and_the_next_best(show: Any, browser_page: Any) -> None:
    lens = made_lens()
    _, place = show(lens)
    rows = list(csv.DictReader(io.StringIO(save(browser_page, place, "CSV").decode(), newline="")))
    table = lens.to_dataframe()
    assert list(rows[0])[: len(table.columns)] == list(table.columns)
    for name in ("layer", "position", "top_id", "probability", "entropy", "kl", "rank of ' John'"):
        np.testing.assert_array_equal([float(row[name]) for row in rows], table[name])
    for name in ("token", "top_token"):
        assert [row[name] for row in rows] == list(table[name])
    assert float(rows[7]["probability_3"]) == lens.top_probabilities[0, 7, 2]


def test_pictures_are_saved_with_words_and_without(show: Any, browser_page: Any) -> None:
    _, place = show(made_lens(12, 200), title="Lens & more")
    svg = save(browser_page, place, "SVG").decode()
    assert "Lens &#38; more" in svg
    assert svg.count("<rect") > 100
    assert "<image" not in svg
    assert save(browser_page, place, "PNG")[:4] == b"\x89PNG"
    place.locator(".ll-map .sw-cell").focus()
    for _ in range(6):
        browser_page.keyboard.press("-")
    svg = save(browser_page, place, "SVG").decode()
    assert svg.count("<image") == 1


def test_copied_code_makes_the_view_again(show: Any, browser_page: Any) -> None:
    options = {"selected_tokens": [3], "colour": "rank", "token": 2, "limits": [0.01, 0.5], "chart": "probability"}
    _, place = show(**options)
    place.get_by_label("Copy as code").click()
    browser_page.wait_for_function("document.querySelector('.sw-note').textContent")
    code = browser_page.evaluate("navigator.clipboard.readText()")
    made = eval(code.splitlines()[-1], {"LogitLensView": LogitLensView, "result": made_lens()})
    assert {name: getattr(made, name) for name in options} == options


def test_a_saved_page_works_from_disk_without_a_kernel(browser_page: Any, tmp_path: Path) -> None:
    lens = made_lens()
    view = LogitLensView(lens, theme="light")
    browser_page.goto(view.to_html(tmp_path / "page.html").as_uri())
    place = browser_page.locator("#view-0")
    place.locator(".ll-chart svg circle").first.wait_for()
    cell = place.locator(".ll-map .sw-cell")
    cell.focus()
    for key in ("Control+Home", "ArrowDown", "Enter"):
        browser_page.keyboard.press(key)
    assert f"{lens.top_probabilities[3, 0, 4]:.6f}; entropy" in cell.get_attribute("aria-label")
    assert "position 0" in place.locator(".ll-at").inner_text()
    place.get_by_label("What the colours show").select_option("KL(output ‖ layer), nats")
    assert b"rank of ' Mary'" in save(browser_page, place, "CSV")


# -- surroundings


def test_it_works_in_a_shadow_root(show: Any, browser_page: Any) -> None:
    show()
    browser_page.evaluate(
        """async () => {
          const host = document.body.appendChild(document.createElement('div'));
          host.style.width = '900px';
          const el = host.attachShadow({mode: 'open'}).appendChild(document.createElement('div'));
          el.id = 'inside';
          (await import('/logit_lens_view.js')).default.render({model: models[0], el});
        }"""
    )
    frame(browser_page)
    inside = browser_page.locator("#inside")
    assert inside.locator(".ll-body").evaluate("body => getComputedStyle(body).display") == "flex"
    assert inside.locator(".ll-map canvas").first.bounding_box()["width"] > 300


def test_it_leaves_nothing_behind(show: Any, browser_page: Any) -> None:
    show()
    left = browser_page.evaluate(
        "() => { models[0].cleanup(); return [document.querySelectorAll('.sw').length,"
        " Object.values(models[0].listeners).reduce((n, set) => n + set.size, 0)] }"
    )
    assert left == [0, 0]


def test_everything_that_can_be_pressed_has_a_name(show: Any) -> None:
    _, place = show(made_lens(12, 100))
    nameless = place.locator(
        "button, select, [role=slider], [role=grid], [role=separator], [role=scrollbar]"
    ).evaluate_all(
        "all => all.filter(e => !(e.getAttribute('aria-label') || e.textContent.trim())).map(e => e.outerHTML)"
    )
    assert nameless == []


@pytest.mark.parametrize("width", [480, 1160])
def test_nothing_stands_out_of_the_view(show: Any, width: int) -> None:
    _, place = show(made_lens(30, 60), selected_tokens=[3], width=width)
    outside = place.locator(".sw").evaluate(
        "root => [...root.querySelectorAll('.sw-bar > *, .ll-head *, .ll-left *, .ll-side *')].filter(e => {"
        " const b = e.getBoundingClientRect(), r = root.getBoundingClientRect();"
        " return b.width && !e.closest('.ll-clip, .ll-ever, .sw-chips')"
        " && (b.right > r.right + 1 || b.bottom > r.bottom + 1)"
        " }).map(e => e.className)"
    )
    assert outside == []


LENSES = {"small": made_lens(), "large": made_lens(30, 200), "odd": made_lens(8, ODD, (0, 3), ODD)}


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize("name", LENSES)
def test_pictures_to_look_at(show: Any, browser_page: Any, screenshot: Any, name: str, theme: str) -> None:
    browser_page.emulate_media(color_scheme=theme)
    _, place = show(LENSES[name])
    screenshot(place, f"logit-lens-{name}-{theme}")


# -- the work of drawing; benchmarks/pointing.py has the times


def test_pointing_and_recolouring_at_1024_positions_draw_little(show: Any, browser_page: Any) -> None:
    _, place = show(made_lens(30, 1024))
    place.locator(".ll-map .sw-cell").focus()
    for _ in range(9):
        browser_page.keyboard.press("-")
    hover, recolour = map(most, works(browser_page, POINT))
    assert hover <= Work(calls=80, pixels=0, changes=10)
    assert recolour <= Work(calls=500, pixels=150_000, changes=40)


POINT = """
  const map = document.querySelector('.ll-map'), box = map.getBoundingClientRect();
  const scale = document.querySelector('.sw-legend button');
  const hover = [], recolour = [];
  for (let i = 0; i < 30; i++) {
    const at = {clientX: box.x + 100 + 9 * i, clientY: box.y + 60 + 5 * i};
    hover.push(await work(() => map.dispatchEvent(new PointerEvent('pointermove', {...at, bubbles: true}))));
    if (i % 3 === 0) recolour.push(await work(() => scale.click()));
  }
  return [hover, recolour];
"""
