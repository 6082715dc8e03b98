"""Saved plotly figures, opened from disk without a network: tokens are texts, whatever markup they hold."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
import pytest

from scope_widgets import lens, plots

#: what plotly would take for markup, TeX or a field of the hover, and a browser for a script
HOSTILE = [
    "<b>bold</b>",
    "a<br>b",
    '<a href="https://example.org">x</a>',
    "&lt;i&gt;",
    "$x^2$",
    "%{z}",
    "</script><img src=x onerror=alert(1)>",
    "<sup>2</sup>",
]


@pytest.fixture(scope="module")
def trace(demo: Any) -> Any:
    found = demo.trace("the dog runs near the big")
    assert len(found.tokens) <= len(HOSTILE)
    return dataclasses.replace(found, tokens=HOSTILE[: len(found.tokens)])


def opened(page: Any, figure: Any, folder: Path) -> Any:
    page.goto(plots.save(figure, folder / "figure.html").as_uri())
    return page.locator("#plot .main-svg").first


def seen(token: str) -> str:
    """Return what is to be seen of a token."""
    return token.replace(" ", "·")


def texts(page: Any, where: str) -> list[str]:
    found: list[str] = page.eval_on_selector_all(f"{where} text", "all => all.map((one) => one.textContent)")
    return found


def hover(page: Any, subplot: str = "xy") -> str:
    """Point at the middle of a cell in the lower left of a plot, and return what is said there."""
    box = page.locator(f".plot-container .{subplot} .nsewdrag, .draglayer .{subplot} .nsewdrag").first.bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.2, box["y"] + box["height"] * 0.92)
    page.mouse.move(box["x"] + box["width"] * 0.21, box["y"] + box["height"] * 0.93)
    label = page.locator(".hoverlayer .hovertext").first
    label.wait_for()
    return str(label.text_content())


def test_tokens_are_drawn_literally_and_said_on_hover(browser_page: Any, tmp_path: Path, trace: Any) -> None:
    opened(browser_page, trace.plot(3, 1), tmp_path)
    browser_page.locator(".ytick").first.wait_for()
    assert sorted(texts(browser_page, ".ytick")) == sorted(map(seen, trace.tokens))
    assert browser_page.locator("#plot a, #plot img, #plot tspan[style*='bold']").count() == 0
    said = hover(browser_page)
    row, key = len(trace.tokens) - 1, 1
    value = float(trace.attention(3)[1][row, key])
    assert said.startswith(f"query {seen(trace.tokens[row])} ({row}), key {seen(trace.tokens[key])} ({key})")
    assert f"{value:.4g}" in said


def test_texts_in_cells_are_drawn_literally(browser_page: Any, tmp_path: Path, demo: Any) -> None:
    found = lens.logit_lens(demo.trace("the dog runs"))
    hostile = dataclasses.replace(found, texts=dict.fromkeys(found.texts, HOSTILE[0]))
    opened(browser_page, hostile.plot(), tmp_path)
    browser_page.locator(".heatmap-label").first.wait_for()
    assert set(texts(browser_page, ".heatmap-label")) == {"<b>bold</b>"}
    assert "<b>bold</b>" in hover(browser_page)


def test_a_page_is_drawn_in_its_own_ground_with_where_it_came_from(
    browser_page: Any, tmp_path: Path, trace: Any
) -> None:
    opened(browser_page, plots.token_norms(trace, theme="dark"), tmp_path)
    assert browser_page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(17, 19, 23)"
    assert "torch" in browser_page.locator("p").inner_text()
    assert browser_page.title() == "Norm of the residual stream, demo"


def test_what_webgl_draws_may_compile_its_programs(browser_page: Any, tmp_path: Path) -> None:
    opened(browser_page, go.Figure(go.Scattergl(x=[1, 2], y=[2, 1], mode="markers")), tmp_path)
    browser_page.locator("#plot canvas").first.wait_for(state="attached")
