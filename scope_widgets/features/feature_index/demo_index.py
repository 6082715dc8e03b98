"""`demo_index`: the index of the demo model's SAE, out of the package."""

from __future__ import annotations

import functools
import tempfile
import zipfile
from pathlib import Path

#: written by `scripts/train_demo_sae.py`
ARCHIVE = Path(__file__).parents[1] / "demo" / "index.zip"
_FOLDERS: list[tempfile.TemporaryDirectory[str]] = []  # gone with the process


def is_demo(folder: Path | None) -> bool:
    """Return whether a folder is the one that `demo_index` made, which is gone with the process."""
    return any(folder == Path(one.name) for one in _FOLDERS)


@functools.cache
def demo_index() -> Path:
    """Return a folder with the index; it lasts as long as the process."""
    _FOLDERS.append(tempfile.TemporaryDirectory(prefix="scope-widgets-index-", ignore_cleanup_errors=True))
    folder = Path(_FOLDERS[-1].name)
    with zipfile.ZipFile(ARCHIVE) as archive:
        archive.extractall(folder)
    return folder
