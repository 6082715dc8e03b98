"""The saved page of a workbench on a screen of 1280 pixels: nothing runs over an edge, everything is legible."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scope_widgets import Microscope, lens
from scope_widgets.lens import Attribution
from scope_widgets.widgets import AttributionView, TokenView, Workbench
from scope_widgets.widgets.core.bundle import STATIC

pytestmark = pytest.mark.skipif(not (STATIC / "saved_page.js").exists(), reason="The bundles are not built.")

CLEAN = "When Mary and John went to the store, John gave a drink to"
CORRUPTED = "When Mary and John went to the store, Mary gave a drink to"
#: elements whose content is wider than they are, though none of it is meant to be hidden
OVERFLOWING = """() => [...document.querySelectorAll('.sp-right, .sp-right *, .av-details')]
    .filter((one) => one.scrollWidth > one.clientWidth + 1 && one.clientWidth > 1).map((one) => one.className)"""
#: from the longest bar of attention to the right edge of its pane
SPARE = """() => document.querySelector('.av-right').getBoundingClientRect().right
    - Math.max(...[...document.querySelectorAll('.av-bar i')].map((one) => one.getBoundingClientRect().right))"""


@pytest.fixture(scope="module")
def demo() -> Any:
    return Microscope.load("demo")


def test_nothing_of_a_workbench_runs_over_an_edge(browser_page: Any, tmp_path: Path, demo: Any) -> None:
    bench = Workbench(demo, CLEAN, corrupted=CORRUPTED, heads=[(2, 1)])
    browser_page.set_viewport_size({"width": 1280, "height": 900})
    browser_page.goto(bench.to_html(tmp_path / "bench.html").as_uri())
    browser_page.locator(".sp-numbers").nth(1).wait_for()
    browser_page.locator(".av-bar i").first.wait_for()
    assert browser_page.evaluate(OVERFLOWING) == []
    assert browser_page.evaluate(SPARE) >= 8
    words = browser_page.locator(".sw-question .sw-hidden").first.text_content()
    assert "When Mary and John went to the store , John gave a drink to" in words
    assert "the store , John gave a drink to" in browser_page.locator(".sp-prompt").text_content()
    browser_page.get_by_text("1 clean prompt, then 1 corrupted").wait_for()


def test_the_neurons_of_the_mlp_on_show_are_in_the_page(browser_page: Any, tmp_path: Path, demo: Any) -> None:
    trace = demo.trace(CLEAN)
    parts = lens.direct_logit_attribution(trace, answer=" Mary", versus=" John")
    browser_page.goto(AttributionView(parts, mlp=3).to_html(tmp_path / "page.html").as_uri())
    browser_page.get_by_text("256 neurons").wait_for()
    assert browser_page.get_by_text("needs the running notebook").count() == 0
    gone = AttributionView(Attribution.from_json(parts.to_json()), mlp=3)
    browser_page.goto(gone.to_html(tmp_path / "page.html").as_uri())
    browser_page.get_by_text("Neurons need the trace").wait_for()


@pytest.mark.parametrize("width", [1280, 600])
def test_the_list_of_tokens_ends_with_a_whole_row(browser_page: Any, tmp_path: Path, width: int) -> None:
    view = TokenView(["a"] * 40, values=np.linspace(0, 10.5, 40))
    browser_page.set_viewport_size({"width": width, "height": 900})
    browser_page.goto(view.to_html(tmp_path / "page.html").as_uri())
    browser_page.locator(".tv-panel tr").nth(20).wait_for()
    cut = """() => {
        const { bottom } = document.querySelector('.tv-panel').getBoundingClientRect();
        const rows = [...document.querySelectorAll('.tv-panel tr')].map((one) => one.getBoundingClientRect());
        return rows.filter((row) => row.top < bottom - 1 && row.bottom > bottom + 1).length;
    }"""
    assert browser_page.evaluate(cut) == 0
    assert browser_page.locator(".sw-legend").get_by_text("12", exact=True).count() == 1
