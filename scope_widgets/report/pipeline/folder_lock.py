"""One process at a time writes a folder; the lock goes with the process, however that ends."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

#: seconds that one waits for a process that is ending
PATIENCE = 20.0


@contextmanager
def locked(folder: Path, patience: float = PATIENCE) -> Iterator[None]:
    """Hold the lock of a folder for a block.

    Raises
    ------
    ValueError
        Where another process holds it. Without flock (Windows) nobody does.
    """
    try:
        import fcntl
    except ImportError:
        yield
        return
    with (folder / ".lock").open("a") as file:
        until = time.monotonic() + patience
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > until:
                    raise ValueError(
                        f"Another process is writing to {str(folder)!r}: wait for its end, or give another folder."
                    ) from None
                time.sleep(0.1)
        yield
