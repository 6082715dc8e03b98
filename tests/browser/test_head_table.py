"""HeadTable in a real browser, joined to its real Python half."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest

from scope_widgets.widgets import HeadTable, Selection
from tests.support.view_page import Work, frame, most, works

EVIL = "<img src=x onerror=alert(1)>"


class Labels:
    thresholds: ClassVar = {"induction": 0.4}

    def __init__(self, frame: pd.DataFrame) -> None:
        self._frame = frame[frame["induction"] >= 0.4]

    def letters(self) -> dict[tuple[int, int], str]:
        return {(row.layer, row.head): "I" for row in self._frame.itertuples()}

    def to_dataframe(self) -> pd.DataFrame:
        rows = self._frame[["layer", "head"]]
        evidence = {"label": "induction", "statistic": "induction", "threshold": 0.4, "null_p": 0.005}
        return rows.assign(score=self._frame["induction"], **evidence)


def table_of(layers: int = 12, heads: int = 12) -> pd.DataFrame:
    draw = np.random.default_rng(0)
    n = layers * heads
    table = pd.DataFrame({"layer": np.repeat(range(layers), heads), "head": np.tile(range(heads), layers)})
    table["entropy"] = draw.gamma(3, 0.5, n)
    table["induction"] = draw.beta(0.4, 3, n).astype(np.float32)
    table["effect"] = draw.normal(0, 1, n)
    table["effect_low"] = table["effect"] - 0.2
    table["effect_high"] = table["effect"] + 0.3
    table.loc[3, "entropy"] = np.nan
    return table


def names(view: Any) -> list[str]:
    """The heads of the rows on show, from the top down."""
    rows = view.locator(".sw-row:visible")
    found = rows.evaluate_all(
        "rows => rows.map(r => [Number(r.ariaRowIndex), r.querySelector('.sw-layer').textContent + '.' + "
        "r.querySelector('.sw-head').textContent])"
    )
    return [name for _, name in sorted(found)]


def saved(page: Any, view: Any, choice: str) -> str:
    view.get_by_label("Save").click()
    with page.expect_download() as download:
        view.get_by_role("menuitem", name=choice, exact=True).click()
    return Path(download.value.path()).read_text(encoding="utf-8")


def test_numbers_bars_thresholds_and_whiskers_are_drawn(browser_page: Any, mount: Any) -> None:
    table = table_of()
    (view,) = mount(browser_page, HeadTable(table, Labels(table)))
    first = view.locator("[aria-rowindex='2']")
    assert first.locator(".sw-number").all_text_contents()[0] == f"{table['entropy'][0]:.2f}"
    assert view.locator("[aria-rowindex='5'] .sw-number").first.text_content() == "–"
    track = first.locator(".sw-track").nth(1).bounding_box()
    bar = first.locator(".sw-track").nth(1).locator("i").bounding_box()
    largest = table["induction"].max()
    assert bar["width"] == pytest.approx(track["width"] * table["induction"][0] / largest, abs=1)
    hairline = first.locator(".sw-track").nth(1).locator("u").bounding_box()
    assert hairline["x"] - track["x"] == pytest.approx(track["width"] * 0.4 / largest, abs=1)
    assert first.locator(".sw-track b").bounding_box()["width"] > 1


def test_text_has_room_though_the_host_attaches_the_view_late(browser_page: Any, mount: Any) -> None:
    (view,) = mount(browser_page, HeadTable(table_of()))
    cut = browser_page.evaluate(
        """async () => {
            const el = document.createElement('div');
            const { default: widget } = await import('/head_table.js');
            widget.render({ model: models[0], el });
            await new Promise(requestAnimationFrame);
            document.querySelector('#view-0').replaceChildren(el);
            await settled();
            const texts = [...el.querySelectorAll('.sw-name > :first-child, .sw-number')];
            return texts.filter(text => text.scrollWidth > text.clientWidth).map(text => text.textContent);
        }"""
    )
    assert view.locator(".sw-number").count() > 10
    assert cut == []


def test_ten_thousand_rows_are_few_elements(browser_page: Any, mount: Any) -> None:
    (view,) = mount(browser_page, HeadTable(table_of(100, 100)))
    assert view.get_by_role("grid").get_attribute("aria-rowcount") == "10001"
    assert view.locator("*").count() < 1000
    view.locator(".sw-grid").evaluate("grid => (grid.scrollTop = 24 * 5000)")
    frame(browser_page)
    assert "50.0" in names(view)
    assert view.locator("*").count() < 1000


def test_a_header_sorts_and_shift_adds(browser_page: Any, mount: Any) -> None:
    table = table_of()
    real = HeadTable(table)
    (view,) = mount(browser_page, real)
    header = view.get_by_role("columnheader", name="entropy")
    header.click()
    assert real.sort == [["entropy", "descending"]]
    assert header.get_attribute("aria-sort") == "descending"
    best = table.sort_values("entropy", ascending=False).iloc[0]
    assert names(view)[0] == f"{best['layer']:.0f}.{best['head']:.0f}"
    header.click()
    assert real.sort == [["entropy", "ascending"]]
    view.get_by_role("columnheader", name="effect").click(modifiers=["Shift"])
    assert real.sort == [["entropy", "ascending"], ["effect", "descending"]]
    real.sort = [("effect", "ascending")]
    least = table.sort_values("effect").iloc[0]
    assert names(view)[0] == f"{least['layer']:.0f}.{least['head']:.0f}"


def test_typing_filters_and_python_knows(browser_page: Any, mount: Any) -> None:
    table = table_of()
    real = HeadTable(table, Labels(table))
    (view,) = mount(browser_page, real)
    view.get_by_label("Filter the rows").press_sequentially("label = induction and layer < 6")
    wanted = table[(table["induction"] >= 0.4) & (table["layer"] < 6)]
    assert names(view) == [f"{r.layer}.{r.head}" for r in wanted.itertuples()]
    assert view.locator(".sw-count").text_content() == f"{len(wanted)} of 144 heads"
    assert real.filter == "label = induction and layer < 6"
    real.filter = "layer = 3"
    assert view.get_by_label("Filter the rows").input_value() == "layer = 3"
    assert len(names(view)) == 12


def test_a_wrong_filter_is_a_sentence_and_keeps_the_rows(browser_page: Any, mount: Any) -> None:
    real = HeadTable(table_of(), filter="layer = 3")
    (view,) = mount(browser_page, real)
    before = names(view)
    view.get_by_label("Filter the rows").fill("inductoin > .4")
    alert = view.get_by_role("alert")
    alert.wait_for()
    assert alert.text_content().startswith("There is no column inductoin. Do you mean induction?")
    assert names(view) == before
    assert real.filter == "layer = 3"
    view.get_by_label("Filter the rows").fill("layer = 4")
    assert not alert.is_visible()


def test_a_wrong_filter_from_python_is_said_at_once(browser_page: Any, mount: Any) -> None:
    (view,) = mount(browser_page, HeadTable(table_of(), filter="induction >"))
    assert view.get_by_role("alert").text_content().startswith("The filter ends too early")
    assert view.locator(".sw-count").text_content() == "144 heads"


def test_nothing_left_says_what_to_do(browser_page: Any, mount: Any) -> None:
    (view,) = mount(browser_page, HeadTable(table_of(), filter="layer > 90"))
    assert view.get_by_text("No head passes the filter.").is_visible()
    view.get_by_role("button", name="Clear the filter").last.click()
    assert len(names(view)) > 10


def test_clicks_select_and_the_selection_is_shared(browser_page: Any, mount: Any) -> None:
    chosen = Selection()
    real = HeadTable(table_of(), selection=chosen)
    first, second = mount(browser_page, real, HeadTable(table_of(), selection=chosen))
    rows = first.locator(".sw-row:visible")
    rows.nth(2).click()
    assert chosen.heads == [(0, 2)]
    rows.nth(5).click(modifiers=["Control"])
    assert chosen.heads == [(0, 2), (0, 5)]
    rows.nth(7).click(modifiers=["Shift"])
    assert chosen.heads == [(0, 5), (0, 6), (0, 7)]
    assert second.locator("[aria-selected=true]").count() == 3
    chosen.heads = [(11, 3)]
    for view in (first, second):
        marked = view.locator("[aria-selected=true]")
        assert marked.count() == 1
        assert marked.locator(".sw-layer").text_content() == "11"
        assert marked.is_visible()
    second.get_by_label("Clear 11.3").click()
    assert real.selected_heads == []


def test_keys_walk_select_sort_and_clear(browser_page: Any, mount: Any) -> None:
    real = HeadTable(table_of())
    (view,) = mount(browser_page, real)
    grid = view.get_by_role("grid")
    grid.focus()
    press = browser_page.keyboard.press
    for key in ("ArrowDown", "ArrowDown", "Enter"):
        press(key)
    assert real.selected_heads == [(0, 2)]
    press("Shift+ArrowDown")
    assert real.selected_heads == [(0, 2), (0, 3)]
    press("End")
    active = browser_page.locator(f"#{grid.get_attribute('aria-activedescendant')}")
    assert active.get_attribute("aria-label") == "Head 11.11"
    assert active.is_visible()
    press("PageUp")
    press("Home")
    press("ArrowUp")
    press("ArrowRight")
    press("Enter")
    assert real.sort == [["entropy", "descending"]]
    press("Escape")
    assert real.selected_heads == []


def test_pointing_gives_exact_values_and_evidence(browser_page: Any, mount: Any) -> None:
    table = table_of()
    (view,) = mount(browser_page, HeadTable(table, Labels(table), filter="label = induction"))
    head = table[table["induction"] >= 0.4].iloc[0]
    view.locator(".sw-row").first.locator(".sw-track").nth(1).hover()
    readout = view.locator(".sw-readout").text_content()
    assert f"induction {head['induction']:.6g}, threshold 0.4" in readout
    view.locator(".sw-row").first.locator(".sw-class").hover()
    tip = view.get_by_role("tooltip").text_content()
    assert tip == f"induction {head['induction']:.2f} ≥ threshold 0.40; null p = 0.005"


class WithStrips:
    """A result as of IOI: classes, effects with whiskers, p, and the attention of each head over a prompt."""

    message = "Backups were not looked for."
    strip_tokens: ClassVar = ["When", " Mary", " and", " \n", EVIL, " to"]

    def __init__(self, n: int = 3) -> None:
        classes = ["name_mover", "induction", "unclassified"]
        table = {"layer": np.arange(n) // 100, "head": np.arange(n) % 100, "class": [classes[i % 3] for i in range(n)]}
        table |= {"effect": 0.2, "low": 0.1, "high": 0.4, "p": [2e-5, 0.01234, 1.0] * (n // 3)}
        self._frame = pd.DataFrame({**table, "signature": "END -> IO", "attention": 0.8, "elsewhere": 0.05})
        self.strips = np.zeros((n, 6), np.uint8)
        self.strips[:, 1], self.strips[:, 4] = 128, 51
        self.strip_queries = [5, 4, 1] * (n // 3)

    def to_dataframe(self) -> pd.DataFrame:
        return self._frame


def test_attention_over_the_prompt_is_a_strip_of_boxes(browser_page: Any, mount: Any, screenshot: Any) -> None:
    (view,) = mount(browser_page, HeadTable(WithStrips()), width=1160)
    assert view.locator(".sw-message").text_content() == "Backups were not looked for."
    assert view.locator(".sw-row:visible .sw-class").all_text_contents() == ["N", "I", ""]
    strips = view.locator(".sw-cell-strip")
    assert strips.first.get_attribute("aria-label") == (
        f"attention from ·to (5): 50.2 % ·Mary (1); 20.0 % {EVIL[:19].replace(' ', '·')}… (4); 0.0 % When (0)"
    )
    box = strips.first.locator("canvas").bounding_box()

    def note(token: int) -> str:
        browser_page.mouse.move(box["x"] + (token + 0.5) * box["width"] / 6, box["y"] + 6)
        return str(view.get_by_role("tooltip").inner_text())

    assert note(1) == "·Mary 1 50.2 %\nfrom ·to 5"
    assert note(3) == "·↵ 3 0.0 %\nfrom ·to 5"
    assert view.locator("img").count() == 0
    assert "attention from ·to (5): 50.2 % ·Mary (1)" in view.locator(".sw-readout").inner_text()
    box = strips.nth(2).locator("canvas").bounding_box()
    assert "after the query" in note(4)
    middle = (box["width"] / 6 * 1.5, 7)
    filled = strips.first.locator("canvas").evaluate(
        "(canvas, [x, y]) => [...canvas.getContext('2d').getImageData(x, y, 1, 1).data]", middle
    )
    empty = (
        strips.nth(2)
        .locator("canvas")
        .evaluate("(canvas, x) => canvas.getContext('2d').getImageData(x, 7, 1, 1).data[3]", box["width"] / 6 * 4.5)
    )
    assert filled[3] == 255
    assert empty == 0, "after the query there is nothing"
    screenshot(view, "head-table-strips")


def test_a_strip_has_no_order_and_explains_itself(browser_page: Any, mount: Any) -> None:
    real = HeadTable(WithStrips())
    (view,) = mount(browser_page, real, width=1160)
    header = view.get_by_role("columnheader", name="attention over the prompt")
    assert "from the framed one" in header.get_attribute("title")
    header.click()
    assert real.sort == []
    assert header.get_attribute("aria-sort") is None


def test_p_values_are_numbers_without_bars_and_controls_share_a_scale(browser_page: Any, mount: Any) -> None:
    (view,) = mount(browser_page, HeadTable(WithStrips()), width=1160)
    rows = view.locator(".sw-row:visible")
    assert [rows.nth(i).locator(".sw-cell-number").nth(1).inner_text() for i in range(3)] == ["2e−5", "0.012", "1"]
    assert rows.first.locator(".sw-cell-number").nth(1).locator(".sw-track").count() == 0
    attention, elsewhere = (rows.first.locator(".sw-track i").nth(i).bounding_box()["width"] for i in (1, 2))
    assert elsewhere == pytest.approx(attention * 0.05 / 0.8, abs=1.5)


def test_strips_are_in_pictures_and_saved_pages_but_not_in_csv(browser_page: Any, mount: Any, tmp_path: Path) -> None:
    real = HeadTable(WithStrips())
    (view,) = mount(browser_page, real, width=1160)
    svg = saved(browser_page, view, "SVG")
    assert "100 %" in svg
    assert svg.count("<rect") > 3 + 5 * 3
    assert list(pd.read_csv(io.StringIO(saved(browser_page, view, "CSV, all rows"))).columns) == list(
        WithStrips().to_dataframe().columns
    )
    browser_page.goto(real.to_html(tmp_path / "page.html").as_uri())
    strip = browser_page.locator(".sw-cell-strip").first
    strip.wait_for()
    strip.hover(position={"x": 40, "y": 12})
    assert "%" in browser_page.get_by_role("tooltip").inner_text()


def test_strips_of_many_heads_are_few_elements(browser_page: Any, mount: Any) -> None:
    (view,) = mount(browser_page, HeadTable(WithStrips(9999)), width=1160)
    view.locator(".sw-grid").evaluate("grid => (grid.scrollTop = 24 * 5000)")
    frame(browser_page)
    assert view.locator("canvas").count() < 60
    assert (
        view.locator("[aria-rowindex='5002'] .sw-cell-strip").get_attribute("aria-label").startswith("attention from")
    )


def test_csv_holds_exact_values_of_what_is_shown_or_all(browser_page: Any, mount: Any) -> None:
    table = table_of()
    (view,) = mount(browser_page, HeadTable(table, filter="layer = 3", sort=[("effect", "descending")]))
    shown = pd.read_csv(io.StringIO(saved(browser_page, view, "CSV, rows shown")))
    expected = table[table["layer"] == 3].sort_values("effect", ascending=False)
    np.testing.assert_array_equal(shown["effect"], expected["effect"])
    all_rows = pd.read_csv(io.StringIO(saved(browser_page, view, "CSV, all rows")))
    np.testing.assert_array_equal(all_rows["entropy"], table["entropy"])
    np.testing.assert_array_equal(all_rows["induction"].astype(np.float32), table["induction"])
    assert list(all_rows.columns) == list(table.columns)


def test_copied_code_makes_the_view_again(browser_page: Any, mount: Any) -> None:
    original = HeadTable(table_of(), filter="layer < 3 and entropy > 1", selected_heads=[(0, 1)])
    (view,) = mount(browser_page, original)
    view.get_by_role("columnheader", name="entropy").click()
    view.get_by_label("Copy as code").click()
    code = browser_page.evaluate("navigator.clipboard.readText()")
    space = {"scores": table_of()}
    assert "\nscores = ...  # your DataFrame" in code
    lines = [line for line in code.splitlines() if not line.startswith("scores = ")]
    exec("\n".join(lines).replace("\nHeadTable", "\nview = HeadTable"), space)
    again: Any = space["view"]
    assert (again.filter, again.sort, again.selected_heads) == (
        "layer < 3 and entropy > 1",
        [["entropy", "descending"]],
        [(0, 1)],
    )


def test_pictures_and_pages_are_saved(browser_page: Any, mount: Any, tmp_path: Path) -> None:
    (view,) = mount(browser_page, HeadTable(table_of(), title="Heads & more"))
    svg = saved(browser_page, view, "SVG")
    assert svg.startswith("<svg")
    assert "Heads &#38; more" in svg
    assert saved(browser_page, view, "HTML").startswith("<!doctype html>")
    view.get_by_label("Save").click()
    with browser_page.expect_download() as download:
        view.get_by_role("menuitem", name="PNG").click()
    assert Path(download.value.path()).read_bytes()[:4] == b"\x89PNG"


def test_text_is_never_markup(browser_page: Any, mount: Any) -> None:
    table = pd.DataFrame({"layer": [0], "head": [0], "label": [EVIL], EVIL: [0.5]})
    (view,) = mount(browser_page, HeadTable(table, title=EVIL, filter=f"`{EVIL}` > 0"))
    assert view.locator("img").count() == 0
    assert view.locator("[aria-rowindex='2'] .sw-cell-text").text_content() == EVIL
    assert view.locator(".sw-title").text_content() == EVIL
    svg = saved(browser_page, view, "SVG")
    assert "<img" not in svg
    page_errors = browser_page.evaluate(
        "svg => new DOMParser().parseFromString(svg, 'image/svg+xml').querySelectorAll('parsererror, img').length", svg
    )
    assert page_errors == 0


def test_a_view_that_goes_leaves_nothing(browser_page: Any, mount: Any) -> None:
    (view,) = mount(browser_page, HeadTable(table_of()))
    left = browser_page.evaluate(
        "() => { models[0].cleanup(); return Object.values(models[0].listeners).reduce((n, s) => n + s.size, 0) }"
    )
    assert left == 0
    assert view.locator("*").count() == 0


def test_pointing_and_scrolling_ten_thousand_rows_change_little(browser_page: Any, mount: Any) -> None:
    table = table_of(100, 100)
    mount(browser_page, HeadTable(table, Labels(table)))
    hover, scroll = map(most, works(browser_page, POINT))
    assert hover <= Work(calls=0, pixels=0, changes=10)
    assert scroll <= Work(calls=0, pixels=0, changes=1500)


POINT = """
  const grid = document.querySelector('.sw-grid'), hover = [], scroll = [];
  for (const cell of [...grid.querySelectorAll('.sw-track')].slice(0, 60)) hover.push(await work(() =>
    cell.dispatchEvent(new PointerEvent('pointermove', { bubbles: true, clientX: 300, clientY: 300 }))));
  for (let i = 1; i <= 60; i++) scroll.push(await work(() => {
    grid.scrollTop = i * 3517;
    grid.dispatchEvent(new Event('scroll'));
  }));
  return [hover, scroll];
"""
