"""Labels and notes of one's own on latents, in a file beside the index."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from scope_widgets._files import write_text
from scope_widgets._untrusted import check_text, opening, parse_json, read_text, reading

if TYPE_CHECKING:
    from scope_widgets.features.indexing.feature_index import FeatureIndex

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


def annotate(
    index: FeatureIndex, latent: int, *, label: str | None = None, note: str | None = None
) -> dict[int, LatentNote]:
    """Write a label or a note of one's own on a latent, beside the index.

    The file `notes.json` in the folder of the index is replaced as a whole. It stays when the same autoencoder is
    indexed anew.

    Parameters
    ----------
    index : FeatureIndex
        With a folder.
    latent : int
    label : str, optional
        Of up to 300 characters; "" takes it away, None leaves it as it is.
    note : str, optional
        Of up to 10,000 characters.

    Returns
    -------
    dict of int to LatentNote
        All that are there now, as `index.notes`.

    Raises
    ------
    IndexError, TypeError
        For a latent that there is not.
    ValueError
        For a text that is too long or no text, an index without a folder, or notes of another autoencoder.

    Examples
    --------
    >>> rec = features.record(scope, ["Mary gave John a book", "the dog runs"] * 20, layers=2, folder=folder / "rec")
    >>> sae = features.train(rec, layer=2, d_sae=64, k=4, steps=20, batch=64)
    >>> index = features.index(scope, sae, rec, folder=folder / "index")
    >>> features.annotate(index, 3, label="a name")[3].label
    'a name'
    >>> index.search(label="NAME")["feature"].tolist()
    [3]
    """
    index.rows([latent])  # there is such a latent
    if index.folder is None:
        raise ValueError("Notes are kept in the folder of an index, and this one has none: FeatureIndex.load(folder).")
    notes = read_notes(index)
    old = notes.get(int(latent), LatentNote())
    new = LatentNote(
        old.label if label is None else _checked("label=", label, LONGEST_LABEL),
        old.note if note is None else _checked("note=", note, LONGEST_NOTE),
    )
    notes[int(latent)] = new
    notes = {one: notes[one] for one in sorted(notes) if notes[one] != LatentNote()}
    said = {"latents": fingerprint(index), "notes": {str(one): asdict(text) for one, text in notes.items()}}
    write_text(index.folder / NOTES, json.dumps(said, indent=1))
    index.forget_notes()
    return notes


def read_notes(index: FeatureIndex) -> dict[int, LatentNote]:
    """Return the notes beside an index by latent, ascending; {} where there are none.

    Raises
    ------
    ValueError
        Where their file is damaged, or of another autoencoder.
    """
    path = None if index.folder is None else index.folder / NOTES
    if path is None or not path.is_file():
        return {}
    with reading(f"{str(path)!r} does not hold notes on the latents of this index (move it away to begin anew)"):
        given = parse_json(read_text(path))
        if not isinstance(given, dict) or set(given) != {"latents", "notes"} or not isinstance(given["notes"], dict):
            raise ValueError("it has other entries")
        if given["latents"] != fingerprint(index):
            raise ValueError("they are of another autoencoder")
        return dict(sorted(_note(key, one, len(index)) for key, one in given["notes"].items()))


def fingerprint(index: FeatureIndex) -> str:
    """Return a digest of the nearest decoder rows: the same of all indices of an autoencoder."""
    rows = np.ascontiguousarray(index.arrays["neighbour"])
    return hashlib.sha256(rows.tobytes()).hexdigest()[:16]


def _note(key: str, given: Any, n_latents: int) -> tuple[int, LatentNote]:
    if not (key.isascii() and key.isdecimal() and len(key) < 10 and int(key) < n_latents):
        raise ValueError(f"it names latent {opening(key)}")
    if not isinstance(given, dict) or set(given) != {"label", "note"}:
        raise ValueError(f"that on {key} has other entries")
    label, note = (_checked(name, given[name], most) for name, most in zip(("label", "note"), _MOST, strict=True))
    return int(key), LatentNote(label, note)


_MOST = LONGEST_LABEL, LONGEST_NOTE


def _checked(name: str, text: Any, most: int) -> str:
    if not isinstance(text, str):
        raise ValueError(f"{name} is a text; got {opening(text)}.")
    if len(text) > most:
        raise ValueError(f"{name} has up to {most:,} characters; this one has {len(text):,}.")
    return check_text(text.strip())
