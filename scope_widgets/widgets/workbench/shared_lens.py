"""The lens of a workbench's prompt: shown by one pane, and what says which tokens the others compare."""

from __future__ import annotations

from typing import Any

from scope_widgets._job import Steps
from scope_widgets.lens.logit_lens import LogitLens, logit_lens
from scope_widgets.models.remote_dispatch import submit


class SharedLens:
    """Makes the lens of a trace once for all panes that ask for it one after the other."""

    def __init__(self) -> None:
        self._latest: tuple[Any, LogitLens] | None = None

    def of(self, trace: Any) -> Steps[LogitLens]:
        """Return the lens of a trace."""
        if self._latest is None or self._latest[0] is not trace:
            self._latest = trace, (yield from submit(logit_lens, trace).follow())
        return self._latest[1]

    def most_probable(self, trace: Any) -> Steps[dict[str, Any]]:
        """Return the two most probable next tokens, as `answer` and `versus`."""
        lens = yield from self.of(trace)
        answer, versus = map(int, lens.top_ids[-1, -1, :2])
        return {"answer": answer, "versus": versus}
