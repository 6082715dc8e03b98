"""`annotate`: labels and notes of one's own on latents."""

from __future__ import annotations

from scope_widgets.features.feature_index.feature_index import FeatureIndex
from scope_widgets.features.labelling.notes import (
    LONGEST_LABEL,
    LONGEST_NOTE,
    LatentNote,
    checked_text,
    read_notes,
    write_notes,
)


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
    neighbours = index.arrays["neighbour"]
    notes = read_notes(index.folder, neighbours)
    old = notes.get(int(latent), LatentNote())
    new = LatentNote(
        old.label if label is None else checked_text("label=", label, LONGEST_LABEL),
        old.note if note is None else checked_text("note=", note, LONGEST_NOTE),
    )
    notes[int(latent)] = new
    notes = write_notes(index.folder, neighbours, notes)
    index.forget_notes()
    return notes
