"""`microscope completion bash`: what completes the command line in a shell."""

from __future__ import annotations

import argparse
from typing import Any

from scope_widgets.cli.conventions import schema
from scope_widgets.cli.conventions.answer import Answer
from scope_widgets.cli.conventions.command_parser import CommandParser, add_command

EXAMPLE = "microscope completion bash"
SHELLS = ("bash", "zsh", "fish")
ANSWER = {"shell": schema.text("bash, zsh or fish"), "script": schema.text("what the shell is to read")}


def add_parser(commands: Any) -> None:
    """Add the command to the subparsers of `microscope`."""
    parser = add_command(
        commands,
        "completion",
        lambda options: _run(options, commands.choices),
        help="print the script that completes commands and options in bash, zsh or fish",
        description="In ~/.bashrc: source <(microscope completion bash). In ~/.zshrc, after compinit: source "
        "<(microscope completion zsh). In fish: microscope completion fish | source.",
        example=EXAMPLE,
        answer=ANSWER,
    )
    parser.add_argument("shell", choices=SHELLS, help="bash, zsh or fish")


def _run(options: argparse.Namespace, commands: dict[str, CommandParser]) -> Answer:
    from scope_widgets.cli.conventions.shell_completion import script

    text = script(options.shell, commands)
    return Answer({"shell": options.shell, "script": text}, text.rstrip("\n"))
