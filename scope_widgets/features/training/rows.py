"""Where the rows of training come from: a recording, or an array."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TypeAlias, cast

import numpy as np
import torch
from torch import Tensor

from scope_widgets._types import Array
from scope_widgets.features.recording.batches import shuffled_batches
from scope_widgets.features.recording.joined import JoinedRecordings, digest_of_recording
from scope_widgets.features.recording.mapped_rows import MappedRows
from scope_widgets.features.recording.recording import Recording

#: of an array's rows one of so many is kept for validation, and so many at most
_ONE_OF, _MOST = 20, 8192
#: rows that are shuffled together
_WINDOW = 2**17

#: where rows are: several recordings are read as one
Rows: TypeAlias = Recording | JoinedRecordings | Array | Tensor


def as_one(source: Recording | Sequence[Recording] | Array | Tensor) -> Rows:
    """Return several recordings as one, anything else as it is."""
    if isinstance(source, (list, tuple)) and source and all(isinstance(one, Recording) for one in source):
        return JoinedRecordings(source)
    return cast(Rows, source)  # what is no rows TrainingRows says


class TrainingRows:
    """Rows to train on, and others to validate with.

    Attributes
    ----------
    d : int
    n : int
        Rows to train on.
    first : Tensor of float32 [row, d]
        Some of them.
    validation : Tensor of float32 [row, d]
        Rows of other texts; of an array other rows.

    Raises
    ------
    TypeError, ValueError
        For what are no rows, or rows of which none is to train on.
    """

    def __init__(self, source: Rows, layer: int | None, seed: int, device: Any = None) -> None:
        rows: MappedRows | Tensor
        if isinstance(source, (Recording, JoinedRecordings)):
            layer = _one_layer(source, layer)
            rows = source.rows(layer)
            validates = source.table["split"].to_numpy() == "validation"
        elif isinstance(source, (str, Path)):
            raise TypeError(
                f"Rows to train on are a recording or an array, and {str(source)[:200]!r} is a name: give "
                "features.Recording.load(folder)."
            )
        else:
            try:
                rows = torch.as_tensor(source)
            except (TypeError, ValueError, RuntimeError):
                raise TypeError(
                    f"Rows to train on are a features.Recording, or an array [row, d]; got a {type(source).__name__}."
                ) from None
            if rows.ndim != 2 or not rows.is_floating_point() or rows.shape[0] < 2:
                raise ValueError(f"Rows to train on are numbers [row, d]; got {rows.dtype} {tuple(rows.shape)}.")
            validates = np.random.default_rng(seed).random(len(rows)) < min(1 / _ONE_OF, _MOST / len(rows))
        self._source, self._rows, self._seed, self.layer = source, rows, seed, layer
        self._chosen, others = np.flatnonzero(~validates), np.flatnonzero(validates)[:_MOST]
        if not len(self._chosen):
            raise ValueError("There are no rows to train on: all texts of this recording are for validation.")
        self.d, self.n = rows.shape[1], len(self._chosen)
        #: where rows are given; of an array where it is, unless it is said
        self.device = torch.device(device) if device is not None else getattr(rows, "device", torch.device("cpu"))
        drawn = np.random.default_rng(seed).permutation(self._chosen)[:_MOST]
        self.first = _finite(rows[np.sort(drawn)].float(), self.n).to(self.device)
        self.validation = rows[others].float().to(self.device) if len(others) else self.first[:0]

    def digest(self) -> str:
        """Return a digest of all rows: of a recording that of its shards and the layer."""
        if isinstance(self._source, JoinedRecordings):
            parts = [f"{digest_of_recording(one)} {self.layer}" for one in self._source.parts]
            return hashlib.sha256(" ".join(parts).encode()).hexdigest()
        if isinstance(self._source, Recording):
            return hashlib.sha256(f"{digest_of_recording(self._source)} {self.layer}".encode()).hexdigest()
        digest = hashlib.sha256(f"{self._rows.dtype} {tuple(self._rows.shape)}".encode())
        for start in range(0, len(self._rows), _MOST):
            digest.update(self._rows[start : start + _MOST].cpu().contiguous().view(torch.uint8).numpy().tobytes())
        return digest.hexdigest()

    def batches(self, batch: int) -> Iterator[Tensor]:
        """Yield batches `[row, d]` without end, in a random order."""
        for x in shuffled_batches(self._rows, self._chosen, batch, self._seed, _WINDOW, None):
            yield x.to(self.device)


def _one_layer(source: Recording | JoinedRecordings, layer: int | None) -> int:
    layers = source.manifest.layers
    if layer is None and len(layers) == 1:
        return layers[0]
    if layer is None:
        raise ValueError(f"This recording has layers {', '.join(map(str, layers))}: say which one, layer={layers[-1]}.")
    return int(layer)


def _finite(rows: Tensor, n: int) -> Tensor:
    """Return rows that were drawn of `n` to train on; raise ValueError where one holds a number that is not finite."""
    bad = int((~rows.isfinite()).any(1).sum())
    if bad:
        drawn = f"{len(rows):,} rows that were drawn of the {n:,}" if len(rows) < n else f"the {n:,} rows"
        raise ValueError(
            f"{bad:,} of {drawn} to train on (the others are for validation) hold a number that is not finite: leave "
            "such rows out."
        )
    return rows
