"""The event loop of a kernel, which runs while a page of a test is given time."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any


class Loop:
    """The kernel's event loop: it runs while the page is given time."""

    def __init__(self) -> None:
        self._waiting: list[Any] = []

    def call_soon(self, action: Callable[..., None], *args: Any) -> Any:
        return self.call_later(0, action, *args)

    def call_later(self, seconds: float, action: Callable[..., None], *args: Any) -> Any:
        timer = SimpleNamespace(at=time.monotonic() + seconds, action=partial(action, *args))
        timer.cancel = lambda: self._waiting.remove(timer)
        self._waiting.append(timer)
        return timer

    def run(self, page: Any, until: Callable[[], bool], seconds: float = 60) -> float:
        """Run until something is so; gives the seconds that took."""
        began = time.monotonic()
        while not until():
            assert time.monotonic() - began < seconds, "It did not happen."
            for timer in [one for one in self._waiting if one.at <= time.monotonic()][:1]:
                self._waiting.remove(timer)
                timer.action()
            page.wait_for_timeout(4)
        return time.monotonic() - began
