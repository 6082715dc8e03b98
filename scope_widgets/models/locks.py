"""One run at a time: the lock of each model, and what it is being used for."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn

_locks: weakref.WeakKeyDictionary[nn.Module, threading.RLock] = weakref.WeakKeyDictionary()
_watched: weakref.WeakSet[nn.Module] = weakref.WeakSet()
_hooked: weakref.WeakSet[nn.Module] = weakref.WeakSet()


def lock_of(model: nn.Module) -> threading.RLock:
    """Return the lock of `model`: its attention is switched for a run, so only one run may be on it at a time."""
    return _locks.setdefault(model, threading.RLock())


@contextmanager
def exclusive(model: nn.Module, *, watching: bool = False, whole: bool = False) -> Iterator[None]:
    """Hold the lock of `model` for a run.

    Parameters
    ----------
    watching : bool
        The run is the user's own, of which a whole forward is recorded.
    whole : bool
        The run is a whole forward, called through the model.

    Raises
    ------
    RuntimeError
        Inside a `watch` of the same model, which would record this run instead of the user's; and where hooks change
        the model's forwards and the run is not a whole one: they would take its positions for others.
    """
    with lock_of(model):
        if model in _watched:
            raise RuntimeError(
                "This model is being watched: inside `with scope.watch()` call the model itself, and trace it before "
                "or after the block."
            )
        if model in _hooked and not (watching or whole):
            raise RuntimeError(
                "This model is being steered: inside `with steering.steer(...)` call the model, or trace, watch or "
                "generate. For anything else leave the block, or use a steering.Session."
            )
        if not watching:
            yield
            return
        _watched.add(model)
        try:
            yield
        finally:
            _watched.discard(model)


@contextmanager
def changed_by_hooks(model: nn.Module) -> Iterator[None]:
    """Hold the lock of `model` while hooks change its forwards.

    Raises
    ------
    RuntimeError
        Where hooks of another block do so already, or the model is being watched.
    """
    with exclusive(model):
        _hooked.add(model)
        try:
            yield
        finally:
            _hooked.discard(model)
