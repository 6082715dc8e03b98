"""The head of SmolLM2 that moves the name, and why: a cell, two clicks and a key (docs/decisions/day_of_use.md)."""

from __future__ import annotations

import re
from typing import Any

import pytest

from scope_widgets.widgets import Workbench

pytestmark = [pytest.mark.browser, pytest.mark.smollm2, pytest.mark.heavy]

CLEAN = "When Mary and John went to the store, John gave a drink to"


def test_the_head_that_moves_the_name(browser_page: Any, mount: Any, smollm2: Any, screenshot: Any) -> None:
    panes = Workbench(smollm2, CLEAN, answer=" Mary", versus=" John").panes
    attribution, attention = mount(browser_page, panes["attribution"], panes["attention"], width=1160)
    attribution.locator(".at-name").first.click()  # the head that adds most to the logit difference
    assert attention.locator(".sw-chip-name").all_inner_texts() == ["23.3"]
    attention.get_by_role("button", name="tokens").click()
    written = attention.locator("section[data-list=writes]")
    written.locator("td").first.wait_for()
    up, down = written.inner_text().split("down")
    assert "John" in down  # it takes the subject away
    assert "John" not in up
    attribution.get_by_role("button", name="Ablate").click()
    numbers = attribution.locator(".sw-touch-numbers")
    numbers.get_by_text("→").first.wait_for()
    before, after = (float(one.replace("−", "-")) for one in re.findall(r"[+−]\d+\.\d+", numbers.inner_text())[:2])
    assert after < before - 2
    screenshot(browser_page, "naming-a-head", compared=False)
