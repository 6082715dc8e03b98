"""`index`: what each latent fires on, from one pass over recordings."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
import torch

from scope_widgets._files import check_folder
from scope_widgets._progress import tqdm
from scope_widgets._untrusted import check_name
from scope_widgets.experiments.massive_activations import is_massive, largest_norm
from scope_widgets.features.feature_index.feature_index import FeatureIndex
from scope_widgets.features.indexing.by_latent import by_latent
from scope_widgets.features.indexing.coactivation import partners
from scope_widgets.features.indexing.directions import neighbours, promoted
from scope_widgets.features.indexing.encoded_texts import NORM_ROWS, EncodedTexts
from scope_widgets.features.indexing.examples import Contexts
from scope_widgets.features.indexing.files import (
    N_LISTED,
    IndexedRecording,
    IndexManifest,
    empty_arrays,
    read_index,
    write_index,
)
from scope_widgets.features.indexing.random_contexts import draw_contexts
from scope_widgets.features.indexing.summaries import summarise
from scope_widgets.features.recording.joined_recordings import JoinedRecordings, digest_of_recording
from scope_widgets.features.recording.mapped_rows import MappedRows
from scope_widgets.features.recording.recording import Recording
from scope_widgets.features.sae.sae import SAE
from scope_widgets.features.sae.sparse_codes import SparseCodes
from scope_widgets.models.microscope import LocalMicroscope, Microscope
from scope_widgets.models.tokens import token_texts

#: rows that are encoded at once, and most rows in which it is counted which latents fire together
ROWS, _PARTNER_ROWS = 2**13, 2**15
#: what encodes the rows of a layer, a part after the other
EncodeParts: TypeAlias = Callable[[SAE, JoinedRecordings, int], Iterator[SparseCodes]]


def index(
    scope: Microscope,
    sae: SAE,
    rec: Recording | Sequence[Recording] | EncodedTexts,
    *,
    folder: str | Path,
    append: bool = False,
    seed: int = 0,
    progress: bool = True,
) -> FeatureIndex:
    """Encode the rows of recordings and write down what each latent fires on.

    Of each latent: how often and how strongly it fires, the strongest examples and some of each quarter of its
    activations (without near-copies), the tokens that it fires on more often than on others, its nearest decoder rows,
    the tokens that it promotes through the unembedding, the latents that fire with it, and where it fires in random
    contexts. The folder takes less than 5 kB a latent, and 16 MB at most for these contexts. Memory holds the codes of
    all rows: 8 bytes for each latent that fires in a row, some times over.

    Parameters
    ----------
    scope : Microscope
        The model of the recording, for the texts of tokens and its unembedding; of one on a server, and of sites that
        are not as wide as the residual stream, it is not known what latents promote.
    sae : SAE
    rec : Recording, sequence of Recording, or EncodedTexts
        Of its site, with its layer. Of several, rows and samples are numbered on. What `features.encode_texts` returns
        is for a model on a server above all: without recordings examples have strengths on their own token alone, and
        nothing can be appended.
    folder : str or Path
        An index that is there is replaced.
    append : bool, default False
        Index the recordings of the index that is there and `rec` together. All is encoded again, for what an index
        keeps is not enough to draw examples from anew: the recordings must be where they were, seen from the index. The
        result is that of giving all of them at once, to the last bit, and replaces the old one; labels go.
    seed : int, default 0
        Of the examples of each quarter, and of the random contexts.
    progress : bool, default True

    Returns
    -------
    FeatureIndex

    Raises
    ------
    FileNotFoundError, ValueError
        For an SAE that does not say its layer, or a recording of another model or place; with `append` where there is
        no index, it is of something else, or its recordings are not there or not what they were.

    Examples
    --------
    >>> rec = features.record(scope, ["Mary gave John a book", "the dog runs"] * 20, layers=2, folder=folder / "rec")
    >>> sae = features.train(rec, layer=2, d_sae=64, k=4, steps=20, batch=64)
    >>> index = features.index(scope, sae, rec, folder=folder / "index")
    >>> list(index.table)
    ['feature', 'rate', 'mean', 'max', 'dead', 'top_tokens']
    >>> len(features.FeatureIndex.load(folder / "index"))
    64
    """
    if not isinstance(rec, EncodedTexts):
        return indexed(scope, sae, rec, folder, append, seed, progress, _encoded_parts)
    if append:
        raise ValueError("append= is for recordings, of which all is encoded again; encoded texts are indexed anew.")
    if (rec.model, rec.site, rec.layer) != (scope.model_id, sae.site, sae.layer):
        raise ValueError(f"{rec!r} are of another model or place than {scope.model_id} and {sae!r}.")
    if rec.codes.n_latents != sae.d_sae:
        raise ValueError(f"{rec!r} were encoded by another autoencoder than {sae!r}.")
    return _written(scope, sae, rec, check_folder(folder), [], seed, progress)


def indexed(
    scope: Microscope,
    sae: SAE,
    rec: Recording | Sequence[Recording],
    folder: str | Path,
    append: bool,
    seed: int,
    progress: bool,
    encode_parts: EncodeParts,
) -> FeatureIndex:
    """Index recordings whose rows `encode_parts` encodes, see `index`."""
    folder = check_folder(folder)
    given = [rec] if isinstance(rec, Recording) else list(rec)
    before = _recordings_of(folder, sae) if append else []
    joined = JoinedRecordings([*before, *given])
    layer = _checked(scope, sae, joined)
    codes = _codes(sae, joined, layer, progress, encode_parts)
    encoded = EncodedTexts(
        codes, joined.table, joined.n_samples, joined.manifest.model, joined.manifest.revision, sae.site, layer
    )
    recordings = [IndexedRecording(_from(folder, one.folder), digest_of_recording(one)) for one in joined.parts]
    return _written(scope, sae, encoded, folder, recordings, seed, progress)


def _written(
    scope: Microscope,
    sae: SAE,
    encoded: EncodedTexts,
    folder: Path,
    recordings: list[IndexedRecording],
    seed: int,
    progress: bool,
) -> FeatureIndex:
    """Write the index of codes and return it."""
    codes, table = encoded.codes, encoded.table
    arrays = empty_arrays(sae.d_sae)
    token_ids = table["token_id"].to_numpy()
    sorted_codes = by_latent(codes)
    contexts = Contexts(table["sample_id"].to_numpy(), token_ids)
    drawn = draw_contexts(codes, contexts, seed)
    summarise(arrays, sorted_codes, contexts, token_ids, table["token_pos"].to_numpy(), seed, progress)
    arrays["neighbour"], arrays["neighbour_cosine"] = neighbours(sae.W_dec, N_LISTED)
    if isinstance(scope, LocalMicroscope) and sae.W_dec.shape[1] == scope.d_model and sae.output_site != "z":
        for name, value in promoted(scope, sae.W_dec, N_LISTED).items():
            arrays[name][:, : value.shape[1]] = value
    some = _some_rows(codes)
    found = partners(some, N_LISTED)
    for name, array in zip(("partner", "partner_together", "count_of_partners"), found, strict=True):
        arrays[name] = torch.from_numpy(array)
    manifest = IndexManifest(
        model=encoded.model,
        revision=encoded.revision,
        site=sae.site,
        layer=encoded.layer,
        d_sae=sae.d_sae,
        n_tokens=len(codes),
        n_samples=encoded.n_samples,
        n_partner_rows=len(some),
        recordings=recordings,
    )
    named = ("example_window", "token", "promoted", "suppressed")
    ids = np.unique(np.concatenate([np.unique(drawn.windows), *(np.unique(arrays[name].numpy()) for name in named)]))
    ids = ids[ids >= 0]
    texts = dict(zip(ids.tolist(), token_texts(scope.tokenizer, ids.tolist()), strict=True))
    write_index(folder, manifest, arrays, drawn, texts)
    return FeatureIndex.load(folder, scope=scope, sae=sae)


def _recordings_of(folder: Path, sae: SAE) -> list[Recording]:
    """Return the recordings of the index in a folder; raise where they are not what they were."""
    manifest = read_index(folder)[0]
    if (manifest.d_sae, manifest.layer, manifest.site) != (sae.d_sae, sae.layer, sae.site):
        raise ValueError(
            f"The index in {str(folder)!r} is of {manifest.d_sae:,} latents of {manifest.site} of layer "
            f"{manifest.layer}, and cannot be added to with {sae!r}."
        )
    found = []
    for one in manifest.recordings:
        at = Path(os.path.normpath(folder / check_name(one.folder)))
        try:
            recording = Recording.load(at)
        except FileNotFoundError:
            raise FileNotFoundError(
                f"The index in {str(folder)!r} is of a recording in {str(at)!r}, which is not there, and is encoded "
                "again when more is added: put it there, or index all that there is anew."
            ) from None
        if digest_of_recording(recording) != one.digest:
            raise ValueError(
                f"The recording in {str(at)!r} is not the one that the index in {str(folder)!r} is of: index all that "
                "there is anew."
            )
        found.append(recording)
    return found


def _from(folder: Path, recording: Path) -> str:
    """Return where a recording is, seen from the folder of an index."""
    try:
        return os.path.relpath(recording, folder)
    except ValueError:  # on another drive
        return os.path.abspath(recording)


def _checked(scope: Microscope, sae: SAE, rec: JoinedRecordings) -> int:
    """Return the layer; raise ValueError where the three do not belong together."""
    if sae.layer is None:
        raise ValueError(f"{sae!r} does not say of which layer it is: dataclasses.replace(sae, layer=...).")
    if rec.manifest.model != scope.model_id:
        raise ValueError(f"{rec!r} is of {rec.manifest.model}; the model given is {scope.model_id}.")
    if rec.manifest.site != sae.site or sae.layer not in rec.layers:
        raise ValueError(f"{sae!r} is of {sae.site!r} of layer {sae.layer}, which {rec!r} does not hold.")
    if not len(rec):
        raise ValueError(f"{rec!r} has no rows.")
    return sae.layer


def _codes(sae: SAE, rec: JoinedRecordings, layer: int, progress: bool, encode_parts: EncodeParts) -> SparseCodes:
    parts = []
    with tqdm(total=len(rec), unit=" rows", disable=not progress, leave=False) as bar:
        for part in encode_parts(sae, rec, layer):
            parts.append(part)
            bar.update(len(part))
    return SparseCodes.joined(parts)


def _encoded_parts(sae: SAE, rec: JoinedRecordings, layer: int) -> Iterator[SparseCodes]:
    rows = rec.rows(layer)
    largest = largest_norm_of(rows)
    for start in range(0, len(rec), ROWS):
        yield encode_part(sae, rows, start, largest)


def largest_norm_of(rows: MappedRows) -> float:
    """Return the norm above which a row is massive, from rows that are spread evenly."""
    return largest_norm(rows[:: max(1, len(rows) // NORM_ROWS)])


def encode_part(sae: SAE, rows: MappedRows, start: int, largest: float) -> SparseCodes:
    """Return the codes of some rows from `start` on, on the CPU; nothing fires in those of a norm above `largest`."""
    x = rows[start : start + ROWS].float()
    codes = sae.encode(x)
    some = SparseCodes(codes.indptr.cpu(), codes.indices.cpu().int(), codes.values.cpu().float(), sae.d_sae)
    massive = is_massive(x, largest).cpu()
    return some.without_rows(massive) if massive.any() else some


def _some_rows(codes: SparseCodes) -> SparseCodes:
    """Return all rows, or blocks of them that are spread evenly."""
    if len(codes) <= _PARTNER_ROWS:
        return codes
    starts = np.linspace(0, len(codes) - 256, _PARTNER_ROWS // 256).astype(int)
    return SparseCodes.joined([codes[start : start + 256] for start in starts.tolist()])
