"""Where a command writes to, looked at before the work."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryFile

from scope_widgets._files import check_folder


def check_writable(folder: Path) -> None:
    """Raise OSError where the results could not be written, before they are computed; the folder is made."""
    check_folder(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryFile(dir=folder):
        pass
