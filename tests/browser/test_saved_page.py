"""Saved pages: one file, opened from disk, without a network."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from scope_widgets.widgets import HeadTable, Selection, save_html
from scope_widgets.widgets.core.bundle import STATIC

EVIL = "</script><img src=x onerror=alert(1)><!--"

pytestmark = pytest.mark.skipif(
    not all((STATIC / f"{name}.js").exists() for name in ("saved_page", "head_table")),
    reason="The bundles are not built; run `make build`.",
)


def table(**options: Any) -> HeadTable:
    columns = {"layer": [i // 4 for i in range(24)], "head": [i % 4 for i in range(24)]}
    frame = pd.DataFrame({**columns, "score": [i / 24 for i in range(24)], "label": [EVIL] * 24})
    return HeadTable(frame, **options)


def test_linked_views_work_from_disk(browser_page: Any, tmp_path: Path) -> None:
    chosen = Selection(heads=[(5, 3)])
    views = [table(selection=chosen), table(selection=chosen, sort=[("score", "descending")]), table()]
    browser_page.goto(save_html(views, tmp_path / "page.html").as_uri())
    first, second, alone = (browser_page.locator(f"#view-{i}") for i in range(3))
    marked = first.locator("[aria-selected=true]")
    marked.wait_for()
    assert marked.locator(".sw-cell-head").text_content() == "5.3"
    second.locator(".sw-row:visible").filter(has_text="4.2").click()
    assert first.locator("[aria-selected=true] .sw-cell-head").text_content() == "4.2"
    assert alone.locator("[aria-selected=true]").count() == 0


def test_untrusted_text_stays_text(browser_page: Any, tmp_path: Path) -> None:
    path = table(title=EVIL).to_html(tmp_path / "page.html")
    browser_page.goto(path.as_uri())
    view = browser_page.locator("#view-0")
    view.locator(".sw-row").first.wait_for()
    assert browser_page.locator("img").count() == 0
    assert view.locator(".sw-cell-text").first.text_content() == EVIL
    assert browser_page.title() == EVIL


def test_what_needs_the_kernel_says_so(browser_page: Any, tmp_path: Path) -> None:
    browser_page.goto(table().to_html(tmp_path / "page.html").as_uri())
    browser_page.get_by_label("Save").click()
    browser_page.get_by_role("menuitem", name="HTML").click()
    browser_page.get_by_text("needs the running notebook").wait_for()


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_the_page_follows_the_readers_scheme(browser_page: Any, tmp_path: Path, scheme: str) -> None:
    browser_page.emulate_media(color_scheme=scheme)
    browser_page.goto(table().to_html(tmp_path / "page.html").as_uri())
    browser_page.locator(f".sw[data-theme={scheme}]").wait_for()
    ground = browser_page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == {"dark": "rgb(17, 19, 23)", "light": "rgb(255, 255, 255)"}[scheme]


def test_the_policy_forbids_the_network_and_other_scripts(browser: Any, tmp_path: Path) -> None:
    page = browser.new_page()
    outside = socket.create_server(("127.0.0.1", 0))
    outside.setblocking(False)
    page.goto(table().to_html(tmp_path / "page.html").as_uri())
    page.locator(".sw-row").first.wait_for()
    refused = page.evaluate(
        """async (address) => {
            const script = document.createElement('script');
            script.textContent = 'window.ran = true';
            document.body.append(script);
            const image = document.createElement('img');
            image.src = address;
            document.body.append(image);
            const fetched = await fetch(address).then(() => true, () => false);
            return !window.ran && !fetched;
        }""",
        f"http://127.0.0.1:{outside.getsockname()[1]}/",
    )
    page.close()
    assert refused
    with outside, pytest.raises(BlockingIOError):
        outside.accept()
