"""`microscope doctor`: what is installed, what a host needs, what is slow and why."""

from __future__ import annotations

import argparse
import textwrap
from typing import TYPE_CHECKING, Any

from scope_widgets.cli.conventions import schema
from scope_widgets.cli.conventions.answer import Answer
from scope_widgets.cli.conventions.command_parser import add_command

if TYPE_CHECKING:
    from scope_widgets.cli.installation import Finding

EXAMPLE = "microscope doctor"
_FOUND = ("about", "state", "found", "do")
ANSWER = {
    "works": schema.truth("whether nothing is missing"),
    "packages": schema.table("Python, packages and extras", *_FOUND),
    "speed": schema.table("compiled modules, threads, devices", *_FOUND),
    "hosts": schema.table("what shows views: Jupyter, VS Code, marimo", *_FOUND),
}


def add_parser(commands: Any) -> None:
    """Add the command to the subparsers of `microscope`."""
    add_command(
        commands,
        "doctor",
        _run,
        help="say what is installed, what notebooks need to show views, what is slow and why",
        description="Exit status 1 where something is missing without which this package does not work.",
        example=EXAMPLE,
        answer=ANSWER,
    )


def _run(options: argparse.Namespace) -> Answer:
    from dataclasses import asdict

    from scope_widgets.cli.installation import hosts, packages, speed  # seconds: torch

    rooms = {"packages": packages(), "speed": speed(), "hosts": hosts()}
    missing = [one.about for found in rooms.values() for one in found if one.state == "missing"]
    fields = {name: [asdict(one) for one in found] for name, found in rooms.items()}
    failed = f"{', '.join(missing)}: without this not everything works; what to do stands above." if missing else ""
    text = "\n\n".join(f"{name.capitalize()}\n{_lines(found)}" for name, found in rooms.items())
    return Answer({"works": not missing, **fields}, text, failed)


def _lines(found: list[Finding]) -> str:
    """Return a line for each, and beneath it what to do."""
    lines = []
    for one in found:
        lines.append(f"  {one.state:<7} {one.about}: {one.found}")
        if one.do:
            lines.append(textwrap.indent(textwrap.fill(one.do, 100), " " * 10))
    return "\n".join(lines)
