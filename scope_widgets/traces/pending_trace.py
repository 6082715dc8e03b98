"""`PendingTrace`: the trace of a `with scope.watch()` block, which becomes a `Trace` when the block ends."""

from __future__ import annotations

from typing import Any

from scope_widgets.traces.trace import Trace


class PendingTrace(Trace):
    """A trace that is still being recorded; `become` turns it into an ordinary `Trace`."""

    def __init__(self) -> None:
        pass

    def become(self, trace: Trace) -> None:
        """Become `trace`: take over all its fields, and the class."""
        vars(self).update(vars(trace))
        object.__setattr__(self, "__class__", Trace)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        raise ValueError("This trace is ready when the `with scope.watch()` block has ended.")

    def __repr__(self) -> str:
        """Say that it is still being recorded."""
        return "Trace(being watched)"
