"""Where the rows of training come from: a recording or an array, and of a transcoder two of them."""

from __future__ import annotations

import hashlib
import operator
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias, cast

import numpy as np
import torch
from torch import Tensor

from scope_widgets._check_choice import is_whole
from scope_widgets._types import Array
from scope_widgets.experiments.massive_activations import largest_norm
from scope_widgets.features.recording.batches import shuffled_batches
from scope_widgets.features.recording.joined_recordings import JoinedRecordings, digest_of_recording
from scope_widgets.features.recording.mapped_rows import MappedRows
from scope_widgets.features.recording.recording import Recording
from scope_widgets.models.checked_device import checked_device

#: of an array's rows one of so many is kept for validation, and so many at most
_ONE_OF, _MOST = 20, 8192
#: rows that are shuffled together
_WINDOW = 2**17

#: what is trained on, and what the output is to be: the same, or another array, recording, or the target of a recording
Source: TypeAlias = Recording | JoinedRecordings | Array | Tensor
Target: TypeAlias = str | Recording | Array | Tensor | None
#: inputs [row, d], and what is to be made of them [row, d_out]
Pair: TypeAlias = tuple[Tensor, Tensor]


def as_one(source: Recording | Sequence[Recording] | Array | Tensor) -> Source:
    """Return several recordings as one, anything else as it is."""
    if isinstance(source, (list, tuple)) and (not source or any(isinstance(one, Recording) for one in source)):
        return JoinedRecordings(source)
    return cast(Source, source)  # what is no rows TrainingRows says


class TrainingRows:
    """Rows to train on, and others to validate with.

    Attributes
    ----------
    d : int
    n : int
        Rows to train on.
    n_massive : int
        Rows that would be too, but for their norm or that of their target (`experiments/massive_activations.py`).
    layer : int or None
        Of a recording.
    sites : (str, str)
        What is encoded, and what the output is to be; of arrays with a target those of an MLP.
    model : str
        That a recording is of.
    transcodes : bool
        Whether there is a target.
    first : pair of Tensor of float32, [row, d] and [row, d_out]
        Some of them, and what is to be made of them; of an autoencoder the same.
    validation : pair of Tensor of float32
        Rows of other texts; of an array other rows.

    Raises
    ------
    TypeError, ValueError
        For what are no rows, or rows of which none is to train on.
    """

    def __init__(self, source: Source, layer: int | None, seed: int, target: Target = None, device: Any = None) -> None:
        if layer is not None and not is_whole(layer):
            raise TypeError(f"layer= is a whole number; got {layer!r}.")
        layer = None if layer is None else operator.index(layer)
        rows: MappedRows | Tensor
        targets: MappedRows | Tensor | None
        if isinstance(source, (Recording, JoinedRecordings)):
            layer = _one_layer(source, layer)
            rows = source.rows(layer)
            validates = source.table["split"].to_numpy() == "validation"
            targets, site = _targets_of_recording(source, target, layer)
            self.sites, self.model = (source.manifest.site, site), source.manifest.model
        else:
            rows = _array(source, "Rows to train on")
            validates = np.random.default_rng(seed).random(len(rows)) < min(1 / _ONE_OF, _MOST / len(rows))
            targets = _targets_of_array(rows, target)
            self.sites = ("residual", "residual") if targets is None else ("mlp_in", "mlp_out")
            self.model = ""
        self._source, self._target, self._seed, self.layer = source, target, seed, layer
        self.transcodes = targets is not None
        self._rows = rows if targets is None else _SideBySide(rows, targets)
        self._given = [rows] if targets is None else [rows, targets]
        self._chosen, others = np.flatnonzero(~validates), np.flatnonzero(validates)[:_MOST]
        if not len(self._chosen):
            raise ValueError("There are no rows to train on: all texts of this recording are for validation.")
        #: where rows are given; of an array where it is, unless it is said
        self.device = checked_device(getattr(rows, "device", "cpu") if device is None else device)
        if self.device.type == "meta":
            raise ValueError("Rows on the device 'meta' have no numbers to train on.")
        drawn = np.random.default_rng(seed).permutation(self._chosen)[:_MOST]
        first = self._rows[np.sort(drawn)].float()
        ordinary = _ordinary(self._given, first)
        self.n_massive = int((~ordinary[self._chosen]).sum())
        self._chosen, others = (some[ordinary[some]] for some in (self._chosen, others))
        self.d, self.n = rows.shape[1], len(self._chosen)
        self.first = self._pair(first[torch.from_numpy(ordinary[np.sort(drawn)])])
        self.validation = self._pair(self._rows[others].float() if len(others) else first[:0])

    def _pair(self, rows: Tensor) -> Pair:
        rows = rows.to(self.device)
        return (rows[:, : self.d].contiguous(), rows[:, self.d :].contiguous()) if self.transcodes else (rows, rows)

    @cached_property
    def digest(self) -> str:
        """A digest of all rows: of a recording that of its shards and the layer."""
        if isinstance(self._source, (Recording, JoinedRecordings)):
            of = self._source.parts if isinstance(self._source, JoinedRecordings) else [self._source]
            recordings = [one for one in (*of, self._target) if isinstance(one, Recording)]
            name = f" {self._target}" if isinstance(self._target, str) else ""
            said = f"{' '.join(map(digest_of_recording, recordings))} {self.layer}{name}"
            return hashlib.sha256(said.encode()).hexdigest()
        digest = hashlib.sha256()
        for rows in self._given:
            digest.update(f"{rows.dtype} {tuple(rows.shape)}".encode())
            for start in range(0, len(rows), _MOST):
                digest.update(rows[start : start + _MOST].cpu().contiguous().view(torch.uint8).numpy().tobytes())
        return digest.hexdigest()

    def batches(self, batch: int) -> Iterator[Pair]:
        """Yield batches without end, in a random order."""
        yield from map(self._pair, shuffled_batches(self._rows, self._chosen, batch, self._seed, _WINDOW, None))


