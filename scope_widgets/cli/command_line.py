"""`main`: the commands of `microscope`, and how they end."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from scope_widgets.cli import analyze, circuits, doctor, evals, runs, train, ui

#: modules with `add_parser(commands)`, which names the function to run
_COMMANDS = (analyze, circuits, evals, train, runs, ui, doctor)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; what goes wrong is one sentence on stderr and exit status 1, and 130 where Ctrl-C ended it.

    Parameters
    ----------
    arguments : sequence of str, optional
        Those of the process by default.

    Returns
    -------
    int
        The exit status.
    """
    parser = argparse.ArgumentParser(prog="microscope", description="See what happens inside a language model.")
    commands = parser.add_subparsers(dest="command", required=True)
    for command in _COMMANDS:
        command.add_parser(commands)
    options = parser.parse_args(arguments)
    try:
        options.run(options)
    except (ValueError, TypeError, OSError, MemoryError, RuntimeError) as error:
        print(f"microscope: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt as interrupt:
        # of an analysis, how far it came, without where Python has the rest
        said = getattr(interrupt, "message", str(interrupt)).replace(
            "the same call goes on", "the same command goes on"
        )
        print(f"microscope: {said or 'interrupted'}", file=sys.stderr)
        return 130
    return 0
