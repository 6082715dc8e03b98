"""The trace of a `with` block: a promise that becomes a `Trace` when the block ends."""

from __future__ import annotations

from typing import Any

from scope_widgets.traces.trace import Trace


class PendingTrace(Trace):
    """A trace that is not there yet; `become` turns it into an ordinary `Trace`."""

    def __init__(self) -> None:
        pass

    def become(self, trace: Trace) -> None:
        """Take on everything of `trace`, its class included."""
        vars(self).update(vars(trace))
        object.__setattr__(self, "__class__", Trace)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        raise ValueError("This trace is ready when the `with scope.watch()` block has ended.")

    def __repr__(self) -> str:
        """Say that it is not there yet."""
        return "Trace(being watched)"
