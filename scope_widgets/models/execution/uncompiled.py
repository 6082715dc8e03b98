"""`uncompiled`: a graph of torch.compile knows nothing of hooks that came later, so it must not run with them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch

_lock = threading.Lock()
_inside = 0
_eager = ExitStack()


@contextmanager
def uncompiled() -> Iterator[None]:
    """Let compiled modules and functions run as they were written while a `with` block runs, in every thread.

    Nothing is compiled meanwhile either: what is compiled with hooks would keep them.
    """
    global _inside  # the compiler has one stance for the process, and blocks of two threads may cross
    with _lock:
        _inside += 1
        if _inside == 1:
            _eager.enter_context(torch.compiler.set_stance("force_eager"))
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if _inside == 0:
                _eager.close()
