"""Ctrl-C waits for the end of a forward, which it would stop in the middle of what other packages do."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from typing import Any

from scope_widgets.models.put_back import putting_back, with_block


@with_block
def defer_interrupt() -> Iterator[None]:
    """Let Ctrl-C wait for the end of a `with` block; a second one breaks in."""
    handler = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(handler):
        yield  # only the main thread is interrupted
        return
    waiting: list[tuple[int, Any]] = []

    def note(number: int, frame: Any) -> None:
        waiting.append((number, frame))
        if len(waiting) > 1:
            handler(number, frame)

    try:
        with putting_back() as back:
            back.later_here(signal.signal, signal.SIGINT, handler)
            signal.signal(signal.SIGINT, note)
            yield
    finally:
        if len(waiting) == 1:
            handler(*waiting[0])