class _SideBySide:
    """Rows and what is to be made of them in one row `[row, d + d_out]`, read where they are indexed."""

    def __init__(self, rows: MappedRows | Tensor, targets: MappedRows | Tensor) -> None:
        self._parts = rows, targets

    def __len__(self) -> int:
        return len(self._parts[0])

    def __getitem__(self, rows: Any) -> Tensor:
        return torch.cat([part[rows] for part in self._parts], 1)


def _array(given: Any, what: str) -> Tensor:
    """Return an array as a tensor; raise TypeError or ValueError where it is none."""
    if isinstance(given, (str, Path)):
        raise TypeError(
            f"{what} are a recording or an array, and {str(given)[:200]!r} is a name: give "
            "features.Recording.load(folder)."
        )
    try:
        rows = torch.as_tensor(given)
    except (TypeError, ValueError, RuntimeError):
        raise TypeError(
            f"{what} are a features.Recording, or an array [row, d]; got a {type(given).__name__}."
        ) from None
    if rows.ndim != 2 or not rows.is_floating_point() or rows.shape[0] < 2:
        raise ValueError(f"{what} are numbers [row, d]; got {rows.dtype} {tuple(rows.shape)}.")
    return rows


def _targets_of_array(rows: Tensor, target: Target) -> Tensor | None:
    if target is None:
        return None
    if isinstance(target, (Recording, str)):
        raise TypeError(
            f"target= of rows in an array is an array too, [row, d_out]; got a {type(target).__name__}: give both as "
            "arrays, or both as recordings."
        )
    targets = _array(target, "The targets of rows")
    if len(targets) != len(rows):
        raise ValueError(f"target= has a row for each row to train on; got {len(targets):,} for {len(rows):,}.")
    return targets.to(rows.device)


def _targets_of_recording(
    source: Recording | JoinedRecordings, target: Target, layer: int
) -> tuple[MappedRows | None, str]:
    """Return the rows that are to be made of those of a recording, and their site."""
    of = source.manifest
    if target is None:
        return None, of.site
    if target == of.site or (isinstance(target, Recording) and target.manifest.site == of.site):
        raise ValueError(f"Source and target are both of {of.site!r}: without target= an autoencoder is trained.")
    if isinstance(target, str):
        if target != of.target:
            there = f"holds {' and '.join(of.widths)}"
            raise ValueError(
                f"target={target!r} is not what this recording has beside {of.site!r}: it {there}. Record both in one "
                f"forward, with site={of.site!r} and target={target!r}."
            )
        return source.rows(layer, target), target
    if not isinstance(target, Recording) or isinstance(source, JoinedRecordings):
        raise TypeError(
            "target= of a recording is the name of its target, or a recording of the same texts, of several "
            f"recordings the name; got a {type(target).__name__}."
        )
    models = [(rec.manifest.model, rec.manifest.revision) for rec in (source, target)]
    if models[0] != models[1]:
        raise ValueError(f"Source and target are of one model; these are of {models[0][0]} and {models[1][0]}.")
    columns = ["sample_id", "token_pos", "token_id"]
    texts = [[one.texts for one in rec.manifest.shards[-1:]] for rec in (source, target)]
    if texts[0] != texts[1] or not source.table[columns].equals(target.table[columns]):
        raise ValueError("Source and target are recordings of other texts or tokens: record both with one call.")
    return target.rows(layer), target.manifest.site


def _one_layer(source: Recording | JoinedRecordings, layer: int | None) -> int:
    layers = source.layers
    if layer is None and len(layers) == 1:
        return layers[0]
    if layer is None:
        raise ValueError(f"This recording has layers {', '.join(map(str, layers))}: say which one, layer={layers[-1]}.")
    return layer


def _ordinary(given: list[MappedRows | Tensor], some: Tensor) -> Array:
    """Return which rows are not massive, bool `[row]`; `some` `[row, d + d_out]` are rows of all that is given.

    Raises
    ------
    ValueError
        Where a row holds a number that is not finite.
    """
    ordinary, finite = np.ones((2, len(given[0])), dtype=bool)
    parts = torch.split(some, [one.shape[1] for one in given], dim=1)
    for rows, part in zip(given, parts, strict=True):
        largest = largest_norm(part[part.isfinite().all(1)])
        for start in range(0, len(rows), _MOST):
            norms = rows[start : start + _MOST].float().norm(dim=1)
            ordinary[start : start + _MOST] &= (norms <= largest).cpu().numpy()
            finite[start : start + _MOST] &= norms.isfinite().cpu().numpy()
    if bad := int((~finite).sum()):
        raise ValueError(f"{bad:,} of the {len(finite):,} rows hold a number that is not finite: leave such rows out.")
    return ordinary
