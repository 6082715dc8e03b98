"""`FinishedSteps`: what verification has finished, one file each, so that it can be stopped at any moment and go on."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from scope_widgets._files import check_folder, write_text
from scope_widgets._json_fields import decode, encode
from scope_widgets._untrusted import parse_json, read_text


class UnfinishedByOthersError(Exception):
    """A step is not finished, and another process is to do it."""


class FinishedSteps:
    """Finished steps of a run, by name, in a folder or, without one, in memory.

    Parameters
    ----------
    folder : str or Path, optional
        Made if need be.
    key : str
        What the steps depend on. Those of another key are computed anew.
    only : str, optional
        A behaviour: steps of others are left to other processes.
    """

    def __init__(self, folder: str | Path | None, key: str, only: str | None = None) -> None:
        self._key, self.only = key, only
        self._folder = None if folder is None else check_folder(folder)
        if self._folder is not None:
            self._folder.mkdir(parents=True, exist_ok=True)
            for torn in self._folder.glob(".*.part"):  # of a run that was killed as it wrote
                torn.unlink(missing_ok=True)

    def own_first(self, behaviours: Iterable[str]) -> list[str]:
        """Return names of behaviours with the one first whose steps are done here."""
        return sorted(behaviours, key=lambda name: name != self.only)

    def get(self, name: str, compute: Callable[[], Any], behaviour: str = "") -> Any:
        """Return what a step of a behaviour found as the folder has it, or compute and keep it.

        What is computed goes through the same JSON as what is read, so that a run that was stopped and one that was
        not go on with the same values, bit for bit.

        Raises
        ------
        UnfinishedByOthersError
        """
        path = None if self._folder is None else self._folder / f"{_file_name(name)}.json"
        if path is not None and (known := self._read(path, name)) is not None:
            return known[0]
        if self.only not in (None, behaviour):
            raise UnfinishedByOthersError(name)
        text = json.dumps({"key": self._key, "name": name, "value": encode(compute())}, allow_nan=False)
        if path is not None:
            write_text(path, text)
        return decode(json.loads(text)["value"])

    def _read(self, path: Path, name: str) -> tuple[Any] | None:
        """Return what a file holds, in a tuple; None where it is not there, of another run, or damaged."""
        try:
            found = parse_json(read_text(path))
            if found["key"] != self._key or found["name"] != name:
                return None
            return (decode(found["value"]),)
        except (FileNotFoundError, ValueError, TypeError, KeyError):
            return None


def key_of(*parts: str) -> str:
    """Return the SHA-256 of some texts."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _file_name(name: str) -> str:
    """Return a name that any system can have, and no two steps share."""
    plain = re.sub(r"[^a-z0-9_]+", "-", name.lower())[:60]
    return f"{plain}-{hashlib.sha256(name.encode()).hexdigest()[:12]}"
