"""One run at a time: the lock of each model, and what it is being used for."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Iterator

from torch import nn

from scope_widgets.models.guards.restore_on_exit import finish_broken, putting_back, with_block

#: of each process: a fork leaves those behind that threads hold which it has not got
_locks: dict[int, weakref.WeakKeyDictionary[object, threading.RLock]] = {}
_watched: weakref.WeakSet[nn.Module] = weakref.WeakSet()
_hooked: weakref.WeakSet[nn.Module] = weakref.WeakSet()


def lock_of(model: object) -> threading.RLock:
    """Return the lock of a model: its attention is switched for a run, so only one run may be on it at a time."""
    of_process = _locks.setdefault(os.getpid(), weakref.WeakKeyDictionary())
    return of_process.setdefault(model, threading.RLock())


def locks() -> list[threading.RLock]:
    """Return the locks of all models of this process."""
    return list(_locks.get(os.getpid(), {}).values())


@with_block
def held(model: object) -> Iterator[None]:
    """Hold the lock of `model` while a block runs."""
    # on one line: a debugger's or a test's interrupt between two lines would come between the block and its release
    with lock_of(model): yield  # fmt: skip  # noqa: E701


@with_block
def exclusive(model: nn.Module, *, watching: bool = False, whole: bool = False) -> Iterator[None]:
    """Hold the lock of `model` for a run.

    Parameters
    ----------
    watching : bool, default False
        The run is the user's own, of which a whole forward is recorded.
    whole : bool, default False
        The run is a whole forward, called through the model.

    Raises
    ------
    RuntimeError
        Inside a `watch` of the same model, which would record this run instead of the user's; and where hooks change
        the model's forwards and the run is not a whole one: they would take its positions for others.
    """
    with held(model), putting_back() as back:
        finish_broken()
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
        if watching:
            back.later(_watched.discard, model)
            _watched.add(model)
        yield


@with_block
def changed_by_hooks(model: nn.Module) -> Iterator[None]:
    """Hold the lock of `model` while hooks change its forwards.

    Raises
    ------
    RuntimeError
        Where hooks of another block do so already, or the model is being watched.
    """
    with exclusive(model), putting_back() as back:
        back.later(_hooked.discard, model)
        _hooked.add(model)
        yield
