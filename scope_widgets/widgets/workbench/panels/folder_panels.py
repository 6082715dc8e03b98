"""Panels of what lies in the workspace: a report, and the runs below a folder."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import replace
from html import escape
from importlib import import_module
from pathlib import Path
from typing import Any

from scope_widgets import evals, report, tracking
from scope_widgets._bar_steps import steps_of_bars
from scope_widgets._job import JobStatus, Steps
from scope_widgets._untrusted import opening
from scope_widgets.evals.tracked import note_metrics
from scope_widgets.report.documentation import FILE
from scope_widgets.tracking.runs import fingerprint
from scope_widgets.widgets.workbench.panels.followed_page import FollowedPage
from scope_widgets.widgets.workbench.panels.framed_page import FramedPage
from scope_widgets.widgets.workbench.panels.panel_prompt import Prompt

#: what the buttons say that have a report written, and a run left
DOCUMENT, MEASURE = "Document this model", "Measure this model"
#: rows and columns of runs that are shown, and characters of a cell
MOST_RUNS = 500
MOST_COLUMNS = 40
_CELL = 200
#: folders that are named where another one was asked for
_NAMED = 20

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Runs</title><style>
body {{ margin: 0; font: 12px/16px system-ui, sans-serif; }}
table {{ border-collapse: collapse; font-variant-numeric: tabular-nums; }}
th, td {{ padding: 2px 12px 2px 0; text-align: left; vertical-align: top; border-bottom: 1px solid #8884; }}
td {{ white-space: nowrap; max-width: 40ch; overflow: hidden; text-overflow: ellipsis; }}
th {{ position: sticky; top: 0; background: Canvas; }}
</style></head><body>{body}</body></html>
"""


def make_report(prompt: Prompt, options: dict[str, Any]) -> Steps[Any]:
    """Show the documentation of a folder in the workspace: score, entries with their evidence, architecture.

    With the option "make" the model is documented there first, where it is not yet; one that was stopped goes on.

    Raises
    ------
    ValueError
        Where there is none, or it is damaged.
    """
    yield JobStatus("running", "reading the report")
    name = str(options["folder"]).strip()
    folder = prompt.folder(name, is_new=True)
    if options["make"] and not (folder / FILE).is_file():
        yield from prompt.in_turn(steps_of_bars(lambda: report.analyse(prompt.scope, folder), "Looking at the model"))
    try:
        found = report.Documentation.load(folder)
    except FileNotFoundError:
        raise ValueError(f"There is no report in {opening(name)}. {_reports(prompt)}") from None
    table_rows = import_module("scope_widgets.report.pages.table_rows")
    # its figures are views with scripts, which a frame does not run
    page = import_module("scope_widgets.report.pages.html").to_html(replace(found, figures=()))
    rows = [[entry.status, entry.behaviour, entry.kind, table_rows.claim(entry)] for entry in found.entries]
    made_by = f"from scope_widgets import report\n\nreport.Documentation.load({folder.name!r})\n"
    return FramedPage(
        page,
        (["status", "behaviour", "kind", "claim"], rows),
        title=f"Report, {found.model_id}, {len(rows)} entries",
        made_by=made_by,
        selection=prompt.selection,
    )


def make_runs(prompt: Prompt, options: dict[str, Any]) -> Steps[Any]:
    """Show the runs in and below a folder of the workspace, the last begun first, as they come and change.

    With the option "make" the model is measured first, which leaves one.

    Raises
    ------
    ValueError, FileNotFoundError
        Where there is no such folder.
    """
    yield JobStatus("running", "reading the runs")
    folder = prompt.folder(str(options["folder"]).strip(), is_new=options["make"])
    if options["make"]:
        yield from prompt.in_turn(steps_of_bars(lambda: _measure(prompt.scope, folder), "Measuring the model"))
    before = fingerprint(folder)  # what is written while the runs are read is read once more
    none = f"<p>There are no runs here. “{MEASURE}”, under Options, leaves one; so does</p>"
    none += f"<p><code>{escape(_command(prompt, 'analysis'))}</code></p>"
    shown = _shown_runs(folder, none)
    view = FollowedPage(
        shown["document"],
        shown["table"],
        title=shown["title"],
        made_by=f"from scope_widgets import tracking\n\ntracking.runs({folder.name!r})\n",
        selection=prompt.selection,
    )
    view.follow_files(lambda: fingerprint(folder), lambda: _shown_runs(folder, none), before)
    return view


def _measure(scope: Any, folder: Path) -> None:
    """Measure a model on the suites of the package, and leave a run with what was found."""
    found = evals.run(scope)
    n = len([*folder.glob("evals-*")]) + 1
    # only now: a training that goes on meanwhile would note its measures in a run that is open
    with tracking.run(folder / f"evals-{n:03d}", config={"model": scope.model_id}):
        note_metrics({one.name: one.value for one in found.tasks})


def _shown_runs(folder: Path, none: str) -> dict[str, Any]:
    """Return what a panel of runs shows: its document, table and title; `none` is HTML where there are no runs."""
    frame = tracking.runs(folder)
    columns = list(frame.columns)[:MOST_COLUMNS]
    rows = [[_text(one) for one in row] for row in frame[columns].head(MOST_RUNS).itertuples(index=False)]
    more = f"<p>{len(frame) - len(rows):,} more runs are not shown.</p>" if len(frame) > len(rows) else ""
    body = f"{_table(columns, rows)}{more}" if rows else none
    title = f"Runs in {folder.name}, {len(frame):,}"
    return {"document": _PAGE.format(body=body), "table": (columns, rows), "title": title}


def _reports(prompt: Prompt) -> str:
    """Return where reports are, and what writes one."""
    there = sorted(path.parent.name for path in prompt.folder("").glob(f"*/{FILE}"))[:_NAMED]
    others = f"There are reports in {', '.join(there)}. " if there else ""
    command = _command(prompt, "report")
    return f"{others}This command writes one, with much else:\n{command}\n“{DOCUMENT}” writes one here, in minutes."


def _command(prompt: Prompt, folder: str) -> str:
    out = shlex.quote(f"{prompt.folder('').name}/{folder}")
    return f"microscope analyze --model {shlex.quote(str(prompt.scope.model_id))} --out {out}"


def _text(value: Any) -> str:
    if value is None or value != value:
        return ""
    if isinstance(value, float):
        return f"{value:.5g}"
    return str(value)[:_CELL]


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    head = "".join(f"<th>{escape(str(cell))}</th>" for cell in header)
    body = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
