"""A documentation as Markdown; and its summary, which is a screen long."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from scope_widgets.report.pages import table_rows

if TYPE_CHECKING:
    from scope_widgets.report.documentation import Documentation

#: what Markdown, or the HTML in it, would take for more than text
_SPECIAL = re.compile(r"([\\`*_{}\[\]()#+!|<>~&$])")


def to_markdown(documentation: Documentation) -> str:
    """Return the score, the facts, and every entry with its evidence, rejected ones too."""
    made = documentation.provenance
    parts = [
        f"# {_text(documentation.model_id)}",
        "",
        table_rows.headline(documentation),
        "",
        *(f"- {_text(line)}" for line in made.lines()),
        "",
    ]
    if rows := table_rows.scores(documentation):
        parts += ["## Score", "", *_table(table_rows.SCORES, rows), ""]
    if rows := table_rows.facts(documentation):
        parts += ["## Architecture", "", *_table(table_rows.FACTS, rows), ""]
    for status, heading in (("verified", "Verified"), ("rejected", "Rejected"), ("untested", "Not tested")):
        entries = [entry for entry in documentation.entries if entry.status == status]
        if not entries:
            continue
        parts += [f"## {heading}: {len(entries):,}", ""]
        for entry in entries:
            parts += [f"### {_text(entry.id)}", "", _text(table_rows.claim(entry)), ""]
            if entry.note:
                parts += [f"Note: {_text(entry.note)}", ""]
            if entry.reason:
                parts += [_text(entry.reason), ""]
            if entry.evidence:
                parts += [*_table(table_rows.EVIDENCE, table_rows.evidence(entry)), ""]
    return "\n".join(parts).rstrip() + "\n"


def summary(documentation: Documentation) -> str:
    """Return what a screen holds: the score, how many entries have which status, and what was verified.

    Examples
    --------
    >>> from scope_widgets import report
    >>> report.summary(report.document(scope, [])).splitlines()[:3]
    ['# demo', '', 'Not verified: nothing here has been tested.']
    """
    counts = ", ".join(f"{len(documentation.of(one)):,} {one}" for one in ("verified", "rejected", "untested"))
    parts = [
        f"# {_text(documentation.model_id)}",
        "",
        table_rows.headline(documentation),
        "",
        f"Entries: {counts}.",
        "",
    ]
    if rows := table_rows.scores(documentation):
        parts += [*_table(table_rows.SCORES, rows), ""]
    verified = documentation.of("verified")
    parts += [f"- {_text(entry.behaviour)}: {_text(table_rows.claim(entry))}" for entry in verified]
    return "\n".join(parts).rstrip() + "\n"


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [header, ["---"] * len(header), *([_text(cell) for cell in row] for row in rows)]
    return [f"| {' | '.join(line)} |" for line in lines]


def _text(text: str) -> str:
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))
