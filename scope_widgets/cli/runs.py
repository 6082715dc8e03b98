"""`microscope runs [FOLDER]`: the runs below a folder, and how they ended."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from scope_widgets.cli.conventions import schema
from scope_widgets.cli.conventions.answer import Answer, shown
from scope_widgets.cli.conventions.command_parser import add_command

EXAMPLE = "microscope runs ."
ANSWER = {
    "runs": schema.table(
        "a row a run; last values of what was logged beside, and settings as config.NAME", "name", "status", "folder"
    )
}

#: columns of the table that is printed; --json has all
_SHOWN = ("name", "status", "begun", "seconds", "events")


def add_parser(commands: Any) -> None:
    """Add the command to the subparsers of `microscope`."""
    parser = add_command(
        commands,
        "runs",
        _run,
        help="list the runs in and below a folder: running, done, failed or killed, and what they logged last",
        description="Runs are folders that tracking.run(folder) wrote.",
        example=EXAMPLE,
        answer=ANSWER,
    )
    parser.add_argument("folder", nargs="?", type=Path, default=Path("."), help="by default this one")


def _run(options: argparse.Namespace) -> Answer:
    import json

    from scope_widgets import tracking

    table = tracking.runs(options.folder)
    fields = {"runs": json.loads(table.to_json(orient="records", double_precision=15))}
    if not len(table):
        return Answer(fields, f"No run in or below {options.folder}.")
    measured = [name for name in table.columns[7:] if not name.startswith("config.")][:4]
    said = table[[*_SHOWN, *measured]].copy()
    said["name"] = [
        one if one == Path(folder).name else f"{one} ({folder})"
        for one, folder in zip(table["name"], table["folder"], strict=True)
    ]
    said["seconds"] = [f"{one:,.0f}" if one == one else "" for one in said["seconds"]]
    said["begun"] = [(one or "")[:19].replace("T", " ") for one in said["begun"]]
    failed = table[table["error"] != ""].iterrows()
    return Answer(
        fields, "\n".join([shown(said), *(f"{row['name']}: {row['status']}, {row['error']}" for _, row in failed)])
    )
