"""A fork waits until no run is on its way in another thread.

What torch multiplies matrices with has locks of its own: a process that is forked within a product of another thread
waits for them for good. Ours are of one process (`locks.py`).
"""

from __future__ import annotations

import os
import threading
import time

from scope_widgets.models.guards.locks import locks

#: seconds that a fork waits: a thread may hold a model for as long as it likes
_LONGEST = 2.0
_taken: list[threading.RLock] = []


def _wait_for_runs() -> None:
    until = time.monotonic() + _LONGEST
    for lock in locks():
        if lock.acquire(timeout=max(0.0, until - time.monotonic())):
            _taken.append(lock)


def _go_on() -> None:
    while _taken:
        _taken.pop().release()


os.register_at_fork(before=_wait_for_runs, after_in_parent=_go_on, after_in_child=_go_on)
