"""A real Chromium, without a network, in front of real views: what the tests here share."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import screenshots, view_page
from tests.support.guarded_page import guarded_page
from tests.support.paths import ROOT

playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed.")

RESULTS = ROOT / "test-results"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)


def _chromium() -> str:
    path = view_page.chromium(os.environ.get("SCOPE_CHROMIUM"))
    if path is None:
        sentence = "Chromium is not installed, so nothing was tested in a browser."
        if os.environ.get("SCOPE_REQUIRE_BROWSER") == "1":
            pytest.fail(sentence)
        pytest.skip(sentence)
    return path


@pytest.fixture(scope="package")  # its event loop would trip up the tests of other folders
def browser() -> Iterator[Any]:
    path = _chromium()
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=path, args=view_page.FLAGS)
        yield opened
        opened.close()


@pytest.fixture
def browser_page(browser: Any) -> Iterator[Any]:
    """A page that can reach this machine only; it fails a test that asks for more, or that logs an error."""
    with guarded_page(browser) as page:
        yield page


@pytest.fixture(scope="session")
def host_address() -> Iterator[str]:
    """Address of a server on this machine for the host page and the built bundles."""
    with view_page.served() as address:
        yield address


#: for so long a picture is taken again that is not the stored one
PICTURE_SECONDS = 5.0
INPUTS = {
    playwright.Mouse: ("click", "dblclick", "up"),
    playwright.Keyboard: ("press", "type"),
    playwright.Locator: ("click", "dblclick", "press", "fill", "select_option", "set_checked"),
}


@pytest.fixture
def mount(host_address: str, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[Any]]:
    """``mount(page, view, ...)`` shows views one below the other; returns a locator for each.

    ``width=`` fixes their width in pixels. After each click or key the page is given the time to tell Python, to be
    answered and to draw.
    """
    pages: list[Any] = []

    def waits(action: Callable[..., Any]) -> Callable[..., Any]:
        def act(*args: Any, **options: Any) -> Any:
            done = action(*args, **options)
            for page in pages:
                page.evaluate("() => globalThis.settled?.()")
            return done

        return act

    for kind, names in INPUTS.items():
        for name in names:
            monkeypatch.setattr(kind, name, waits(getattr(kind, name)))

    def put(page: Any, *views: Any, width: int | None = None) -> list[Any]:
        for view in views:
            if not (view_page.STATIC / f"{view.bundle}.js").exists():
                pytest.skip(f"The bundle '{view.bundle}' is not built; run `make build`.")
        pages[:] = [page]
        return view_page.mounted(page, host_address, *views, width=width)

    return put


@pytest.fixture
def screenshot() -> Callable[..., Path]:
    """``screenshot(page_or_locator, name)`` writes test-results/<name>.png and compares it with the stored one.

    What a view puts off for less than a second is waited for, and a picture that is not the stored one is taken again
    for a while. ``compared=False`` only writes it, where what it shows is not ours.
    """

    def take(target: Any, name: str, compared: bool = True) -> Path:
        RESULTS.mkdir(exist_ok=True)
        path = RESULTS / f"{name}.png"
        page = getattr(target, "page", target)
        until = time.monotonic() + PICTURE_SECONDS
        while True:
            page.evaluate("() => globalThis.rested?.()")
            target.screenshot(path=path, animations="disabled")
            if not compared or screenshots.matches(path) or time.monotonic() > until:
                break
            page.wait_for_timeout(200)
        if compared:
            screenshots.check(path)
        return path

    return take
