"""Writing files so that there is always the old one or the new one, whole, whatever happens meanwhile."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scope_widgets._untrusted import check_name

if TYPE_CHECKING:
    import pandas as pd

#: texts that spreadsheets run, and the numbers among them, as in js/src/core/export/files.ts
_FORMULA = re.compile(r"[=+\-@\t\r].+", re.DOTALL)
_NUMBER = re.compile(r"[+-]?(([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?|inf(inity)?)", re.IGNORECASE)


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Yield the name of a new file, which takes the place of `path` when the block has ended without an error.

    Raises
    ------
    FileNotFoundError
        When there is no folder to write it in.
    ValueError
        For a name that no file can have.
    """
    path = Path(os.path.realpath(check_name(path)))  # of a link, what it points to
    if not path.parent.is_dir():
        raise FileNotFoundError(f"There is no folder {str(path.parent)!r} to write {path.name!r} in.")
    if path.exists() and not path.is_file():  # a folder says so by itself; a device or a pipe has nothing to lose
        yield path
        return
    beside = path.with_name(f".{secrets.token_hex(8)}.part")
    try:
        yield beside
        with beside.open("rb+") as written:
            os.fsync(written.fileno())
        if path.exists():
            shutil.copymode(path, beside)
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def check_folder(path: str | Path) -> Path:
    """Return the path of a folder, which need not be there; raise where it is none, before what goes in is computed.

    Raises
    ------
    NotADirectoryError
        Where something else has the name.
    TypeError, ValueError
        For what is no path, or a name that no file can have.
    """
    path = check_name(path)
    if path.exists() and not path.is_dir():
        raise NotADirectoryError(f"{str(path)!r} is no folder, but a file: give a folder, which is made if need be.")
    return path


def as_csv(table: pd.DataFrame) -> str:
    """Return a table as CSV; before a text that a spreadsheet would take for a formula stands an apostrophe.

    Such a text begins with one of `= + - @`, a tab or a carriage return, is longer than one character and no number:
    the tokens "-" and "-1" stay as they are. Views write their tables by the same rule. Lines end as they do there, for
    texts are quoted where they hold a character of a line's end: a lone carriage return would begin a line.
    """
    return str(table.map(_cell).rename(columns=_cell).to_csv(index=False, lineterminator="\r\n"))


def _cell(cell: Any) -> Any:
    formula = isinstance(cell, str) and _FORMULA.fullmatch(cell) and not _NUMBER.fullmatch(cell)
    return f"'{cell}" if formula else cell


def write_text(path: str | Path, text: str) -> Path:
    """Write a text as UTF-8, with the ends of lines that it has, in place of what was there, and return the path."""
    with replacing(path) as new:
        try:
            new.write_text(text, encoding="utf-8", newline="")
        except UnicodeEncodeError as error:
            raise ValueError(
                f"{str(path)!r} cannot be written: at character {error.start} is half a character (a lone surrogate, "
                f"{text[error.start]!r}), which no file can hold. Take it out."
            ) from None
    return Path(path)


def sha256_of(path: str | Path) -> str:
    """Return the SHA-256 of a file in hexadecimal digits, a piece of it in memory at a time."""
    whole = hashlib.sha256()  # hashlib.file_digest is of Python 3.11
    with open(path, "rb") as file:
        while piece := file.read(1 << 20):
            whole.update(piece)
    return whole.hexdigest()
