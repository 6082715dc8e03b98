"""Work that shows a bar as steps of a job: it goes on in a thread, and stops where its bar moves."""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from typing import TypeVar

from scope_widgets._job import JobStatus, Steps
from scope_widgets._progress import hearing

T = TypeVar("T")

#: seconds between two looks
_LOOK_S = 0.02
_threads: weakref.WeakSet[threading.Thread] = weakref.WeakSet()


def wait_for_stopped(seconds: float) -> None:
    """Wait until work that was stopped has ended: an interpreter that goes before it would be brought down by it."""
    until = time.monotonic() + seconds
    for thread in list(_threads):
        thread.join(max(0.0, until - time.monotonic()))


def steps_of_bars(work: Callable[[], T], text: str = "") -> Steps[T]:
    """Do some work in a thread of its own; each step is how far its bar is.

    Parameters
    ----------
    work : callable
        When the steps are closed before their end, or a CancelledError is raised in them (`Job.stop`), it is ended by a
        CancelledError where its bar moves next. After the second the steps go on until the thread has ended.
    text : str, default ""
        What is said until there is a bar.

    Returns
    -------
    generator of JobStatus
        Returns what `work` returns, or raises what it raises.

    Examples
    --------
    >>> from scope_widgets._job import Job
    >>> Job(steps_of_bars(lambda: 1 + 1)).result()
    2
    """
    done: Future[T] = Future()
    stopped = threading.Event()
    now = JobStatus("running", text, pause=_LOOK_S)

    def hear(text: str, n: int, total: int) -> None:
        nonlocal now
        if stopped.is_set():
            raise CancelledError("This job was cancelled.")
        now = JobStatus("running", text, n, total, pause=_LOOK_S)

    def act() -> None:
        try:
            with hearing(hear):
                found = work()
        except BaseException as error:
            done.set_exception(error)
        else:
            done.set_result(found)

    def steps() -> Steps[T]:
        thread = threading.Thread(target=act, name="scope-job", daemon=True)
        _threads.add(thread)
        thread.start()
        try:
            while not done.done():
                yield now
            return done.result()
        except CancelledError:
            stopped.set()
            while thread.is_alive():  # whoever waits for its turn, or for its files, waits for that
                yield now
            raise
        finally:
            stopped.set()

    return steps()
