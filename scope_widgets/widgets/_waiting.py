"""Requests to a server, waited for without holding the kernel."""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator
from typing import Any

from ._requests import Step

#: seconds between two looks at a request: at first, and at most
SOON, LATE = 0.05, 0.5

_WORDS = {"sent": "sent to the server", "deploying": "the server loads the model", "running": "running on the server"}


def is_far(scope: Any) -> bool:
    """Whether a model is on a server."""
    return bool(getattr(scope, "remote", False))


def words(news: Any) -> str:
    """Say a server's `JobStatus` in a few words; its own text only gives the place in the queue."""
    if "connection" in news.text:
        return "connection lost, waiting for the server"
    if news.state == "queued":
        place = re.search(r"position (\d+)", news.text)
        return f"queued, position {place[1]}" if place else "queued"
    count = f", {news.done:,} of {news.total:,}" if news.total else ""
    return _WORDS.get(news.state, "running on the server") + count


def waited(steps: Iterator[Any]) -> Generator[Step, None, Any]:
    """Go through `scope.far_steps(...)`: yields its news as progress, and pauses; gives what it gives."""
    pause, said = SOON, ""
    while True:
        try:
            news = next(steps)
        except StopIteration as end:
            return end.value
        if (text := words(news)) != said:
            said = text
            yield news.done, news.total, text
        yield pause
        pause = min(1.3 * pause, LATE)
