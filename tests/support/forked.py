"""Work in a copy of this process, which has imported everything: a new one needs ten seconds before it begins."""

from __future__ import annotations

import json
import os
import signal
import tempfile
import threading
import traceback
from collections.abc import Callable
from typing import Any


def copied() -> None:
    """Make a process that was copied by a fork work by itself: call it first in the copy."""
    import torch
    from tqdm import tqdm

    torch.set_num_threads(1)  # the threads of the process that was copied are not here
    # The lock of tqdm is shared with that process: a copy that is killed in it leaves it taken there for ever.
    tqdm.set_lock(threading.RLock())


class Forked:
    """A copy of this process that runs `work()`, whose result is JSON."""

    def __init__(self, work: Callable[[], Any]) -> None:
        self._written = tempfile.TemporaryFile("w+")  # noqa: SIM115
        self._status: int | None = None
        self._child = os.fork()
        if self._child == 0:
            try:
                copied()
                json.dump(work(), self._written)
                self._written.flush()
                os._exit(0)
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(1)

    @property
    def ended(self) -> bool:
        """Whether it has ended."""
        if self._status is None:
            child, status = os.waitpid(self._child, os.WNOHANG)
            self._status = status if child else None
        return self._status is not None

    def kill(self) -> None:
        """End it as the kernel does that has no memory left, whatever it is doing."""
        os.kill(self._child, signal.SIGKILL)
        self._status = os.waitpid(self._child, 0)[1]

    def result(self) -> Any:
        """Wait for its end and return what `work` returned; it wrote to stderr what it raised."""
        if self._status is None:
            self._status = os.waitpid(self._child, 0)[1]
        assert self._status == 0, f"The copy of this process ended with {self._status}."
        with self._written as written:
            written.seek(0)
            return json.load(written)
