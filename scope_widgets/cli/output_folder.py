"""Where a command writes to, looked at before the work."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryFile


def check_writable(folder: Path) -> None:
    """Raise OSError where the results could not be written, before they are computed; the folder is made."""
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(f"--out {folder} is a file: give a folder, which is made where it is missing.")
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryFile(dir=folder):
        pass
