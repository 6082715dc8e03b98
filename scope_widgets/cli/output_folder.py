"""Where a command writes to: looked at before the work, and the files of a result in it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from scope_widgets._result import Result


def check_writable(folder: Path) -> None:
    """Raise OSError where the results could not be written, before they are computed; the folder is made."""
    from tempfile import TemporaryFile  # not for --help

    from scope_widgets._files import check_folder

    check_folder(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryFile(dir=folder):
        pass


def write_result(folder: Path | None, name: str, result: Result) -> list[str]:
    """Write a result as NAME.json, which `from_json` reads, as NAME.csv, and as the page NAME.html.

    Parameters
    ----------
    folder : Path or None
        None: nothing is written.
    name : str
        Of the files, without an ending.
    result : Result

    Returns
    -------
    list of str
        The paths that were written.
    """
    if folder is None:
        return []
    from scope_widgets._files import as_csv, write_text

    written = [
        write_text(folder / f"{name}.json", result.to_json()),
        write_text(folder / f"{name}.csv", as_csv(result.to_dataframe())),
        result.to_html(folder / f"{name}.html"),
    ]
    return [str(path) for path in written]


def said_of(files: list[str]) -> str:
    """Return the line that says where files were written, with the line's end before it; "" for none."""
    if not files:
        return ""
    folder = Path(files[0]).parent
    return f"\nWritten to {folder}: {', '.join(str(Path(one).relative_to(folder)) for one in files)}"
