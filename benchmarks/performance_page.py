"""docs/performance.md: the table of all figures, between two marks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

PAGE = Path(__file__).parents[1] / "docs" / "performance.md"
BEGIN, END = "<!-- figures -->", "<!-- end of figures -->"


def write(figures: list[dict[str, Any]]) -> None:
    """Put the figures of results.json into the page, in place of those that are there."""
    text = PAGE.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text("\n".join([before + BEGIN, "", *table(figures), "", END + after]), encoding="utf-8")


def table(figures: list[dict[str, Any]]) -> list[str]:
    """Return the lines of the table: what was measured, what it should be, and on what it was measured."""
    rows = ["| what | measured | target | met | on |", "|---|---|---|---|---|"]
    for one in figures:
        target = met = ""
        if one["target"] is not None:
            target = f"{'≥' if one['better'] == 'higher' else '≤'} {one['target']:g}"
            met = "yes" if one["met"] else "**no**"
        machine = one["machine"]
        on = f"{machine.get('processor', '')}, {machine.get('cores', '?')} cores"
        name = one["name"].replace("|", "/")
        value = f"{one['value']:.3g} {one['unit']}".rstrip()
        rows.append(f"| {name} | {value} | {target} | {met} | {on} |")
    return rows
