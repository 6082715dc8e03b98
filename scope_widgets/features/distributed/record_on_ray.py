"""`distributed.record`: what `features.record` does, by several workers of Ray."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from inspect import signature
from pathlib import Path
from typing import Any

from scope_widgets._untrusted import opening
from scope_widgets.features.distributed.recipe import recipe_of
from scope_widgets.features.distributed.workers import mapped
from scope_widgets.features.recording.manifest import MANIFEST, Manifest, RecordedSite, Shard
from scope_widgets.features.recording.record import Part, Precision, manifest_of, recorded, write_part
from scope_widgets.features.recording.recording import Recording
from scope_widgets.features.recording.samples import Sample
from scope_widgets.features.recording.shards import name_of
from scope_widgets.features.recording.texts import Texts
from scope_widgets.models.microscope import Microscope


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
    progress: bool = True,
    workers: int = 2,
    cpus: int = 1,
    gpus: float = 0,
    load: Mapping[str, Any] | None = None,
) -> Recording:
    """Record as `features.record`, by several processes: Ray Data's `map_batches` over actors that hold the model.

    Each worker loads the model by the name that it was loaded by here, runs whole shards, and writes them to the
    folder, which all machines reach by the same path. Here the texts are cut into tokens, all before the first shard
    is run (4 bytes a token in Ray's store of objects), and the manifest is written. The folder is that of
    `features.record`, with the same bytes where processors and numbers of threads are the same; either goes on with
    what the other began.

    Parameters
    ----------
    scope : Microscope
        As `Microscope.load` loaded it.
    texts, layers, folder, site, target, dtype, max_tokens, context, packed, special_tokens, column, progress
        As `features.record` takes them.
    workers : int, default 2
        Processes that hold the model, on the cluster that this process has joined (`ray.init`), or that RAY_ADDRESS
        names; where there is none, on this machine, where Ray then listens on 127.0.0.1 only.
    cpus : int, default 1
        Cores of a worker, and its threads.
    gpus : float, default 0
        GPUs of a worker.
    load : mapping, optional
        What `Microscope.load` takes in a worker where it differs, such as `{"device": "cuda"}`.

    Returns
    -------
    Recording

    Raises
    ------
    ValueError, FileNotFoundError
        As `features.record`; for a model that was not loaded by a name, or a folder that a worker does not reach.
    ImportError
        Without Ray.

    Examples
    --------
    >>> from scope_widgets.features import distributed
    >>> rec = distributed.record(scope, "texts.jsonl", layers=2, folder="rec", workers=8)  # doctest: +SKIP
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
    )
    load = {} if load is None else load
    if not isinstance(load, Mapping) or not set(load) <= set(signature(Microscope.load).parameters):
        raise TypeError(f"load= has arguments of Microscope.load, such as {{'device': 'cuda'}}; got {opening(load)}.")
    recipe = recipe_of(scope, **load)
    write_parts = partial(_write_parts, recipe=recipe, workers=workers, cpus=cpus, gpus=gpus)
    return recorded(scope, texts, manifest, folder, column, progress, write_parts)


def _write_parts(
    scope: Microscope,
    parts: Iterator[Part],
    folder: Path,
    manifest: Manifest,
    *,
    recipe: dict[str, Any],
    workers: int,
    cpus: int,
    gpus: float,
) -> Iterator[Shard]:
    folder = folder.absolute()
    settings = {"recipe": recipe, "folder": str(folder), "expected": manifest.settings()}
    for found in mapped(_Recorder, settings, (asdict(part) for part in parts), workers, cpus, gpus):
        path = folder / name_of(found["number"])
        if not path.is_file():
            raise FileNotFoundError(f"A worker wrote {str(path)!r}, which is not there: {_SHARED}")
        yield Shard(**found["shard"])


_SHARED = "give a folder that all machines reach by the same path."


class _Recorder:
    """An actor that holds the model and writes shards."""

    def __init__(self, recipe: dict[str, Any], folder: str, expected: dict[str, Any]) -> None:
        self._scope = Microscope.load(**recipe)
        self._folder, self._manifest = Path(folder), Manifest(**expected)

    def __call__(self, samples: list[dict[str, Any]], **part: Any) -> dict[str, Any]:
        if not (self._folder / MANIFEST).is_file():
            raise ValueError(f"A worker does not find the recording in {str(self._folder)!r}: {_SHARED}")
        loaded = self._scope.model_id, self._scope.revision
        if loaded != (self._manifest.model, self._manifest.revision):
            raise ValueError(
                f"A worker loaded {loaded[0]} (revision {loaded[1]}), and here it is {self._manifest.model} (revision "
                f"{self._manifest.revision}): give all machines the same."
            )
        whole = Part(samples=[Sample(**one) for one in samples], **part)
        return {"number": whole.number, "shard": asdict(write_part(self._scope, whole, self._folder, self._manifest))}
