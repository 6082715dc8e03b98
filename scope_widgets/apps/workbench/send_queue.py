"""What a page is still to hear: in order, bounded, and only the latest of what has been overtaken."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from scope_widgets.apps.workbench.socket_messages import encode

#: bytes and messages that wait for a browser; beyond, it is told everything anew when it comes back
MOST_BYTES = 128 * 2**20
MOST_MESSAGES = 20_000


@dataclass
class _Message:
    head: dict[str, Any]
    buffers: list[Any]

    @property
    def size(self) -> int:
        return 200 + sum(memoryview(one).nbytes for one in self.buffers)


class SendQueue:
    """Messages to one page. Each has a number, and is kept until the page says that it has come.

    A trait of a view that changes before its last value was sent goes once, with the new one; so does the progress of
    a request. The kernel's thread puts, the server's takes.

    Parameters
    ----------
    wake : callable
        Called, in the kernel's thread, when there is something to take.

    Attributes
    ----------
    overflowed : bool
        Whether something was dropped, because the browser did not take it: the page must be told all of its state.
    """

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._lock = threading.Lock()
        self._waiting: deque[_Message] = deque()
        self._sent: deque[tuple[int, bytes]] = deque()
        self._bytes = 0
        self._number = 0
        self._heard = 0
        self.overflowed = False

    def put(self, head: dict[str, Any], buffers: list[Any]) -> None:
        """Take a message to the page."""
        with self._lock:
            if self.overflowed:
                return
            message = _Message({**head, "heard": self._heard}, list(buffers))
            if not self._overtake(message):
                self._waiting.append(message)
                self._bytes += message.size
            if self._bytes > MOST_BYTES or len(self._waiting) + len(self._sent) > MOST_MESSAGES:
                self._drop()
                self.overflowed = True
        self._wake()

    def hear(self, head: dict[str, Any], number: int) -> None:
        """Know that what is put from now on was said after a message of the page was heard.

        What waits of the traits that it sets is older than they, and not sent. What is on its way says in ``heard``
        that it does not know of them yet, and the page leaves it.
        """
        with self._lock:
            self._heard = number
            if head.get("kind") != "update" or not isinstance(head.get("state"), dict):
                return
            for waiting in self._waiting:
                if waiting.head.get("id") == head.get("id") and waiting.head["kind"] == "update":
                    self._bytes -= waiting.size
                    _leave_out(waiting, set(head["state"]))
                    self._bytes += waiting.size

    def take(self, got: int = 0) -> bytes | None:
        """Return the next message as it is sent, with the number of the last that came; None where there is none."""
        with self._lock:
            if not self._waiting:
                return None
            message = self._waiting.popleft()
            self._number += 1
            number = self._number
        frame = encode({**message.head, "n": number, "got": got}, message.buffers)
        with self._lock:
            if not self.overflowed and number == self._number:
                self._bytes += len(frame) - message.size
                self._sent.append((number, frame))
        return frame

    def arrived(self, number: int) -> None:
        """Forget what the page says to have: all messages up to this number."""
        with self._lock:
            while self._sent and self._sent[0][0] <= number:
                self._bytes -= len(self._sent.popleft()[1])

    def again(self, number: int) -> list[bytes] | None:
        """Return what was sent after a number, for a page that comes back; None where that is not known any more."""
        self.arrived(number)
        with self._lock:
            lost = self._number - number
            if self.overflowed or lost < 0 or len(self._sent) != lost:
                return None
            return [frame for _, frame in self._sent]

    def clear(self) -> None:
        """Forget all: the page begins anew, and so do the numbers."""
        with self._lock:
            self._drop()
            self._number, self._heard, self.overflowed = 0, 0, False

    def _drop(self) -> None:
        self._waiting.clear()
        self._sent.clear()
        self._bytes = 0

    def _overtake(self, message: _Message) -> bool:
        """Put a message in the place of an earlier one that has not been sent; return whether there was one."""
        head = message.head
        kind, view = head["kind"], head.get("id")
        if kind == "custom":
            request = _progress_of(head)
            for earlier in reversed(self._waiting) if request else ():
                if earlier.head.get("id") == view and _progress_of(earlier.head) == request:
                    earlier.head = head
                    return True
            return False
        if kind == "job":
            for earlier in reversed(self._waiting):
                if earlier.head["kind"] == "job" and earlier.head.get("id") == view:
                    earlier.head = head
                    return True
            return False
        if kind != "update":
            return False
        for earlier in reversed(self._waiting):
            if earlier.head.get("id") != view:
                continue
            if earlier.head["kind"] != "update":
                return False  # an answer stands between: the order of the two is kept
            self._bytes -= earlier.size
            _merge(earlier, message)
            self._bytes += earlier.size
            return True
        return False


def _progress_of(head: dict[str, Any]) -> str | None:
    """Return the request that a message says the progress of."""
    content = head.get("content")
    if isinstance(content, dict) and content.get("kind") == "progress":
        return str(content.get("id"))
    return None


def _merge(earlier: _Message, later: _Message) -> None:
    """Put the traits of a later update into an earlier one."""
    _leave_out(earlier, set(later.head["state"]) | {path[0] for path in later.head["buffer_paths"]})
    earlier.head = {
        **earlier.head,
        "heard": later.head["heard"],
        "state": {**earlier.head["state"], **later.head["state"]},
        "buffer_paths": earlier.head["buffer_paths"] + later.head["buffer_paths"],
    }
    earlier.buffers = earlier.buffers + later.buffers


def _leave_out(update: _Message, names: set[str]) -> None:
    """Take traits out of an update."""
    kept = [
        (path, one)
        for path, one in zip(update.head["buffer_paths"], update.buffers, strict=True)
        if path[0] not in names
    ]
    update.head = {
        **update.head,
        "state": {name: one for name, one in update.head["state"].items() if name not in names},
        "buffer_paths": [path for path, _ in kept],
    }
    update.buffers = [one for _, one in kept]
