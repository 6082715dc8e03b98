"""report.html: all that was found on one page without network, with live views."""

from __future__ import annotations

import csv
from html import escape
from pathlib import Path
from typing import Any

from scope_widgets._files import write_text
from scope_widgets._result import Result
from scope_widgets.experiments.circuit.circuit import Circuit
from scope_widgets.heads.head_scores import HeadScores
from scope_widgets.ioi.detection.result import IOIResult
from scope_widgets.report.documentation import Documentation
from scope_widgets.report.figures import Figure
from scope_widgets.report.pages import table_rows
from scope_widgets.report.pages.html import STYLE, page_of, table
from scope_widgets.report.pipeline.manifest import Manifest
from scope_widgets.report.pipeline.stage import Context, Stage

#: files that are shown as views, by their names from the folder
_VIEWS: tuple[tuple[str, Any, str, str], ...] = (
    ("heads/scores.json", HeadScores, "Heads on the texts", "Where heads attend, on average."),
    ("heads/repeated_tokens.json", HeadScores, "Heads on repeated tokens", "Random tokens that come again."),
    ("heads/ioi.json", IOIResult, "Heads of indirect-object identification", "Named by what they cause."),
)


def _run(given: Context) -> list[str]:
    out = given.out
    documentation = Documentation.load(out)
    manifest = Manifest.read(out)
    assert manifest is not None
    title = f"{given.scope.model_id}: analysis"
    lines = "<br>".join(escape(line) for line in documentation.provenance.lines())
    parts = [
        f"{STYLE}<section><h1>{escape(given.scope.model_id)}</h1><p>{escape(table_rows.headline(documentation))}</p>"
        f'<p><a href="documentation.html">Entries with their evidence</a></p><p>{lines}</p></section>',
        _section("Documentation", table(table_rows.SCORES, table_rows.scores(documentation))),
        _section("Geometry of activations", _csv(out / "geometry" / "geometry.csv")),
    ]
    # in their order and without those of a run before: what the page says depends on no history
    stages = {name: manifest.stages[name] for name in STAGE.inputs if name not in given.settings.left_out}
    if "evals" in stages:
        parts.append(_section("Evaluations", _csv(out / "evals" / "evals.csv")))
    notes = [(name, note) for name, one in stages.items() for note in one.notes if note]
    parts.append(_section("Notes", table(("stage", ""), notes)))
    facts = table_rows.facts(documentation)
    parts.append(_section("Architecture", table(table_rows.FACTS, facts)))
    write_text(given.work / "report.html", page_of(title, "\n".join(parts), _figures(out, given.settings.tasks)))
    return []


def _figures(out: Path, tasks: tuple[str, ...]) -> list[Figure]:
    found = []
    for name, kind, heading, text in _VIEWS:
        if (out / name).is_file():
            result: Result = kind.from_json((out / name).read_text("utf-8"))
            found.append(Figure(heading, text, result))
    for task in tasks:
        if (path := out / "circuits" / task / "circuit.json").is_file():
            circuit = Circuit.from_json(path.read_text("utf-8"))
            if circuit.n_edges:
                found.append(Figure(f"Circuit of {task}", circuit.provenance.note, circuit))
    return found


def _section(heading: str, body: str) -> str:
    return f"<section><h2>{escape(heading)}</h2>{body}</section>"


def _csv(path: Path) -> str:
    """Return a table that another stage wrote."""
    with path.open(encoding="utf-8", newline="") as file:
        header, *rows = list(csv.reader(file))
    return table(header, [[_short(cell) for cell in row] for row in rows])


def _short(cell: str) -> str:
    try:
        return table_rows.number(float(cell))
    except ValueError:
        return cell


STAGE = Stage(
    "report",
    _run,
    options=("tasks",),
    inputs=("architecture", "recording", "geometry", "saes", "heads", "circuits", "documentation", "evals"),
)
