"""`record`: activations of many texts, written as they are made."""

from __future__ import annotations

import errno
import hashlib
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np

from scope_widgets._check_choice import check_choice, checked_count, is_whole
from scope_widgets._files import check_folder
from scope_widgets._partial_result import result_or_interrupt
from scope_widgets._progress import tqdm
from scope_widgets.features.recording.manifest import MANIFEST, Manifest, RecordedSite, Shard
from scope_widgets.features.recording.recording import Recording
from scope_widgets.features.recording.samples import Sample, samples_of
from scope_widgets.features.recording.shard_tensors import shard_tensors
from scope_widgets.features.recording.shards import name_of, write_shard
from scope_widgets.features.recording.texts import Texts, texts_of
from scope_widgets.models.execution.activation_edits import n_neurons
from scope_widgets.models.execution.token_batches import AT_ONCE
from scope_widgets.models.microscope import Microscope

Precision = Literal["float16", "bfloat16", "float32"]
#: what writes the shards of a model's recording and yields each, in their order
WriteParts: TypeAlias = "Callable[[Microscope, Iterator[Part], Path, Manifest], Iterator[Shard]]"

#: rows of a shard, about
_SHARD = 2**16
#: free bytes that are left on a disk
_LEFT_FREE = 2**28


def record(
    scope: Microscope,
    texts: Texts,
    *,
    layers: Sequence[int] | int,
    folder: str | Path,
    site: RecordedSite = "residual",
    target: RecordedSite | None = None,
    dtype: Precision = "float16",
    max_tokens: int | None = None,
    context: int | None = None,
    packed: bool = False,
    special_tokens: bool = False,
    column: str = "text",
    shard: tuple[int, int] = (0, 1),
    at_once: int = 4096,
    progress: bool = True,
) -> Recording:
    """Run texts and write the activations of some layers to a folder, a shard at a time.

    The forward ends after the deepest layer. What is written stays, whatever happens: called again with the same
    arguments it goes on after the last whole shard, with the same bytes as without the break. A folder whose recording
    is complete is returned as it is. In both cases the texts are read again, and compared with those that are there.

    Parameters
    ----------
    scope : Microscope
    texts : list or iterator of str or of token ids, path, or data set
        A path is of a `.jsonl` or `.parquet` file with a column of texts, or of a text file of one text a line.
    layers : int or sequence of int
        Blocks; of "residual" also `n_layers`, what enters the final norm.
    folder : str or Path
        It is made where it is missing.
    site : str, default "residual"
        "residual", "attention_out", "mlp_in" (what the MLP gets), "mlp_out", "neurons", or "z", heads side by side.
    target : str, optional
        A second site of the same layers, whose rows are written beside, in the same forward: what a transcoder is to
        make of `site` (`site="mlp_in", target="mlp_out"`).
    dtype : str, default "float16"
        "float16", "bfloat16" or "float32".
    max_tokens : int, optional
        Rows to keep; all by default.
    context : int, optional
        Tokens of a sample; by default 256, or the model's context where that is less. A longer text is cut.
    packed : bool, default False
        Put texts one after the other so that every sample is full; attention then goes from one into another, and a
        sample is for validation where its first text is.
    special_tokens : bool, default False
        Keep the rows of special tokens too, whose norms are often a hundred times those of others.
    column : str, default "text"
        Where the texts are in a file or data set.
    shard : (rank, world), default (0, 1)
        Record every `world`-th text from number `rank` on: so many processes share the work, each with a folder of
        its own.
    at_once : int, default 4096
        Tokens of a forward at most; where memory does not suffice it is run in halves.
    progress : bool, default True
        Show a bar of rows.

    Returns
    -------
    Recording

    Raises
    ------
    ValueError, FileNotFoundError
        For layers, texts or arguments that are none; a folder that holds another recording, or one of other texts; a
        disk without room; a number that is not finite, or that float16 cannot hold.

    Examples
    --------
    >>> rec = features.record(scope, ["Mary gave John a book", "the dog runs"], layers=[1, 2], folder=folder)
    >>> rec.manifest.complete, rec.rows(1).shape == rec.rows(2).shape
    (True, True)
    """
    manifest = manifest_of(
        scope,
        layers=layers,
        site=site,
        target=target,
        dtype=dtype,
        max_tokens=max_tokens,
        context=context,
        packed=packed,
        special_tokens=special_tokens,
        shard=shard,
    )
    write_parts = partial(_write_parts, at_once=checked_count("at_once", at_once))
    return recorded(scope, texts, manifest, folder, column, progress, write_parts)


