"""What an analysis has when Ctrl-C ends it: shown in a notebook, raised with the interrupt where nobody looks."""

from __future__ import annotations

import sys
from typing import Any, TypeVar

from scope_widgets._progress import tqdm

T = TypeVar("T")


class Interrupted(KeyboardInterrupt):
    """Ctrl-C ended an analysis: a KeyboardInterrupt with what is computed so far.

    Attributes
    ----------
    message : str
        How far it came, as a sentence; the error itself says where the result is, too, which is for Python alone.
    result
        What the analysis would have returned, NaN where not run; None where nothing was done yet.
    """

    def __init__(self, message: str, result: Any, hint: str = "") -> None:
        super().__init__(f"{message} {hint}".rstrip())
        self.message, self.result = message, result

    def _render_traceback_(self) -> list[str]:
        """Return what IPython shows: whoever pressed Ctrl-C needs no traceback."""
        return [str(self)]


def result_or_interrupt(result: T, interrupted: str) -> T:
    """Return a result; where it is only a part, say so in a notebook, and raise `Interrupted` in a script.

    A script would take a part for the whole.

    Parameters
    ----------
    result
    interrupted : str
        How far it came, as a sentence; empty for a whole one.
    """
    if not interrupted:
        return result
    if not _in_notebook():
        raise Interrupted(interrupted, result, "What there is is the `result` of this error.")
    tqdm.write(interrupted)
    return result


def _in_notebook() -> bool:
    """Whether a person runs cells, whose work Ctrl-C stops without losing it."""
    shell = sys.modules.get("IPython")
    marimo = sys.modules.get("marimo")
    return bool((shell and shell.get_ipython()) or (marimo and marimo.running_in_notebook()))
