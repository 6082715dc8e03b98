"""AttributionView in a real Chromium, joined to its real Python half."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scope_widgets import Microscope, lens
from scope_widgets.widgets import AttributionView, HeadTable, Selection, save_html
from tests.support.attribution_examples import made_attribution
from tests.support.view_page import frame

pytestmark = pytest.mark.browser

PROMPT = "When Mary and John went to the store, John gave a drink to"


@pytest.fixture(scope="module")
def trace() -> Any:
    return Microscope.load("demo").trace(PROMPT)


@pytest.fixture(scope="module")
def parts(trace: Any) -> Any:
    return lens.direct_logit_attribution(trace, answer=" Mary", versus=" John")


@pytest.fixture
def show(browser_page: Any, mount: Callable[..., list[Any]], parts: Any) -> Callable[..., tuple[AttributionView, Any]]:
    """``show(result, ...)`` gives the view and its locator."""

    def show(result: Any = None, width: int = 1160, **options: Any) -> tuple[AttributionView, Any]:
        view = AttributionView(result or parts, **options)
        (place,) = mount(browser_page, view, width=width)
        frame(browser_page)
        return view, place

    return show


def walk(page: Any, place: Any, row: int, column: int) -> Any:
    """Put the focus on a cell; row 0 is on top."""
    cell = place.locator(".at-map .sw-cell")
    cell.focus()
    page.keyboard.press("Control+Home")
    for key, count in (("ArrowDown", row), ("ArrowRight", column)):
        for _ in range(count):
            page.keyboard.press(key)
    return cell


def middle(page: Any, place: Any, row: int, column: int) -> tuple[float, float]:
    box = walk(page, place, row, column).bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def said(place: Any) -> str:
    return str(place.locator(".at-map .sw-cell").get_attribute("aria-label"))


def save(page: Any, place: Any, kind: str) -> bytes:
    place.get_by_role("button", name="Save").click()
    with page.expect_download() as download:
        place.get_by_role("menuitem", name=kind, exact=True).click()
    return Path(download.value.path()).read_bytes()


def test_it_says_what_is_decomposed_and_that_it_adds_up(show: Any) -> None:
    _, place = show()
    assert place.locator(".sw-title").inner_text() == "Direct logit attribution, demo"
    text = place.locator(".at-question").inner_text()
    assert text == "logit difference Mary − John = +2.53 logits; the parts sum to it, off by 4e−6"
    grid = place.get_by_role("grid")
    assert (grid.get_attribute("aria-rowcount"), grid.get_attribute("aria-colcount")) == ("5", "6")


def test_pointing_and_walking_say_exact_numbers(show: Any, browser_page: Any, parts: Any) -> None:
    _, place = show()
    for row, column in ((0, 1), (3, 3)):
        value = parts.heads[3 - row, column]
        x, y = middle(browser_page, place, row, column)
        assert f"head {3 - row}.{column}, +{value:.6f} logits" in said(place)
        browser_page.mouse.move(x, y)
        assert f"{value:.6f} logits" in place.locator(".sw-tooltip").inner_text()
    steps = parts.accumulated()
    walk(browser_page, place, 0, 5)
    layer = steps[steps.layer == 3]
    assert said(place) == (
        f"layer 3, attention, all heads: +{layer.contribution.iloc[0]:.6f}, total +{layer.total.iloc[0]:.6f}, "
        f"MLP: +{layer.contribution.iloc[1]:.6f}, total +{layer.total.iloc[1]:.6f}"
    )
    walk(browser_page, place, 4, 0)
    assert said(place) == "No such part"


def test_a_head_is_selected_in_every_view(browser_page: Any, mount: Any, trace: Any, parts: Any) -> None:
    from scope_widgets import heads

    chosen = Selection()
    view = AttributionView(parts, selection=chosen)
    table = HeadTable(heads.score(trace, null_draws=3), selection=chosen)
    place, other = mount(browser_page, view, table)
    browser_page.mouse.click(*middle(browser_page, place, 0, 1))
    assert chosen.heads == [(3, 1)]
    assert other.locator(".sw-chip-name").all_inner_texts() == ["3.1"]
    walk(browser_page, place, 1, 2)
    browser_page.keyboard.press("Shift+Enter")
    assert chosen.heads == [(3, 1), (2, 2)]
    assert place.locator(".at-chosen td:first-child").all_inner_texts() == ["3.1", "2.2"]
    chosen.heads = [(0, 0)]
    frame(browser_page)
    assert place.locator(".sw-chip-name").all_inner_texts() == ["0.0"]
    place.locator(".at-map .sw-cell").focus()
    browser_page.keyboard.press("Escape")
    assert chosen.heads == []
    place.get_by_role("button", name="3.1", exact=True).click()
    assert chosen.heads == [(3, 1)]


def test_neurons_come_when_an_mlp_is_opened(show: Any, browser_page: Any, trace: Any) -> None:
    view, place = show()
    walk(browser_page, place, 0, 4)
    browser_page.keyboard.press("Enter")
    frame(browser_page)
    assert view.mlp == 3
    panel = place.get_by_role("region", name="Neurons of MLP 3")
    expected = lens.neuron_attribution(trace, 3, answer=" Mary", versus=" John")
    first = expected.top(1).iloc[0]
    row = panel.locator("tbody tr").first
    assert row.locator("td").first.inner_text() == f"3:{first.neuron:.0f}"
    assert f"{abs(first.contribution):.6f} logits" in row.get_attribute("title")
    assert "256 neurons +0.02; together the MLP’s +0.02." in panel.inner_text()
    rows = list(csv.DictReader(io.StringIO(save(browser_page, place, "CSV, neurons").decode(), newline="")))
    np.testing.assert_allclose([float(one["contribution"]) for one in rows], expected.contribution)
    place.get_by_role("button", name="Back to the largest parts").click()
    assert view.mlp is None
    place.locator(".at-map .sw-cell").focus()
    browser_page.keyboard.press("n")  # the MLP that writes most
    frame(browser_page)
    assert view.mlp == 0
    assert place.get_by_role("region", name="Neurons of MLP 0").locator("tbody tr").count() == 60


def test_why_there_are_no_neurons_is_said(show: Any, browser_page: Any) -> None:
    view, place = show(made_attribution())
    view.mlp = 1
    frame(browser_page)
    assert "give it to the view" in place.get_by_role("region", name="Neurons of MLP 1").inner_text()


def test_a_model_without_heads_is_shown(show: Any, browser_page: Any) -> None:
    _, place = show(made_attribution(3, 0))
    walk(browser_page, place, 0, 0)
    assert said(place).startswith("MLP of layer 2, ")


def test_the_scale_reaches_python(show: Any, browser_page: Any) -> None:
    view, place = show()
    place.get_by_role("slider", name="Upper limit").press("ArrowLeft")
    assert view.limit < 1.92
    assert place.locator(".sw-clipped").inner_text() == "1 above"
    place.get_by_role("button", name="fit").click()
    assert view.limit is None


def test_files(show: Any, browser_page: Any, parts: Any) -> None:
    _, place = show(title="Parts & more")
    rows = list(csv.DictReader(io.StringIO(save(browser_page, place, "CSV").decode(), newline="")))
    table = parts.to_dataframe()
    assert list(rows[0]) == list(table.columns)
    np.testing.assert_array_equal([float(one["contribution"]) for one in rows], table.contribution)
    svg = save(browser_page, place, "SVG").decode()
    assert "Parts &#38; more" in svg
    assert "logit difference Mary − John = +2.53 logits" in svg
    assert (
        browser_page.evaluate(
            "svg => new DOMParser().parseFromString(svg, 'image/svg+xml').querySelectorAll('parsererror').length", svg
        )
        == 0
    )
    assert save(browser_page, place, "PNG")[:4] == b"\x89PNG"


def test_a_saved_page_has_the_neurons_that_were_opened(browser_page: Any, parts: Any, tmp_path: Path) -> None:
    from scope_widgets.widgets.core.requests import finished

    view = AttributionView(parts, mlp=3)
    finished(view.answer_neurons(3))
    browser_page.goto(save_html(view, tmp_path / "page.html").as_uri())
    panel = browser_page.get_by_role("region", name="Neurons of MLP 3")
    panel.locator("tbody tr").first.wait_for()
    assert panel.locator("tbody tr").count() == 60


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize("name", ["small", "neurons", "large", "narrow"])
def test_screenshots(show: Any, browser_page: Any, screenshot: Any, name: str, theme: str) -> None:
    browser_page.set_viewport_size({"width": 1200, "height": 900})
    result = made_attribution(48, 25, 8, biases=True) if name == "large" else None
    options = {"mlp": 3, "selected_heads": [(3, 1)]} if name == "neurons" else {}
    _, place = show(result, width=520 if name == "narrow" else 1160, theme=theme, **options)
    screenshot(place, f"attribution-{name}-{theme}")
