"""`Manifest`: which stages of a folder are finished, under which keys, with which files."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Final

from scope_widgets._files import check_folder, sha256_of, write_text
from scope_widgets._json_fields import decode
from scope_widgets._provenance import versions
from scope_widgets._untrusted import parse_json, read_text, reading

FILE: Final = "manifest.json"
FORMAT: Final = "scope-widgets analysis 1"
#: folder of the tracked runs, one each time the pipeline is begun
RUNS: Final = "runs"


@dataclass
class Finished:
    """A finished stage.

    Attributes
    ----------
    key : str
        SHA-256 of code, model, the settings that matter, and the keys of its inputs.
    inputs : dict of str to str
        Keys of the stages whose files it read.
    files : dict of str to str
        SHA-256 of each file, by its path from the folder.
    notes : list of str
        What there is not, and why.
    halved : int
        How often memory did not suffice.
    measured : dict
        Seconds, those of processors, peak memory in bytes, machine and date: all that differs from run to run.
    """

    key: str
    inputs: dict[str, str]
    files: dict[str, str]
    notes: list[str] = field(default_factory=list)
    halved: int = 0
    measured: dict[str, Any] = field(default_factory=dict)


@dataclass
class Manifest:
    """What a folder holds.

    Attributes
    ----------
    model, fingerprint : str
        Name of the model, and a hash of its weights.
    settings : dict
        Of the last run.
    stages : dict of str to Finished
    """

    model: str
    fingerprint: str
    settings: dict[str, Any]
    stages: dict[str, Finished] = field(default_factory=dict)

    @classmethod
    def of(cls, folder: Path, model: str, fingerprint: str, settings: dict[str, Any]) -> Manifest:
        """Return the manifest of a folder, a new one where it has none; nothing is written.

        Raises
        ------
        ValueError
            Where the folder holds something else, or the analysis of another model.
        """
        found = cls.read(check_folder(folder))
        if found is None:
            inside = sorted(one.name for one in folder.iterdir()) if folder.exists() else []
            if other := [name for name in inside if not name.startswith(".") and name != RUNS]:
                raise ValueError(
                    f"{str(folder)!r} holds {other[0]!r}, which is of no analysis: give a folder of its own, which is "
                    "made if need be."
                )
            return cls(model, fingerprint, settings)
        if (found.model, found.fingerprint) != (model, fingerprint):
            which = found.model if found.model != model else f"{model} with other weights"
            raise ValueError(
                f"{str(folder)!r} holds the analysis of another model, {which}: give another folder, or take that one "
                "away."
            )
        found.settings = settings
        return found

    @classmethod
    def read(cls, folder: Path) -> Manifest | None:
        """Return the manifest of a folder, None where there is none; raise ValueError where it is another file."""
        path = folder / FILE
        if not path.is_file():
            return None
        with reading(f"{str(path)!r} is no manifest of an analysis: give another folder"):
            given = parse_json(read_text(path))
            if not isinstance(given, dict) or given.get("format") != FORMAT:
                raise ValueError("it is of something else")
            stages = {str(name): finished_of(one) for name, one in dict(given["stages"]).items()}
            return cls(str(given["model"]), str(given["fingerprint"]), dict(given["settings"]), stages)

    def write(self, folder: Path) -> None:
        """Write it in place of the one of before, whole or not at all."""
        write_text(folder / FILE, json.dumps({"format": FORMAT, **asdict(self)}, indent=1))

    def has(self, folder: Path, name: str, key: str) -> bool:
        """Return whether a stage is finished under a key, its files as they were written."""
        found = self.stages.get(name)
        if found is None or found.key != key:
            return False
        return all((folder / one).is_file() and sha256_of(folder / one) == sha for one, sha in found.files.items())


def stage_key(name: str, fingerprint: str, model: str, options: Mapping[str, Any], inputs: Mapping[str, str]) -> str:
    """Return the key of a stage."""
    said = [name, code(), fingerprint, model, dict(options), dict(inputs)]
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


@cache
def code() -> str:
    """Return the SHA-256 of this package's code, and of the versions of what it computes with."""
    root = Path(__file__).parents[2]
    digest = hashlib.sha256(json.dumps(versions(), sort_keys=True).encode())
    for path in sorted(root.rglob("*.py")):
        digest.update(f"{path.relative_to(root).as_posix()}\0".encode() + path.read_bytes())
    return digest.hexdigest()


def finished_of(given: Any) -> Finished:
    """Return a finished stage from JSON data that anybody may have written.

    Raises
    ------
    ValueError
        Where a field is missing or of another type, or a file's name leads out of the folder, or to what the pipeline
        itself keeps in it.
    """
    if not isinstance(given, dict):
        raise ValueError("a stage is no object")
    found: Finished = decode(given, Finished, "a stage")
    for name in found.files:
        parts = name.split("/")
        outside = not all(parts) or {".", ".."} & set(parts) or re.search(r"[\\:\0]", name)
        if outside or parts[0].startswith(".") or name == FILE:
            raise ValueError(f"it names a file that is none of its folder, {name[:80]!r}")
    return found
