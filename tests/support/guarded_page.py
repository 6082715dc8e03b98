"""A browser's page that may reach this machine only, and log no error."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.support import view_page

LOCAL = re.compile(r"(https?://127\.0\.0\.1[:/]|file:|blob:|data:|about:)")


@contextmanager
def guarded_page(browser: Any) -> Iterator[Any]:
    """Open a page; at its end an error is raised where it asked for more than this machine, or logged an error."""
    page = _context(browser).new_page()
    outside: list[str] = []
    errors: list[str] = []

    def guard(route: Any) -> None:
        if LOCAL.match(route.request.url):
            route.continue_()
        else:
            outside.append(route.request.url)
            route.abort()

    page.route("**/*", guard)
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.errors = errors
    yield page
    page.close()
    assert not outside, f"The page asked for {outside}."
    assert not errors, f"The page logged {errors}."


def _context(browser: Any) -> Any:
    """Return the one context of all pages: each has a window, whose own parts take Chromium a second to start."""
    if browser.contexts:
        return browser.contexts[0]
    context = browser.new_context(viewport={"width": 1200, "height": 700}, accept_downloads=True)
    context.add_init_script(path=view_page.TIMERS)
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    context.new_page()  # the window ends with its last page
    return context
