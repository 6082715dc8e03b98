"""How often threads take turns in a process that has servers in it."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

#: seconds that the models' thread may compute in Python before the sockets' has its turn; 5 ms by default
SWITCH_S = 0.001
_lock = threading.Lock()
_servers = 0
_before = 0.0


@contextmanager
def frequent_switches() -> Iterator[None]:
    """Have threads take turns every `SWITCH_S` while a server is there.

    The interval is one for the process: the first server sets it, and the last puts back what was before, whatever the
    order in which they end.
    """
    global _servers, _before
    with _lock:
        if not _servers:
            _before = sys.getswitchinterval()
            sys.setswitchinterval(SWITCH_S)
        _servers += 1
    try:
        yield
    finally:
        with _lock:
            _servers -= 1
            if not _servers:
                sys.setswitchinterval(_before)
