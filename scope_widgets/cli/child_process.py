"""A process that does the work of a command: what it says of itself, and how it ended."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

#: seconds that an interrupted process has to put away what it holds
_PATIENCE = 30.0


class ChildProcess:
    """A module of this package that is run as a process, with Python's interpreter of this one.

    Parameters
    ----------
    module : str
    asked : dict
        What it is to do: JSON, its first line of stdin. When this process ends, that one does.

    Attributes
    ----------
    killed : int
        The signal that it was ended by; 0: none.
    """

    def __init__(self, module: str, asked: dict[str, Any]) -> None:
        package = str(Path(__file__).parents[2])  # the same package, wherever this is called
        paths = os.pathsep.join([package, *filter(None, [os.environ.get("PYTHONPATH")])])
        self.killed = 0
        self._log = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115 - closed below
        self._process = subprocess.Popen(
            [sys.executable, "-m", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            encoding="utf-8",
            env=os.environ | {"PYTHONPATH": paths, "TQDM_DISABLE": "1"},
            start_new_session=True,  # Ctrl-C reaches it through this process alone, once
        )
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._said: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it is gone already: its end says why
            self._process.stdin.write(json.dumps(asked) + "\n")
            self._process.stdin.flush()

    @property
    def pid(self) -> int:
        """Number of the process."""
        return self._process.pid

    def messages(self, every: float = 1.0) -> Iterator[dict[str, Any] | None]:
        """Yield what it says until it ends, and None each time so many seconds have passed."""
        while True:
            try:
                line = self._lines.get(timeout=every)
            except queue.Empty:
                yield None
                continue
            if line is None:
                break
            yield json.loads(line)
        status = self._process.wait()
        self.killed = -status if status < 0 else 0

    def interrupt(self) -> None:
        """Let it put away what it holds, as by Ctrl-C, and wait for its end; end it where that takes too long."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(_PATIENCE)
        except (subprocess.TimeoutExpired, KeyboardInterrupt):
            self._process.kill()
            self._process.wait()

    def said(self) -> Iterator[dict[str, Any]]:
        """Yield all that it said before its end: one that Ctrl-C came upon was taken, and not heard."""
        self._reader.join(timeout=1.0)
        yield from map(json.loads, list(self._said))

    def last_words(self, lines: int = 12) -> str:
        """Return the end of what it wrote to stderr."""
        self._log.seek(0)
        return "\n".join(self._log.read()[-4000:].splitlines()[-lines:])

    def close(self) -> None:
        """End it where it has not ended."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        for file in (self._process.stdin, self._process.stdout, self._log):
            if file is not None:
                with contextlib.suppress(BrokenPipeError):
                    file.close()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._said.append(line)
            self._lines.put(line)
        self._lines.put(None)
