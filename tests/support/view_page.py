"""A page of this machine that shows real views: their real bundles, stand-in models, both directions of the wire.

`served` gives the address of the host page, `mounted` puts views on it and joins them to their real Python objects.
"""

from __future__ import annotations

import asyncio
import shutil
import threading
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import traitlets

from tests.support.paths import ROOT

STATIC = ROOT / "scope_widgets" / "static"
HOST_PAGE = Path(__file__).with_name("view_page.html")
#: to be run before all others in a page on which `rested` waits
TIMERS = Path(__file__).with_name("timers.js")
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # frames come as soon as there is one to draw: tests wait for thousands of them
    "--disable-frame-rate-limit",
    "--disable-gpu-vsync",
]


@dataclass(frozen=True)
class Work:
    """What drawing took: calls on canvases, pixels put there, changes of elements and attributes."""

    calls: int
    pixels: int
    changes: int

    def __le__(self, most: Work) -> bool:
        return self.calls <= most.calls and self.pixels <= most.pixels and self.changes <= most.changes


@contextmanager
def served() -> Iterator[str]:
    """Serve the host page and the built bundles on this machine; gives the address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Files)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def chromium(*others: str | None) -> str | None:
    """Return the path of a Chromium, the first of `others` first; None where there is none."""
    return next((path for name in (*others, *CHROMIUM) if name and (path := shutil.which(name))), None)


def mounted(page: Any, address: str, *views: Any, width: int | None = None) -> list[Any]:
    """Show views one below the other; returns a locator for each.

    A change of a trait or a custom message goes to the real Python object and back; what Python does later reaches the
    page at once.
    """
    page.goto(address)
    wire = _Wire(page, views)
    page.evaluate("([views, width]) => mount(views, width)", [wire.states(), width])
    return [page.locator(f"#view-{i}") for i in range(len(views))]


def frame(page: Any) -> None:
    """Wait until what was asked is answered and what has changed is drawn."""
    page.evaluate(
        """() => globalThis.settled?.() ?? new Promise((done) => {
            requestAnimationFrame(() => requestAnimationFrame(done));
        })"""
    )


def until(page: Any, holds: str, given: Any = None) -> None:
    """Wait until a function of the browser returns true, looked at in each frame.

    `Page.wait_for_function` evaluates its text at each look, which a page whose policy forbids that refuses from the
    second look on.
    """
    page.evaluate(
        f"""(given) => new Promise((done, failed) => {{
            const [holds, begun] = [{holds}, performance.now()];
            const look = () => {{
                if (holds(given)) done();
                else if (performance.now() - begun > 30_000) failed(new Error(`Not so after 30 s: ${{holds}}`));
                else requestAnimationFrame(look);
            }};
            look();
        }})""",
        given,
    )


def works(page: Any, acts: str) -> list[list[Work]]:
    """Count the work of what a page does: the body of a function that returns lists of `await work(() => ...)`."""
    return [[Work(**one) for one in some] for some in page.evaluate(f"async () => {{ {acts} }}")]


def most(works: list[Work]) -> Work:
    """Return the largest of each count."""
    return Work(*map(max, zip(*map(astuple, works), strict=True)))


def rested(page: Any) -> None:
    """Wait until the views have done what they put off for less than a second."""
    page.evaluate("rested()")


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
        written = self._views[at].trait_metadata(name, "to_json")
        value = written(value, self._views[at]) if written else value
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
