"""Printed pages: the figures of the views, light and whole, from a dark theme too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from scope_widgets.widgets import save_html
from scope_widgets.widgets.core.bundle import STATIC
from tests.support.every_view import every_view

pytestmark = pytest.mark.skipif(not (STATIC / "saved_page.js").exists(), reason="The bundles are not built: make build")

PRINTED = """() => [...document.querySelectorAll(".sw")].map((root) => {
  const print = root.querySelector(".sw-print");
  const box = print?.getBoundingClientRect();
  const svg = print?.shadowRoot.querySelector("svg");
  return {
    right: box?.right,
    shown: [...root.children].filter((one) => getComputedStyle(one).display !== "none").map((one) => one.className),
    ground: svg?.querySelector("rect").getAttribute("fill"),
    text: svg?.textContent ?? "",
    theme: root.dataset.theme,
  };
})"""


def test_all_every_view_are_printed_light_and_whole(browser_page: Any, tmp_path: Path) -> None:
    views = every_view()
    path = save_html(list(views.values()), tmp_path / "page.html")
    browser_page.emulate_media(color_scheme="dark")
    browser_page.goto(path.as_uri())
    for at in range(len(views)):
        browser_page.locator(f"#view-{at} .sw-bar").wait_for()
    browser_page.locator("#view-3 canvas").first.wait_for()
    browser_page.emulate_media(media="print", color_scheme="dark")
    browser_page.evaluate("dispatchEvent(new Event('beforeprint'))")
    printed = browser_page.evaluate(PRINTED)
    browser_page.screenshot(path=tmp_path / "print.png", full_page=True)
    width = browser_page.evaluate("document.documentElement.clientWidth")
    for view, found in zip(views.values(), printed, strict=True):
        assert found["shown"] == ["sw-print"]
        assert found["ground"] == "#ffffff"
        assert found["right"] <= width + 1
        said = "".join(found["text"].split())
        assert "".join(view.origin.split()) in said
        assert found["theme"] == "dark"  # on the screen
    browser_page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert browser_page.locator(".sw-print").count() == 0


def test_the_browser_says_when_it_prints(browser_page: Any, tmp_path: Path) -> None:
    browser_page.goto(save_html(every_view()["patching_map"], tmp_path / "page.html").as_uri())
    browser_page.locator(".sw-bar").wait_for()
    browser_page.evaluate(
        "addEventListener('afterprint', () => {}); addEventListener('beforeprint', () => { window.printed = "
        "document.querySelectorAll('.sw-print').length })"
    )
    browser_page.pdf()
    assert browser_page.evaluate("window.printed") == 1
