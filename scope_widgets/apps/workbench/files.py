"""The files of one folder, by their names: nothing outside of it is read, written or named."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from scope_widgets._files import replacing
from scope_widgets._untrusted import MOST_TEXT, opening, read_bytes

#: a name has letters of any script, digits, and between them what names of files have
_NAME = re.compile(r"[\w][\w .()+,=-]{0,199}")
#: names that Windows keeps for devices
_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
MOST_LISTED = 10_000
#: how pickles and archives with them begin, whatever the file is called
_PICKLES = (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05", b"PK\x03\x04", b"\x1f\x8b", b"BZh", b"\xfd7zXZ")
_MAY_BEGIN_SO = (".zip", ".parquet")


@dataclass(frozen=True)
class Entry:
    """A file of the workspace: its name, bytes, and the seconds since 1970 when it was last changed."""

    name: str
    size: int
    changed: float


class Files:
    """The files that lie in a folder itself, which a page and programs may read and write.

    Parameters
    ----------
    folder : Path
        Made where it is not there.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder.resolve()

    def path(self, name: str) -> Path:
        """Return where the file of a name is, or would be.

        Raises
        ------
        ValueError
            For whatever is no name of a file in the folder: paths, drives, devices, hidden files, links that lead out.
        """
        if (
            not isinstance(name, str)
            or not _NAME.fullmatch(name)
            or name != name.strip()
            or name.endswith(".")
            or _DEVICES.fullmatch(name)
        ):
            raise ValueError(
                f"{opening(name)} is no name of a file here: letters, digits, spaces and . - _ ( ) + , =, no folders."
            )
        path = (self.folder / name).resolve()
        if not path.is_relative_to(self.folder) or path.parent != self.folder:
            raise ValueError(f"{opening(name)} leads out of the workspace.")
        return path

    def list(self) -> list[Entry]:
        """Return the files, by their names."""
        found = []
        for path in sorted(self.folder.iterdir())[:MOST_LISTED]:
            try:
                inside = self.path(path.name)
                if inside.is_file():
                    about = inside.stat()
                    found.append(Entry(path.name, about.st_size, about.st_mtime))
            except (ValueError, OSError):
                continue
        return found

    def read(self, name: str, most: int = MOST_TEXT) -> bytes:
        """Return what is in a file.

        Raises
        ------
        FileNotFoundError
            Where there is none.
        ValueError
            For what is no name, a file that is too large, or one that begins as a pickle.
        """
        path = self.path(name)
        if not path.is_file():
            raise FileNotFoundError(f"There is no file {opening(name)} in the workspace.")
        data = read_bytes(path, most)
        self.check_begin(name, data[:8])
        return data

    def check(self, name: str) -> None:
        """Raise FileNotFoundError where there is no file of a name, ValueError where it begins as a pickle."""
        path = self.path(name)
        if not path.is_file():
            raise FileNotFoundError(f"There is no file {opening(name)} in the workspace.")
        with path.open("rb") as file:
            self.check_begin(name, file.read(8))

    def write(self, name: str, data: bytes) -> Entry:
        """Put a file in the place of the one that has the name: there is the old one or the new one, whole.

        Raises
        ------
        ValueError
            For what is no name, or begins as a pickle.
        """
        path = self.path(name)
        self.check_begin(name, data[:8])
        if path.exists() and not path.is_file():
            raise ValueError(f"{opening(name)} is no file, and is left as it is.")
        with replacing(path) as new:
            new.write_bytes(data)
        about = path.stat()
        return Entry(name, about.st_size, about.st_mtime)

    def remove(self, name: str) -> None:
        """Take a file away.

        Raises
        ------
        FileNotFoundError
            Where there is none.
        """
        path = self.path(name)
        if not path.is_file():
            raise FileNotFoundError(f"There is no file {opening(name)} in the workspace.")
        path.unlink()

    def check_begin(self, name: str, begin: bytes) -> None:
        """Raise ValueError where a file begins as a pickle, or an archive that may hold one, does."""
        if begin.startswith(_PICKLES) and not name.endswith(_MAY_BEGIN_SO):
            raise ValueError(
                f"{opening(name)} begins as a pickle or an archive does, which can run code when it is read: only "
                "safetensors, JSON, Parquet, .npy, text and pictures are taken."
            )
