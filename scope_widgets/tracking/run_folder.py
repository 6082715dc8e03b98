"""What the folder of a run holds, under which names."""

from __future__ import annotations

import re
from pathlib import Path

from scope_widgets._files import check_folder
from scope_widgets._untrusted import opening

#: who wrote it, its settings and how it stands; what was logged, an object a line; folders
RUN, EVENTS, TABLES, FIGURES, FILES = "run.json", "events.jsonl", "tables", "figures", "files"
FORMAT = "scope-widgets run 1"

_NAME = re.compile(r"[^\W_][\w .,()+=-]{0,119}")


def check_name(what: str, name: object) -> str:
    """Return the name of a table, figure or file; raise ValueError where it could not be one of a file everywhere."""
    if not isinstance(name, str) or not _NAME.fullmatch(name) or name.endswith((" ", ".")):
        raise ValueError(
            f"The name of a {what} has letters, digits, spaces and . , ( ) + = - _, begins with a letter or digit, and "
            f"is up to 120 long; got {opening(name)}."
        )
    return name


def begin(folder: str | Path) -> Path:
    """Make the folder of a run, with an empty file of events, and return its path.

    Raises
    ------
    FileExistsError
        Where it holds a run, or files with names that a run has.
    NotADirectoryError, OSError
        Where there can be no such folder.
    """
    folder = check_folder(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for name in (RUN, EVENTS):
        if (folder / name).exists():
            raise FileExistsError(_taken(folder))
    if others := [name for name in (TABLES, FIGURES, FILES) if (folder / name).exists()]:
        raise FileExistsError(
            f"{str(folder)!r} holds {others[0]!r}, which is no part of a run and would be mixed with it: give another "
            "folder."
        )
    try:  # of two that begin at once, one makes the file
        (folder / EVENTS).open("x").close()
    except FileExistsError:
        raise FileExistsError(_taken(folder)) from None
    return folder


def _taken(folder: Path) -> str:
    return (
        f"{str(folder)!r} holds another run: give a folder of its own, such as {str(folder / '2')!r}, or read that run "
        f"with tracking.load({str(folder)!r})."
    )
