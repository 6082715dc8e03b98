"""`main`: the commands of `microscope`, what they print, and how they end."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from scope_widgets._error_index import see
from scope_widgets._version import __version__
from scope_widgets.cli import (
    analyze,
    bench,
    circuits,
    completion,
    doctor,
    eval,
    evals,
    features,
    heads,
    index,
    ioi,
    patch,
    runs,
    steer,
    trace,
    train,
    ui,
)
from scope_widgets.cli.conventions.answer import Answer, printable
from scope_widgets.cli.conventions.command_parser import CommandParser, UsageError
from scope_widgets.cli.conventions.dry_run import dry_run
from scope_widgets.cli.conventions.progress import progress
from scope_widgets.cli.conventions.settings import take_settings

#: modules with `add_parser(commands)`, which names the function to run
_COMMANDS = (
    *(trace, heads, ioi, patch, circuits, steer),
    *(train, eval, index, features),
    *(analyze, evals, runs, ui, bench, doctor, completion),
)

_ABOUT = "See, touch and change what happens inside a language model."
_MORE = """\
microscope COMMAND --help is the page of a command. Results are on stdout, or with --json one object; progress is on
stderr. Options come from flags, from MICROSCOPE_MODEL and the like, or from --config FILE.toml, in this order.
Exit status: 0; 1 where something failed; 2 for what cannot be asked; 130 after Ctrl-C, with what was done kept."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; what goes wrong is one sentence on stderr.

    Parameters
    ----------
    arguments : sequence of str, optional
        Those of the process by default.

    Returns
    -------
    int
        The exit status: 0, 1 where something failed, 2 for what cannot be asked for, 130 where Ctrl-C ended it.
    """
    options: argparse.Namespace | None = None
    if arguments is None:
        arguments = sys.argv[1:]
        sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # a console may know few letters
    try:
        options = _parse(list(arguments))
        with progress(getattr(options, "quiet", False)):
            answer = dry_run(options) or options.run(options)
            return _print(options, answer)
    except SystemExit as end:  # of argparse, which has said why
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except UsageError as error:
        return _say(f"microscope: {error}", 2)
    except BrokenPipeError:
        _drop_stdout()
        return 0
    except (ValueError, TypeError, LookupError, OSError, MemoryError, RuntimeError, ImportError) as error:
        return _say(f"microscope: {error or type(error).__name__} {see(error)}", 1)
    except KeyboardInterrupt as interrupt:
        return _say(f"microscope: {_of_interrupt(interrupt, options)}", 130)


def make_parser() -> tuple[CommandParser, dict[str, CommandParser]]:
    """Return the parser of `microscope`, and those of its commands by their names."""
    parser = CommandParser(prog="microscope", description=_ABOUT, epilog=_MORE)
    parser.add_argument("--version", action="version", version=f"microscope {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", title="commands")
    for command in _COMMANDS:
        command.add_parser(commands)
    return parser, dict(commands.choices)


def _parse(given: list[str]) -> argparse.Namespace:
    parser, commands = make_parser()
    if given and given[0] in commands:
        take_settings(given[0], commands, given[1:])
    return parser.parse_args(given)


def _print(options: argparse.Namespace, answer: Answer | None) -> int:
    if answer is None:
        return 0
    if getattr(options, "json", False):
        print(answer.to_json(options.command))
    elif answer.text:
        print(printable(answer.text))
    sys.stdout.flush()
    return _say(f"microscope: {answer.failed}", 1) if answer.failed else 0


def _say(sentence: str, status: int) -> int:
    print(printable(" ".join(sentence.split())), file=sys.stderr)
    return status


def _drop_stdout() -> None:
    """Have what is left to write go nowhere: whoever read stdout has what it wanted."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, ValueError):  # no file behind it
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115


def _of_interrupt(interrupt: KeyboardInterrupt, options: argparse.Namespace | None) -> str:
    """Return what to say of Ctrl-C; a part of a result is written where the whole one would have been."""
    # of an analysis, how far it came, without where Python has the rest
    said = getattr(interrupt, "message", str(interrupt)).replace("the same call goes on", "the same command goes on")
    result, out = getattr(interrupt, "result", None), getattr(options, "out", None)
    if result is not None and hasattr(result, "to_json") and isinstance(out, Path) and out.is_dir():
        from scope_widgets._files import write_text

        said += f" Written to {write_text(out / 'interrupted.json', result.to_json())}."
    return said or "interrupted"