def manifest_of(
    scope: Microscope,
    *,
    layers: Sequence[int] | int,
    site: RecordedSite,
    target: RecordedSite | None,
    dtype: Precision,
    max_tokens: int | None,
    context: int | None,
    packed: bool,
    special_tokens: bool,
    shard: tuple[int, int] = (0, 1),
) -> Manifest:
    """Return what is to be recorded, checked against the model."""
    check_choice("site", site, RecordedSite)
    check_choice("dtype", dtype, Precision)
    if target is not None:
        check_choice("target", target, RecordedSite)
        if target == site:
            raise ValueError(f"target= is another site than site={site!r}, of which an autoencoder needs rows alone.")
    return Manifest(
        model=scope.model_id,
        revision=scope.revision,
        site=site,
        layers=_checked_layers(scope, site if site != "residual" else target or site, layers),
        d=width_of(scope, site),
        dtype=dtype,
        context=_checked_context(scope, context),
        packed=bool(packed),
        special_tokens=bool(special_tokens),
        max_tokens=None if max_tokens is None else checked_count("max_tokens", max_tokens),
        part=_checked_part(shard),
        target=target,
        d_target=None if target is None else width_of(scope, target),
    )


def recorded(
    scope: Microscope,
    texts: Texts,
    manifest: Manifest,
    folder: str | Path,
    column: str,
    progress: bool,
    write_parts: WriteParts,
) -> Recording:
    """Return the recording of a folder, gone on with where it is not complete; `write_parts` writes its shards."""
    folder = check_folder(folder)
    first = _first_of(texts, column)
    manifest = _begun(folder, manifest)
    recording = Recording(folder, manifest)
    samples = samples_of(
        first, scope.tokenizer, manifest.context, packed=manifest.packed, first=manifest.part[0], step=manifest.part[1]
    )
    if manifest.complete:
        _check_texts(samples, folder, manifest)
        return recording
    _check_room(folder, manifest)
    with tqdm(
        total=manifest.max_tokens, initial=manifest.n_rows, unit=" rows", disable=not progress, leave=False
    ) as bar:
        try:
            _go_on(scope, samples, folder, manifest, bar, write_parts)
        except KeyboardInterrupt:
            note = f"Recording was stopped after {manifest.n_rows:,} rows: the same call goes on from there."
            return result_or_interrupt(recording, note)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            raise OSError(
                error.errno,
                f"The disk of {str(folder)!r} is full after {manifest.n_rows:,} rows, which are whole: make room, and "
                "the same call goes on from there",
            ) from None
    return recording


@dataclass(frozen=True)
class Part:
    """What a shard is to be of.

    Attributes
    ----------
    number : int
    samples : list of Sample
    first_sample, first_row : int
        Their numbers in the recording.
    texts : str
        SHA-256 of the token ids of all samples up to its end.
    """

    number: int
    samples: list[Sample]
    first_sample: int
    first_row: int
    texts: str


def write_part(scope: Microscope, part: Part, folder: Path, manifest: Manifest, at_once: int = AT_ONCE) -> Shard:
    """Run the samples of a shard, `at_once` tokens a forward at most, and write it."""
    special = special_ids(scope, manifest)
    tensors = shard_tensors(scope, part.samples, manifest, special, part.first_sample, part.first_row, at_once)
    digest = write_shard(folder / name_of(part.number), tensors)
    skipped = sum(int(np.isin(one.token_ids, special).sum()) for one in part.samples)
    return Shard(len(tensors["sample_id"]), len(part.samples), skipped, digest, part.texts)


def special_ids(scope: Microscope, manifest: Manifest) -> list[int]:
    """Return the tokens whose rows are left out."""
    return [] if manifest.special_tokens else sorted(scope.tokenizer.all_special_ids)


def _write_parts(
    scope: Microscope, parts: Iterator[Part], folder: Path, manifest: Manifest, at_once: int = AT_ONCE
) -> Iterator[Shard]:
    """Write the shards one after the other, and yield each."""
    for part in parts:
        yield write_part(scope, part, folder, manifest, at_once)


def _go_on(
    scope: Microscope, samples: Iterator[Sample], folder: Path, manifest: Manifest, bar: Any, write_parts: WriteParts
) -> None:
    """Write shard after shard until the texts end, or there are rows enough."""
    parts = _parts_of(samples, folder, manifest, special_ids(scope, manifest))
    for shard in write_parts(scope, parts, folder, manifest):
        manifest.shards.append(shard)
        manifest.write(folder)
        bar.update(shard.rows)
    if not manifest.n_rows:
        raise ValueError("No text has a token to record: all are empty, or hold special tokens only.")
    manifest.complete = True
    manifest.write(folder)


def _parts_of(samples: Iterator[Sample], folder: Path, manifest: Manifest, special: list[int]) -> Iterator[Part]:
    """Yield what each shard that is still to be written is of; how many rows it will have its tokens say."""
    chained = _skip(samples, folder, manifest)
    number, first_sample, first_row = len(manifest.shards), manifest.n_samples, manifest.n_rows
    limit = manifest.max_tokens if manifest.max_tokens is not None else 2**62
    while first_row < limit and (some := _enough_for_a_shard(samples)):
        chained = _chained(chained, some)
        yield Part(number, some, first_sample, first_row, chained)
        number, first_sample = number + 1, first_sample + len(some)
        first_row += sum(int((~np.isin(one.token_ids, special)).sum()) for one in some)


