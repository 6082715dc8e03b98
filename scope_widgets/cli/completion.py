"""`microscope completion bash`: what completes the command line in a shell."""

from __future__ import annotations

import argparse
from typing import Any

from scope_widgets.cli.conventions import schema
from scope_widgets.cli.conventions.answer import Answer
from scope_widgets.cli.conventions.command_parser import add_command

EXAMPLE = "microscope completion bash"
SHELLS = ("bash", "zsh", "fish")
ANSWER = {"shell": schema.text("bash, zsh or fish"), "script": schema.text("what the shell is to read")}


def add_parser(commands: Any) -> None:
    """Add the command to the subparsers of `microscope`."""
    parser = add_command(
        commands,
        "completion",
        _run,
        help="print the script that completes commands and options in bash, zsh or fish",
        description="In ~/.bashrc: source <(microscope completion bash). In ~/.zshrc, after compinit: source "
        "<(microscope completion zsh). In fish: microscope completion fish | source.",
        example=EXAMPLE,
        answer=ANSWER,
    )
    parser.add_argument("shell", choices=SHELLS, help="bash, zsh or fish")


def _run(options: argparse.Namespace) -> Answer:
    from scope_widgets.cli.command_line import make_parser  # which imports this module
    from scope_widgets.cli.conventions.shell_completion import script

    text = script(options.shell, make_parser()[1])
    return Answer({"shell": options.shell, "script": text}, text.rstrip("\n"))
