"""The parser of a command: one page of help with an example, errors of one line, and what its JSON holds."""

from __future__ import annotations

import argparse
import re
import textwrap
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from scope_widgets.cli.conventions.answer import Answer

#: what a command does; None where it has written all there is to say, as a server does
Run = Callable[[argparse.Namespace], "Answer | None"]


class UsageError(ValueError):
    """What was asked for cannot be, which is seen before any work: exit status 2."""


class CommandParser(argparse.ArgumentParser):
    """A parser that takes no abbreviations, and says what is wrong in one line.

    Attributes
    ----------
    about : str
        What the command does, in a line.
    example : str
        A command line that works as it is; it ends the help.
    answer : mapping of str to JSON schema
        The fields of its object of `--json`, beside those of all commands.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **{"allow_abbrev": False, "formatter_class": _Help, **options})
        self.about = self.example = ""
        self.answer: Mapping[str, Any] = {}

    def error(self, message: str) -> NoReturn:
        """Say it on stderr, and end with status 2."""
        said = re.sub(r"^argument (\S+): it is ", r"\1 is ", message).rstrip(".")
        self.exit(2, f"{self.prog}: {said}. {self.prog} --help says what it takes.\n")


def add_command(
    commands: Any, name: str, run: Run, *, help: str, description: str, example: str, answer: Mapping[str, Any]
) -> CommandParser:
    """Add a command to the subparsers of `microscope`, with the options that all have, and return its parser.

    Parameters
    ----------
    commands
        What `add_subparsers` returned.
    name : str
    run : callable
        Is given the parsed options and returns an `Answer`.
    help, description : str
        What it does, in a line; and what stands behind it on the command's own page, in a few sentences.
    example : str
        A command line that works as it is, the last line of that page.
    answer : mapping of str to JSON schema
        Fields of the object of `--json`.
    """
    whole = textwrap.fill(f"{help[0].upper()}{help[1:]}. {description}", 100)
    parser: CommandParser = commands.add_parser(name, help=help, description=whole, epilog=f"Example:\n  {example}")
    parser.about, parser.example, parser.answer = help, example, answer
    parser.set_defaults(run=run)
    common = parser.add_argument_group("options of all commands")
    common.add_argument("--json", action="store_true", help="print one JSON object in place of text")
    common.add_argument("--quiet", action="store_true", help="no progress, no warnings")
    common.add_argument("--config", type=Path, metavar="FILE.toml", help="options in a file; flags come before it")
    return parser


class _Help(argparse.RawDescriptionHelpFormatter):
    """Says the default of an option where its own words do not."""

    def _get_help_string(self, action: argparse.Action) -> str:
        said, default = action.help or "", action.default
        unsaid = default is None or default is False or default in (argparse.SUPPRESS, [])
        if unsaid or "default" in said or not action.option_strings:
            return said
        return f"{said} (default: {default_text(default)})"


def default_text(default: Any) -> str:
    """Return the default of an option as it would be typed; percents are doubled, as argparse wants them.

    Examples
    --------
    >>> default_text([16, 32]), default_text("demo")
    ('16 32', 'demo')
    """
    many = isinstance(default, Sequence) and not isinstance(default, str)
    return (" ".join(map(str, default)) if many else str(default)).replace("%", "%%")