def _check_texts(samples: Iterator[Sample], folder: Path, manifest: Manifest) -> None:
    """Raise ValueError where a complete recording is of other texts; those behind `max_tokens` are not looked at."""
    _skip(samples, folder, manifest)
    is_full = manifest.max_tokens is not None and manifest.n_rows >= manifest.max_tokens
    if not is_full and next(samples, None) is not None:
        raise ValueError(_other_texts(folder, "there are more than it holds"))


def _skip(samples: Iterator[Sample], folder: Path, manifest: Manifest) -> str:
    """Go past the samples of whole shards; raise ValueError where the texts are others."""
    chained = "0" * 64
    for at, shard in enumerate(manifest.shards):
        some = list(islice(samples, shard.samples))
        chained = _chained(chained, some)
        if chained != shard.texts:
            raise ValueError(_other_texts(folder, f"they differ in shard {at}"))
    return chained


def _other_texts(folder: Path, how: str) -> str:
    return (
        f"{str(folder)!r} holds a recording of other texts ({how}): give the same ones in the same order, or another "
        "folder."
    )


def _chained(before: str, samples: Iterable[Sample]) -> str:
    digest = hashlib.sha256(before.encode())
    for sample in samples:
        digest.update(np.array([sample.document, sample.start, *sample.token_ids], dtype="<i8").tobytes())
    return digest.hexdigest()


def _enough_for_a_shard(samples: Iterator[Sample]) -> list[Sample]:
    found: list[Sample] = []
    rows = 0
    for sample in samples:
        found.append(sample)
        rows += len(sample.token_ids)
        if rows >= _SHARD:
            break
    return found


def _begun(folder: Path, manifest: Manifest) -> Manifest:
    """Return the manifest of a folder to go on with, or a new one."""
    if (folder / MANIFEST).is_file():
        known = Manifest.read(folder)
        if known.settings() != manifest.settings():
            new = manifest.settings()
            old = known.settings()
            other = [
                f"{name}={old.get(name)!r}, not {new.get(name)!r}"
                for name in {**old, **new}
                if old.get(name) != new.get(name)
            ]
            raise ValueError(
                f"{str(folder)!r} holds another recording ({'; '.join(other)}): give another folder, or the arguments "
                "that it was made with."
            )
        damaged = Recording(folder, known).damaged()
        if damaged:
            known.shards = known.shards[: min(int(path.stem) for path in damaged)]
            known.complete = False
        return known
    folder.mkdir(parents=True, exist_ok=True)
    manifest.write(folder)
    return manifest


def _check_room(folder: Path, manifest: Manifest) -> None:
    if manifest.max_tokens is None:
        return
    size = {"float32": 4}.get(manifest.dtype, 2)
    width = sum(manifest.widths.values())
    wanted = (manifest.max_tokens - manifest.n_rows) * (len(manifest.layers) * width * size + 20)
    free = shutil.disk_usage(folder).free - _LEFT_FREE
    if wanted > free:
        raise ValueError(
            f"{manifest.max_tokens:,} rows of {len(manifest.layers)} layers take {wanted / 1e9:.1f} GB more, and the "
            f"disk of {str(folder)!r} has {max(0, free) / 1e9:.1f} GB: take fewer rows or layers, or another disk."
        )


def _first_of(texts: Texts, column: str) -> Iterator[str | list[int]]:
    """Return the texts, of which the first is read: what is wrong with a file is said before anything is made."""
    found = texts_of(texts, column)
    first = next(found, None)
    if first is None:
        raise ValueError("There are no texts: the list, file or data set is empty.")
    return chain([first], found)


def _checked_layers(scope: Microscope, site: str, layers: Sequence[int] | int) -> list[int]:
    last = scope.n_layers - (site != "residual")
    given = list(layers) if isinstance(layers, Iterable) else [layers]
    if not given or not all(is_whole(layer) and 0 <= layer <= last for layer in given):
        raise ValueError(f"layers= takes blocks of {scope.model_id}, 0 to {last} for {site!r}; got {layers!r}.")
    return sorted({int(layer) for layer in given})


def width_of(scope: Microscope, site: str) -> int:
    """Return the width of a row of a site."""
    if site == "z":
        return scope.n_heads * scope.anatomy.d_head
    if site == "neurons":
        return n_neurons(scope.anatomy.blocks[0])
    return scope.d_model


def _checked_context(scope: Microscope, context: int | None) -> int:
    longest = scope.anatomy.context
    if context is None:
        return min(256, longest)
    if not is_whole(context) or not 2 <= context <= longest:
        raise ValueError(f"context= is a number of tokens, 2 to {longest} for {scope.model_id}; got {context!r}.")
    return int(context)


def _checked_part(shard: Sequence[int]) -> list[int]:
    part = list(shard) if isinstance(shard, Iterable) else []
    if len(part) != 2 or not all(type(one) is int for one in part) or not 0 <= part[0] < part[1]:
        raise ValueError(f"shard= is (rank, world), such as (0, 4) for the first of four; got {shard!r}.")
    return part
