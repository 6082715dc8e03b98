"""The sheet that `?` opens: keys, and what the words of the view mean, by keyboard and by touch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from scope_widgets.widgets import save_html
from scope_widgets.widgets.core.bundle import STATIC
from tests.support.every_view import every_view

pytestmark = pytest.mark.skipif(not (STATIC / "saved_page.js").exists(), reason="The bundles are not built: make build")


def test_each_view_explains_its_words(browser_page: Any, tmp_path: Path) -> None:
    views = every_view()
    browser_page.goto(save_html(list(views.values()), tmp_path / "page.html").as_uri())
    for at, view in enumerate(views.values()):
        place = browser_page.locator(f"#view-{at}")
        sheet = place.get_by_role("dialog", name="Keys and definitions")
        button = place.get_by_role("button", name="Keys and definitions")
        button.focus()
        browser_page.keyboard.press("?")
        sheet.wait_for()
        said = sheet.inner_text()
        for term, meaning, formula, source in view.definitions:
            assert {text for text in (term, meaning, formula, source) if text not in said} == set()
        root = place.locator(".sw").bounding_box()
        box = sheet.bounding_box()
        assert box["x"] >= root["x"] - 1
        assert box["x"] + box["width"] <= root["x"] + root["width"] + 1
        assert sheet.evaluate(
            "one => one.scrollHeight <= one.clientHeight || getComputedStyle(one).overflowY == 'auto'"
        )
        sheet.screenshot(path=tmp_path / f"{at}.png")
        browser_page.keyboard.press("Escape")
        sheet.wait_for(state="hidden")
        button.click()
        sheet.wait_for()
        sheet.get_by_role("button", name="Close").click()
