"""Ctrl-C waits for a place where a forward may end, and does not stop other packages in the middle of what they do."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

from scope_widgets.models.guards.restore_on_exit import putting_back, with_block


class BrokenOffError(Exception):
    """A forward ends here since Ctrl-C waits for its end: KeyboardInterrupt takes its place then."""


class _Note:
    """A signal handler that notes the first interrupt, and lets the second one break in."""

    def __init__(self, handler: Callable[[int, FrameType | None], Any]) -> None:
        self.handler = handler
        self.waiting: list[tuple[int, FrameType | None]] = []

    def __call__(self, number: int, frame: FrameType | None) -> None:
        self.waiting.append((number, frame))
        if len(self.waiting) > 1:
            self.handler(number, frame)


@with_block
def defer_interrupt() -> Iterator[None]:
    """Let Ctrl-C wait for the end of a `with` block, or for `end_if_interrupted` in it; a second one breaks in."""
    handler = signal.getsignal(signal.SIGINT)
    if not _in_main_thread() or not callable(handler) or isinstance(handler, _Note):
        yield  # only the main thread is interrupted, and the outermost block waits
        return
    note = _Note(handler)
    try:
        with putting_back() as back:
            back.later_here(signal.signal, signal.SIGINT, handler)
            signal.signal(signal.SIGINT, note)
            yield
    finally:
        if len(note.waiting) == 1:
            handler(*note.waiting[0])


def end_if_interrupted() -> None:
    """Raise BrokenOffError where Ctrl-C waits: for between two blocks of a forward, which may take seconds."""
    note = signal.getsignal(signal.SIGINT) if _in_main_thread() else None
    # another handler may not raise, so that the forward would be lost for nothing
    if isinstance(note, _Note) and note.waiting and note.handler is signal.default_int_handler:
        raise BrokenOffError("Interrupted.")


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()
