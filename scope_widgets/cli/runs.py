"""`microscope runs [FOLDER]`: the runs below a folder, and how they ended."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

#: columns of the table that is printed; --json has all
_SHOWN = ("name", "status", "begun", "seconds", "events")


def add_parser(commands: Any) -> None:
    """Add the command to the subparsers of `microscope`."""
    parser = commands.add_parser(
        "runs",
        help="list the runs in and below a folder: running, done, failed or killed, and what they logged last",
        description="Runs are folders that tracking.run(folder) wrote.",
    )
    parser.add_argument("folder", nargs="?", type=Path, default=Path("."), help="by default this one")
    parser.add_argument("--json", action="store_true", help="an object with a list of runs, all columns of each")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    from scope_widgets import tracking

    table = tracking.runs(options.folder)
    if options.json:
        rows = json.loads(table.to_json(orient="records", double_precision=15))
        print(json.dumps({"runs": rows}))
        return
    if not len(table):
        print(f"No run in or below {options.folder}.")
        return
    measured = [name for name in table.columns[7:] if not name.startswith("config.")][:4]
    shown = table[[*_SHOWN, *measured]].copy()
    shown["name"] = [
        one if one == Path(folder).name else f"{one} ({folder})"
        for one, folder in zip(table["name"], table["folder"], strict=True)
    ]
    shown["seconds"] = [f"{one:,.0f}" if one == one else "" for one in shown["seconds"]]
    shown["begun"] = [(one or "")[:19].replace("T", " ") for one in shown["begun"]]
    print(shown.to_string(index=False, na_rep="", float_format="{:.4g}".format))
    for _, row in table[table["error"] != ""].iterrows():
        print(f"{row['name']}: {row['status']}, {row['error']}")
