"""What is wrong with the built site: dead links and anchors, and what a browser without a network says to each page.

``make docs-check`` builds the site and runs this. Addresses of other sites are not asked.
"""

from __future__ import annotations

import argparse
import os
import sys
import threading
from collections.abc import Iterator
from functools import partial
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from scripts.build_docs import SITE

#: what a view is drawn with
DRAWN = "canvas, svg, table, [role=grid]"


class Page(HTMLParser):
    """The addresses that a page names, and the anchors that it has."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.anchors: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        """Keep what a tag has."""
        for name, value in attributes:
            if value is None:
                continue
            if name == "id" or (tag == "a" and name == "name"):
                self.anchors.add(value)
            elif name in ("href", "src", "data"):
                self.addresses.append(value)


def main() -> int:
    """Check; return 1 where something is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("site", nargs="?", type=Path, default=SITE)
    parser.add_argument("--no-browser", action="store_true", help="links and anchors only")
    options = parser.parse_args()
    wrong = list(dead(options.site))
    if not options.no_browser:
        wrong += list(seen_by_a_browser(options.site))
    print("\n".join(wrong))
    print(f"{len(list(pages(options.site)))} pages, {len(wrong)} things wrong")
    return 1 if wrong else 0


def pages(site: Path) -> Iterator[Path]:
    """Yield the pages that are no view in a frame."""
    yield from (
        path for path in sorted(site.rglob("*.html")) if path.relative_to(site).parts[0] not in ("views", "_static")
    )


def dead(site: Path) -> Iterator[str]:
    """Yield a sentence for each address within the site that leads nowhere, and each that would load from elsewhere."""
    known: dict[Path, Page] = {}

    def read(path: Path) -> Page:
        if path not in known:
            known[path] = Page(path.read_text(encoding="utf-8"))
        return known[path]

    for path in pages(site):
        for address in read(path).addresses:
            parts = urlsplit(address)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            where = path.relative_to(site)
            if not target.is_relative_to(site.resolve()) and target != path:
                yield f"{where}: {address} leads out of the site"
            elif not target.is_file():
                yield f"{where}: {address} leads nowhere"
            elif parts.fragment and target.suffix == ".html" and unquote(parts.fragment) not in read(target).anchors:
                yield f"{where}: {address} has no such anchor"


def seen_by_a_browser(site: Path) -> Iterator[str]:
    """Yield a sentence for each error a page logs, each request to elsewhere, and each frame that draws nothing."""
    from playwright.sync_api import Error, sync_playwright

    from tests.support import view_page

    handler = partial(_Quiet, directory=str(site))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    root = f"http://127.0.0.1:{server.server_port}/"
    said: list[str] = []
    with sync_playwright() as playwright:
        path = view_page.chromium(os.environ.get("SCOPE_CHROMIUM"))
        browser = playwright.chromium.launch(executable_path=path, args=view_page.FLAGS)
        page = browser.new_page()

        def guard(route: Any) -> None:
            if route.request.url.startswith((root, "data:", "blob:", "about:")):
                route.continue_()
            else:
                said.append(f"asks for {route.request.url}")
                route.abort()

        page.route("**/*", guard)
        page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: said.append(str(error)))
        for path in pages(site):
            where = path.relative_to(site).as_posix()
            page.goto(root + where, wait_until="load")
            page.evaluate("document.querySelectorAll('iframe').forEach((one) => { one.loading = 'eager'; })")
            for frame in page.frames[1:]:
                try:
                    frame.wait_for_selector(DRAWN, state="attached")
                except Error:
                    said.append(f"the frame {frame.url} draws nothing")
            yield from (f"{where}: {one}" for one in said)
            said.clear()
        browser.close()
    server.shutdown()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *arguments: object) -> None:
        """Say nothing."""


if __name__ == "__main__":
    sys.exit(main())
