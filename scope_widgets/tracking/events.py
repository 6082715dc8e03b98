"""The events of a run: a JSON object a line, appended whole."""

from __future__ import annotations

import errno
import json
import os
import warnings
from pathlib import Path
from threading import RLock
from typing import Any

from scope_widgets._untrusted import check_text

#: bytes of one event, and of all that wait where nothing can be written
LONGEST, _MOST_WAITING = 2**20, 2**26


class EventWriter:
    """Appends events to a file; what cannot be written waits in memory for the next one.

    A line is one call of the system: it is in the file when `add` returns, whatever becomes of the process, and lines
    of several threads or processes do not mix.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: int | None = os.open(path, os.O_WRONLY | os.O_APPEND)
        #: lines; one that was written has how much of it behind it
        self._waiting: list[list[Any]] = []
        self._lock = RLock()
        self._warned = False

    @property
    def n_waiting(self) -> int:
        """Events that could not be written yet."""
        return len(self._waiting)

    def add(self, event: dict[str, Any]) -> None:
        """Append an event.

        Raises
        ------
        ValueError
            For one that is longer than a line may be, or holds half a character.
        OSError
            Where too much waits.
        """
        text = check_text(json.dumps(event, allow_nan=False, ensure_ascii=False))
        line = text.encode() + b"\n"
        if len(line) > LONGEST:
            raise ValueError(
                f"An event of a run has {LONGEST:,} bytes at most, and this one {len(line):,}: put it into a table, "
                "run.table(name, frame)."
            )
        with self._lock:
            self._waiting.append([line])
            self.flush()

    def flush(self) -> None:
        """Write what waits; warn where that cannot be, and raise OSError where too much does."""
        with self._lock:
            try:
                while self._waiting:
                    self._write(self._waiting[0])
                    del self._waiting[0]
                self._warned = False
            except OSError as error:
                said = f"{str(self._path)!r} cannot be written: {error.strerror or error}."
                if sum(len(one[0]) for one in self._waiting) > _MOST_WAITING:
                    raise OSError(
                        error.errno, f"{said} {self.n_waiting:,} events wait, and more are not kept."
                    ) from None
                if not self._warned:
                    self._warned = True
                    warnings.warn(
                        f"{said} Events wait in memory and are written with the next one: make room.", stacklevel=4
                    )

    def unlock(self) -> None:
        """Have a lock of its own, after a fork."""
        self._lock = RLock()

    def sync(self) -> None:
        """Have the system write to the disk what it holds, for a machine that loses power."""
        if self._file is not None:
            os.fsync(self._file)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            if self._file is not None:
                os.close(self._file)
                self._file = None

    def _write(self, entry: list[Any]) -> None:
        if self._file is None:
            raise OSError("the run has ended")
        if len(entry) == 1:
            # written and known to be written in one call, so that Ctrl-C comes before or after it
            entry.extend(map(os.write, (self._file,), (entry[0],)))
        line, written = entry
        if written < len(line):  # no room for the rest: half a line is one that readers leave out
            entry[:] = [line if line.startswith(b"\n") else b"\n" + line]
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
