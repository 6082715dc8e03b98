"""A framed page of files, which is made anew when they change."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from typing import Any

from scope_widgets._bar_steps import steps_of_bars
from scope_widgets._job import Job, JobStatus, Steps
from scope_widgets.widgets.workbench.panels.framed_page import FramedPage

#: seconds between two looks, and how many times as long as a look took the next one is put off at least
LOOK_S = 2.0
_REST = 20.0


class FollowedPage(FramedPage):
    """A page that follows what it shows, as long as it is open and an event loop runs.

    A look goes on in a thread, so that nobody waits for a slow disk.
    """

    _timer: asyncio.TimerHandle | None = None
    _looking: Job[None] | None = None

    def follow_files(self, state: Callable[[], Any], read: Callable[[], dict[str, Any]], before: Any) -> None:
        """Show what `read` returns whenever `state` returns something else than before.

        Parameters
        ----------
        state : callable
            Returns something small that is equal as long as nothing has changed.
        read : callable
            Returns the page: its "document", "table" and "title". Both are called in a thread.
        before
            What `state` returned before the page was made.
        """
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return  # nothing would call it
        now = before

        def look() -> Steps[None]:
            nonlocal now
            found = yield from steps_of_bars(state)
            if found != now:
                shown = yield from steps_of_bars(read)
                now, self._table = found, shown["table"]
                self.document, self.title = shown["document"], shown["title"]

        def begin() -> None:
            self._looking = Job(look())
            go_on(time.monotonic())

        def go_on(begun: float) -> None:
            status = _next(self._looking)
            if status is not None:
                self._timer = loop.call_later(status.pause, go_on, begun)
            else:
                self._timer = loop.call_later(max(LOOK_S, _REST * (time.monotonic() - begun)), begin)

        self._timer = loop.call_later(LOOK_S, begin)

    def close(self) -> None:
        """Close the view, and look no more."""
        if self._timer is not None:
            self._timer.cancel()
        if self._looking is not None:
            self._looking.cancel()
        super().close()


def _next(steps: Iterator[JobStatus] | None) -> JobStatus | None:
    """Return the next step; None at the end, and where the folder cannot be read now: it is looked at again."""
    try:
        return None if steps is None else next(steps, None)
    except (OSError, ValueError):
        return None
