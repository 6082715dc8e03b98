"""Labels and notes of one's own on latents, in a file beside the index."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from scope_widgets._files import write_text
from scope_widgets._types import Array
from scope_widgets._untrusted import check_text, opening, parse_json, read_text, reading

NOTES = "notes.json"
#: characters of a label, and of a note
LONGEST_LABEL, LONGEST_NOTE = 300, 10_000


@dataclass(frozen=True)
class LatentNote:
    """What somebody wrote on a latent.

    Attributes
    ----------
    label : str
        "" for none.
    note : str
    """

    label: str = ""
    note: str = ""


def write_notes(folder: Path, neighbours: Array, notes: dict[int, LatentNote]) -> dict[int, LatentNote]:
    """Write the notes beside an index, those that say something, and return them by latent, ascending."""
    said = {one: notes[one] for one in sorted(notes) if notes[one] != LatentNote()}
    given = {"latents": fingerprint(neighbours), "notes": {str(one): asdict(text) for one, text in said.items()}}
    write_text(folder / NOTES, json.dumps(given, indent=1))
    return said


def read_notes(folder: Path | None, neighbours: Array) -> dict[int, LatentNote]:
    """Return the notes beside an index by latent, ascending; {} where there are none.

    Parameters
    ----------
    folder : Path or None
    neighbours : ndarray [latent, n]
        The nearest decoder rows, by which the autoencoder is known.

    Raises
    ------
    ValueError
        Where their file is damaged, or of another autoencoder.
    """
    path = None if folder is None else folder / NOTES
    if path is None or not path.is_file():
        return {}
    with reading(f"{str(path)!r} does not hold notes on the latents of this index (move it away to begin anew)"):
        given = parse_json(read_text(path))
        if not isinstance(given, dict) or set(given) != {"latents", "notes"} or not isinstance(given["notes"], dict):
            raise ValueError("it has other entries")
        if given["latents"] != fingerprint(neighbours):
            raise ValueError("they are of another autoencoder")
        return dict(sorted(_note(key, one, len(neighbours)) for key, one in given["notes"].items()))


def fingerprint(neighbours: Array) -> str:
    """Return a digest of the nearest decoder rows: the same of all indices of an autoencoder."""
    return hashlib.sha256(np.ascontiguousarray(neighbours).tobytes()).hexdigest()[:16]


def _note(key: str, given: Any, n_latents: int) -> tuple[int, LatentNote]:
    if not (key.isascii() and key.isdecimal() and len(key) < 10 and int(key) < n_latents):
        raise ValueError(f"it names latent {opening(key)}")
    if not isinstance(given, dict) or set(given) != {"label", "note"}:
        raise ValueError(f"that on {key} has other entries")
    label, note = (checked_text(name, given[name], most) for name, most in zip(("label", "note"), _MOST, strict=True))
    return int(key), LatentNote(label, note)


_MOST = LONGEST_LABEL, LONGEST_NOTE


def checked_text(name: str, text: Any, most: int) -> str:
    """Return a text of somebody without spaces around it; raise ValueError where it is none, or too long."""
    if not isinstance(text, str):
        raise ValueError(f"{name} is a text; got {opening(text)}.")
    if len(text) > most:
        raise ValueError(f"{name} has up to {most:,} characters; this one has {len(text):,}.")
    return check_text(text.strip())
