"""What a writer gave as JSON data, and back: so that a run that was stopped need not look again."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from scope_widgets.report.entries.entry import Entry
from scope_widgets.report.figures import KINDS, Figure
from scope_widgets.report.writers.written import Written


def to_data(written: Written) -> dict[str, Any]:
    """Return what a writer gave as what JSON knows."""
    return {
        "entries": [entry.untested().to_data() for entry in written.entries],
        "seen": list(written.seen),
        "figures": [
            {
                "heading": one.heading,
                "text": one.text,
                "kind": type(one.result).__name__,
                "result": one.result.to_json(),
            }
            for one in written.figures
        ],
        "reason": written.reason,
    }


def from_data(data: dict[str, Any]) -> Written:
    """Return what `to_data` made of it."""
    figures = [
        Figure(
            one["heading"],
            one["text"],
            getattr(import_module(KINDS[one["kind"]]), one["kind"]).from_json(one["result"]),
        )
        for one in data["figures"]
    ]
    return Written(
        tuple(Entry.from_data(one) for one in data["entries"]), tuple(data["seen"]), tuple(figures), data["reason"]
    )
