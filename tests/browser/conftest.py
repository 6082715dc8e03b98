"""A real Chromium, without a network, in front of real views: what the tests here share.

`mount` puts views on a page of 127.0.0.1: their real bundles, stand-in models, and both directions of the wire
joined to the real Python objects.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import threading
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import traitlets

from tests.support.paths import ROOT

playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed.")

STATIC = ROOT / "scope_widgets" / "static"
HOST_PAGE = Path(__file__).with_name("host.html")
RESULTS = ROOT / "test-results"
LOCAL = re.compile(r"(https?://127\.0\.0\.1[:/]|file:|blob:|data:|about:)")
FLAGS = "--no-sandbox --disable-gpu --disable-background-networking --disable-component-update --disable-sync"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)


def _chromium() -> str:
    for name in (os.environ.get("SCOPE_CHROMIUM"), "chromium", "chromium-browser", "google-chrome"):
        if name and (path := shutil.which(name)):
            return path
    sentence = "Chromium is not installed, so nothing was tested in a browser."
    if os.environ.get("SCOPE_REQUIRE_BROWSER") == "1":
        pytest.fail(sentence)
    pytest.skip(sentence)


@pytest.fixture(scope="package")  # its event loop would trip up the tests of other folders
def browser() -> Iterator[Any]:
    path = _chromium()
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=path, args=FLAGS.split())
        yield opened
        opened.close()


@pytest.fixture
def browser_page(browser: Any) -> Iterator[Any]:
    """A page that can reach this machine only; it fails a test that asks for more, or that logs an error."""
    context = browser.new_context(viewport={"width": 1200, "height": 700}, accept_downloads=True)
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    outside: list[str] = []
    errors: list[str] = []

    def guard(route: Any) -> None:
        if LOCAL.match(route.request.url):
            route.continue_()
        else:
            outside.append(route.request.url)
            route.abort()

    context.route("**/*", guard)
    page = context.new_page()
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.errors = errors
    yield page
    context.close()
    assert not outside, f"The page asked for {outside}."
    assert not errors, f"The page logged {errors}."


@pytest.fixture(scope="session")
def host_address() -> Iterator[str]:
    """Address of a server on this machine for the host page and the built bundles."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Files)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


class _Files(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        path = HOST_PAGE if self.path == "/" else STATIC / Path(self.path).name
        found = path.is_file()
        self.send_response(200 if found else 204 if self.path == "/favicon.ico" else 404)
        self.send_header("Content-Type", "text/html; charset=utf-8" if self.path == "/" else "text/javascript")
        self.end_headers()
        if found:
            self.wfile.write(path.read_bytes())

    def log_message(self, *args: Any) -> None:
        pass


INPUTS = {
    playwright.Mouse: ("click", "dblclick", "up"),
    playwright.Keyboard: ("press", "type"),
    playwright.Locator: ("click", "dblclick", "press", "fill", "select_option", "set_checked"),
}


@pytest.fixture
def mount(host_address: str, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[Any]]:
    """``mount(page, view, ...)`` shows views one below the other; returns a locator for each.

    ``width=`` fixes their width in pixels. A change of a trait or a custom message goes to the real Python object
    and back; what Python does later reaches the page at once. After each click or key the page is given the time to
    tell Python, to be answered and to draw.
    """
    mounted: list[Any] = []

    def waits(action: Callable[..., Any]) -> Callable[..., Any]:
        def act(*args: Any, **options: Any) -> Any:
            done = action(*args, **options)
            for page in mounted:
                page.evaluate("() => globalThis.settled?.()")
            return done

        return act

    for kind, names in INPUTS.items():
        for name in names:
            monkeypatch.setattr(kind, name, waits(getattr(kind, name)))

    def put(page: Any, *views: Any, width: int | None = None) -> list[Any]:
        for view in views:
            if not (STATIC / f"{view.bundle}.js").exists():
                pytest.skip(f"The bundle '{view.bundle}' is not built; run `make build`.")
        page.goto(host_address)
        mounted[:] = [page]
        wire = _Wire(page, views)
        page.evaluate("([views, width]) => mount(views, width)", [wire.states(), width])
        return [page.locator(f"#view-{i}") for i in range(len(views))]

    return put


@pytest.fixture
def screenshot() -> Callable[..., Path]:
    """``screenshot(page_or_locator, name)`` writes test-results/<name>.png."""

    def take(target: Any, name: str) -> Path:
        RESULTS.mkdir(exist_ok=True)
        path = RESULTS / f"{name}.png"
        target.screenshot(path=path, animations="disabled")
        return path

    return take


class _Wire:
    """Both directions between the stand-in models of a page and their views."""

    def __init__(self, page: Any, views: tuple[Any, ...]) -> None:
        self._page, self._views = page, views
        self._answering: list[dict[str, Any]] | None = None  # what to send back with the call that is being served
        page.expose_function("toPython", self._hear)
        for at, view in enumerate(views):
            view.observe(lambda change, at=at: self._changed(at, change), names=traitlets.All)
            view.send = lambda content, buffers=None, at=at: self._send(
                {"view": at, "message": content, "buffers": [_encoded(b) for b in buffers or ()]}
            )

    def states(self) -> list[dict[str, Any]]:
        return [
            {
                "bundle": view.bundle,
                "state": {k: _encoded(v) for k, v in view.get_state().items() if k[0] != "_"},
            }
            for view in self._views
        ]

    def _hear(self, at: int, message: dict[str, Any]) -> list[dict[str, Any]]:
        self._answering = sent = []
        view = self._views[at]
        try:
            with _no_loop():
                if "traits" in message:
                    self._own = (at, message["traits"])
                    view.set_state(message["traits"])
                else:
                    view._handle_custom_msg(message["content"], [])
        finally:
            self._answering, self._own = None, (-1, {})
        return sent

    _own: tuple[int, dict[str, Any]] = (-1, {})

    def _changed(self, at: int, change: Any) -> None:
        name, value = change["name"], change["new"]
        if name not in self._views[at].keys or (at == self._own[0] and name in self._own[1]):
            return  # not synchronised, or the page's own change coming back
        self._send({"view": at, "trait": name, "value": _encoded(value)})

    def _send(self, item: dict[str, Any]) -> None:
        if self._answering is not None:
            self._answering.append(item)
        else:
            self._page.evaluate("items => fromPython(items)", [item])


def _encoded(value: Any) -> Any:
    return {"$bytes": b64encode(value).decode()} if isinstance(value, (bytes, memoryview)) else value


@contextmanager
def _no_loop() -> Iterator[None]:
    """Hide Playwright's event loop: a view in a running loop would answer in steps, after the call."""
    loop = asyncio._get_running_loop()
    asyncio._set_running_loop(None)
    try:
        yield
    finally:
        asyncio._set_running_loop(loop)
