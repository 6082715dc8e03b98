"""A documentation as one HTML page that needs no network: figures are live views, each claim opens its evidence."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape
from importlib import import_module
from typing import TYPE_CHECKING

from scope_widgets.report.pages import table_rows

if TYPE_CHECKING:
    from scope_widgets.report.documentation import Documentation
    from scope_widgets.report.entries.entry import Entry
    from scope_widgets.report.figures import Figure

STYLE = """<style>
h1 { font-size: 20px; line-height: 28px; margin: 0 0 8px; }
section { margin: 0 0 32px; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; margin: 4px 0 12px; }
th, td { padding: 2px 12px 2px 0; text-align: left; vertical-align: top; border-bottom: 1px solid #8884; }
th, td.number { white-space: nowrap; }
th.number, td.number { text-align: right; }
td.words { min-width: 24ch; }
h3 { font-size: 13px; line-height: 20px; margin: 12px 0 0; }
.lead { font-size: 14px; line-height: 20px; max-width: 80ch; }
.about { opacity: 0.75; }
details { border-bottom: 1px solid #8884; padding: 4px 0; }
summary { cursor: pointer; font-size: 13px; line-height: 20px; }
summary:hover { background: #8882; }
details[open] { padding-bottom: 12px; }
summary:focus-visible { outline: 2px solid #2f6fde; outline-offset: 2px; }
.status { display: inline-block; min-width: 8ch; font-weight: 600; }
.rejected, .untested { color: #8a5a00; }
.wide { overflow-x: auto; }
@media screen and (prefers-color-scheme: dark) { .rejected, .untested { color: #d9a441; } }
@media print { details > * { display: block; } }
</style>"""

#: what stands on the right and in one line: 0.5, 3e-05, 0.1 to 0.9, 40 of 479
_NUMBER = re.compile(r"-?[\d.,]+(e-?\d+)?( (to|of) -?[\d.,]+(e-?\d+)?)?")
#: characters from which on a cell is a sentence, which needs some width
_LONG = 24
#: nothing may be fetched or run: of a page without views
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def to_html(documentation: Documentation) -> str:
    """Return the text of the page. All that entries, models and prompts say is escaped."""
    title = f"{documentation.model_id}: documentation"
    above = "\n".join([STYLE, *_above(documentation)])
    return page_of(title, above, documentation.figures)


def page_of(title: str, above: str, figures: Sequence[Figure]) -> str:
    """Return a page with the views of figures; `above` is HTML in which what others wrote is escaped already."""
    if not figures:
        return (
            '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n'
            f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
            f"<title>{escape(title)}</title><style>:root {{ color-scheme: light dark; }}"
            "body { margin: 16px auto; max-width: 1400px; padding: 0 16px; font: 12px/16px system-ui, sans-serif; }"
            f"</style></head><body>\n{above}\n</body></html>\n"
        )
    # the widgets are a floor above: named by a string, as results name their views
    saved_page = import_module("scope_widgets.widgets.core.saved_page")
    headings = [(figure.heading, figure.text) for figure in figures]
    page: str = saved_page.page([figure.result for figure in figures], headings, above=above, title=title)
    return page


def _above(documentation: Documentation) -> list[str]:
    lines = "<br>".join(escape(line) for line in documentation.provenance.lines())
    parts = [
        f"<section><h1>{escape(documentation.model_id)}: what is documented of it</h1>",
        f'<p class="lead">{escape(table_rows.headline(documentation))}</p><p class="about">{lines}</p></section>',
    ]
    if rows := table_rows.scores(documentation):
        parts.append(f"<section><h2>Score</h2>{table(table_rows.SCORES, rows)}</section>")
    for status, heading in (("verified", "Verified"), ("rejected", "Rejected"), ("untested", "Not tested")):
        entries = [entry for entry in documentation.entries if entry.status == status]
        if entries:
            parts.append(f"<section><h2>{heading}: {len(entries):,}</h2>{_by_behaviour(entries)}</section>")
    if rows := table_rows.facts(documentation):
        parts.append(f"<section><h2>Architecture</h2>{table(table_rows.FACTS, rows)}</section>")
    return parts


def _by_behaviour(entries: Sequence[Entry]) -> str:
    groups: dict[str, list[Entry]] = {}
    for entry in entries:
        groups.setdefault(entry.behaviour, []).append(entry)
    return "".join(
        f"<h3>{escape(name)}: {len(some):,}</h3>{''.join(map(_entry, some))}" for name, some in groups.items()
    )


def _entry(entry: Entry) -> str:
    """Return a claim that opens its evidence."""
    said = (
        f'<summary><span class="status {entry.status}">{entry.status}</span> '
        f"{escape(entry.kind)} {escape(table_rows.claim(entry))}</summary>"
    )
    texts = [entry.reason, f"Note: {entry.note}" if entry.note else "", f"Group: {entry.group}" if entry.group else ""]
    paragraphs = "".join(f"<p>{escape(text)}</p>" for text in texts if text)
    tests = table(table_rows.EVIDENCE, table_rows.evidence(entry)) if entry.evidence else "<p>No test was made.</p>"
    put = "".join(f"<li>{escape(one.test)}: {escape(one.ablation)}; seed {one.seed}</li>" for one in entry.evidence)
    return f'<details id="{escape(entry.id)}">{said}{paragraphs}{tests}<ul>{put}</ul></details>'


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table; columns of numbers stand on the right, and sentences get some width."""
    numbers = [all(not cell or _NUMBER.fullmatch(cell) for cell in column) for column in zip(*rows, strict=True)]
    kinds = [
        "number" if one else "words" if any(len(row[at]) > _LONG for row in rows) else ""
        for at, one in enumerate(numbers)
    ]
    head = "".join(_cell("th", kind, cell) for kind, cell in zip(kinds, header, strict=True))
    body = "".join(
        f"<tr>{''.join(_cell('td', kind, cell) for kind, cell in zip(kinds, row, strict=True))}</tr>" for row in rows
    )
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _cell(tag: str, kind: str, text: str) -> str:
    return f'<{tag} class="{kind}">{escape(text)}</{tag}>' if kind else f"<{tag}>{escape(text)}</{tag}>"
