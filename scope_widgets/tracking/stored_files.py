"""Files of a run, stored once under the hash of what they hold."""

from __future__ import annotations

import hashlib
import os
import re
import stat
from pathlib import Path

from scope_widgets._files import replacing, sha256_of
from scope_widgets._untrusted import check_name

_STORED = re.compile(r"[0-9a-f]{64}(\.\w{1,16})?")


def store(folder: Path, source: str | Path) -> tuple[str, int]:
    """Copy a file into a folder under its SHA-256 and ending; return that name and its bytes.

    Raises
    ------
    FileNotFoundError, ValueError
        Where there is no such file, or it is a folder or a device.
    """
    source = check_name(source)
    if not source.exists():
        raise FileNotFoundError(f"There is no file {str(source)!r}.")
    if not stat.S_ISREG(os.stat(source).st_mode):
        raise ValueError(f"{str(source)!r} is no file: give the path of one, each file of a folder by itself.")
    ending = source.suffix.lower() if re.fullmatch(r"\.\w{1,16}", source.suffix) else ""
    digest, size = hashlib.sha256(), 0
    # the name is known only when all is read: written under another one, and renamed
    with source.open("rb") as file, replacing(folder / "copied") as new, new.open("wb") as copy:
        while block := file.read(2**20):
            digest.update(block)
            size += copy.write(block)
    name = f"{digest.hexdigest()}{ending}"
    os.replace(folder / "copied", folder / name)
    return name, size


def stored(folder: Path, name: object) -> Path:
    """Return the path of a stored file; raise ValueError for a name that is none, or no longer what was stored."""
    if not isinstance(name, str) or not _STORED.fullmatch(name):
        raise ValueError(f"the name of a stored file is its SHA-256; got {str(name)[:40]!r}")
    path = folder / name
    if path.is_symlink() or not path.is_file():
        raise ValueError(f"{str(path)!r} is no file")
    if sha256_of(path) != name[:64]:
        raise ValueError(f"{str(path)!r} is not what was stored: its SHA-256 is another")
    return path
