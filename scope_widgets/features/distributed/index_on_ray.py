"""`distributed.index`: what `features.index` does, its rows being encoded by several workers of Ray."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from scope_widgets.features.distributed.workers import mapped
from scope_widgets.features.feature_index.feature_index import FeatureIndex
from scope_widgets.features.indexing.index import ROWS, encode_part, indexed, largest_norm_of
from scope_widgets.features.recording.joined_recordings import JoinedRecordings
from scope_widgets.features.recording.recording import Recording
from scope_widgets.features.sae.sae import SAE
from scope_widgets.features.sae.sparse_codes import SparseCodes
from scope_widgets.models.microscope import Microscope


def index(
    scope: Microscope,
    sae: SAE,
    rec: Recording | Sequence[Recording],
    *,
    folder: str | Path,
    append: bool = False,
    seed: int = 0,
    progress: bool = True,
    workers: int = 2,
    cpus: int = 1,
    gpus: float = 0,
) -> FeatureIndex:
    """Index as `features.index`, rows being encoded by several processes: Ray Data's `map_batches` over actors.

    Encoding is what takes long where there are many latents. Each worker reads its rows from the recordings, which all
    machines reach by the same path, and returns the codes; here they are joined, and examples chosen. The folder is
    that of `features.index`, with the same bytes where processors and numbers of threads are the same.

    Parameters
    ----------
    scope, sae, rec, folder, append, seed, progress
        As `features.index` takes them.
    workers, cpus, gpus
        As `distributed.record` takes them; with `gpus` the SAE is on "cuda" there.

    Returns
    -------
    FeatureIndex

    Raises
    ------
    FileNotFoundError, ValueError
        As `features.index`; for a recording that a worker does not reach.
    ImportError
        Without Ray.

    Examples
    --------
    >>> from scope_widgets.features import distributed
    >>> index = distributed.index(scope, sae, rec, folder="index", workers=8)  # doctest: +SKIP
    """
    encode_parts = partial(_encode_parts, workers=workers, cpus=cpus, gpus=gpus)
    return indexed(scope, sae, rec, folder, append, seed, progress, encode_parts)


def _encode_parts(
    sae: SAE, rec: JoinedRecordings, layer: int, *, workers: int, cpus: int, gpus: float
) -> Iterator[SparseCodes]:
    sae = sae.to("cpu")
    folders = [str(one.folder.absolute()) for one in rec.parts]
    settings = {"sae": sae, "folders": folders, "layer": layer, "device": "cuda" if gpus else "cpu"}
    for found in mapped(_Encoder, settings, ({"start": at} for at in range(0, len(rec), ROWS)), workers, cpus, gpus):
        indptr, indices, values = (
            torch.from_numpy(np.frombuffer(found[name], dtype=dtype).copy())
            for name, dtype in (("indptr", np.int64), ("indices", np.int32), ("values", np.float32))
        )
        yield SparseCodes(indptr, indices, values, sae.d_sae)


class _Encoder:
    """An actor that holds the SAE and reads the rows."""

    def __init__(self, sae: SAE, folders: list[str], layer: int, device: str) -> None:
        self._sae, self._folders, self._layer = sae.to(device), folders, layer
        self._rows: Any = None
        self._largest = 0.0

    def __call__(self, start: int) -> dict[str, Any]:
        if self._rows is None:
            self._rows = self._read()
            self._largest = largest_norm_of(self._rows)
        codes = encode_part(self._sae, self._rows, start, self._largest)
        return dict(zip(("indptr", "indices", "values"), (one.tobytes() for one in codes.to_numpy()), strict=True))

    def _read(self) -> Any:
        try:
            parts = [Recording.load(folder) for folder in self._folders]
        except FileNotFoundError as error:
            raise ValueError(f"A worker does not reach a recording: {error}") from None
        for one in parts:
            one.take_as_checked()
        return JoinedRecordings(parts).rows(self._layer)
