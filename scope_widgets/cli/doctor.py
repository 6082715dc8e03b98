"""`microscope doctor`: what is installed, what a host needs, what is slow and why."""

from __future__ import annotations

import argparse
import json
import textwrap
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from scope_widgets._version import __version__

if TYPE_CHECKING:
    from scope_widgets.cli.installation import Finding


def add_parser(commands: Any) -> None:
    """Add the command to the subparsers of `microscope`."""
    parser = commands.add_parser(
        "doctor",
        help="say what is installed, what notebooks need to show views, what is slow and why",
        description="Exit status 1 where something is missing without which this package does not work.",
    )
    parser.add_argument("--json", action="store_true", help="write it as JSON, for programs and reports of problems")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    from scope_widgets.cli.installation import hosts, packages, speed  # seconds: torch

    rooms = {"packages": packages(), "speed": speed(), "hosts": hosts()}
    missing = [one.about for found in rooms.values() for one in found if one.state == "missing"]
    if options.json:
        found = {name: [asdict(one) for one in found] for name, found in rooms.items()}
        print(json.dumps({"version": __version__, "works": not missing, **found}, indent=1))
    else:
        print("\n\n".join(f"{name.capitalize()}\n{_lines(found)}" for name, found in rooms.items()))
    if missing:
        raise RuntimeError(f"{', '.join(missing)}: without this not everything works; what to do stands above.")


def _lines(found: list[Finding]) -> str:
    """Return a line for each, and beneath it what to do."""
    lines = []
    for one in found:
        lines.append(f"  {one.state:<7} {one.about}: {one.found}")
        if one.do:
            lines.append(textwrap.indent(textwrap.fill(one.do, 100), " " * 10))
    return "\n".join(lines)
