"""The files of one folder, by their names: nothing outside of it is read, written or named."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from scope_widgets._files import replacing
from scope_widgets._untrusted import MOST_TEXT, opening, read_bytes
from scope_widgets.apps.workbench.pickle_detection import is_pickle

#: a name has letters of any script, digits, and between them what names of files have
_NAME = re.compile(r"[\w][\w .()+,=-]{0,199}")
#: names that Windows keeps for devices
_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
MOST_LISTED = 10_000
#: how archives begin, whatever the file is called: one may hold a pickle, and nothing here reads any
_ARCHIVES = (b"PK\x03\x04", b"PK\x05\x06", b"\x1f\x8b", b"BZh", b"\xfd7zXZ")
#: bytes of a file that are looked at before others read it: as many as one that is sent has at most
_LOOK = 32 * 2**20


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

    def existing(self, name: str) -> Path:
        """Return where the file of a name is.

        Raises
        ------
        FileNotFoundError
            Where there is none.
        ValueError
            For what is no name.
        """
        path = self.path(name)
        if not path.is_file():
            raise FileNotFoundError(f"There is no file {opening(name)} in the workspace.")
        return path

    def below(self, name: str, *, is_new: bool = False) -> Path:
        """Return where the folder of a name is; "" is the workspace itself. One that `is_new` need not be there.

        Raises
        ------
        FileNotFoundError
            Where there is no such folder.
        ValueError
            For whatever is no name, or that of a file.
        """
        path = self.path(name) if name else self.folder
        if path.is_file():
            raise ValueError(f"{opening(name)} is a file of the workspace, and no folder.")
        if not is_new and not path.is_dir():
            raise FileNotFoundError(f"There is no folder {opening(name)} in the workspace.")
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
            For what is no name, a file that is too large, a pickle or an archive.
        """
        data = read_bytes(self.existing(name), most)
        self._check_content(name, data)
        return data

    def check(self, name: str) -> None:
        """Raise FileNotFoundError where there is no file of a name, ValueError where it is a pickle."""
        with self.existing(name).open("rb") as file:
            self._check_content(name, file.read(_LOOK))

    def write(self, name: str, data: bytes) -> Entry:
        """Put a file in the place of the one that has the name: there is the old one or the new one, whole.

        Raises
        ------
        ValueError
            For what is no name, a pickle or an archive.
        """
        path = self.path(name)
        self._check_content(name, data)
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
        self.existing(name).unlink()

    def _check_content(self, name: str, data: bytes) -> None:
        if data.startswith(_ARCHIVES) or is_pickle(data):
            raise ValueError(
                f"{opening(name)} begins as a pickle or an archive does, which can run code when it is read: only "
                "safetensors, JSON, Parquet, .npy, text and pictures are taken."
            )
