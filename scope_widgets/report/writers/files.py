"""What a writer gave as JSON data, and back: so that a run that was stopped need not look again."""

from __future__ import annotations

from typing import Any

from scope_widgets.report.entries.entry import Entry
from scope_widgets.report.figures import Figure
from scope_widgets.report.writers.written import Written


def to_data(written: Written) -> dict[str, Any]:
    """Return what a writer gave as what JSON knows."""
    return {
        "entries": [entry.untested().to_data() for entry in written.entries],
        "seen": list(written.seen),
        "figures": [one.to_data() for one in written.figures],
        "reason": written.reason,
    }


def from_data(data: dict[str, Any]) -> Written:
    """Return what `to_data` made of it."""
    entries, figures = map(Entry.from_data, data["entries"]), map(Figure.from_data, data["figures"])
    return Written(tuple(entries), tuple(data["seen"]), tuple(figures), data["reason"])
