"""Rows of a recording in a random order, without holding all of them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

#: rows that are read together
BLOCK = 256


class Rows(Protocol):
    """Rows that are read where they are indexed by their numbers."""

    def __len__(self) -> int:
        """Return the number of rows."""

    def __getitem__(self, rows: Any, /) -> Tensor:
        """Return some of them."""


def shuffled_batches(
    rows: Rows,
    chosen: np.ndarray[Any, Any] | None,
    batch: int,
    seed: int,
    window: int,
    epochs: int | None,
) -> Iterator[Tensor]:
    """Yield batches of the `chosen` rows, see `Recording.batches`."""
    chosen = np.arange(len(rows)) if chosen is None else chosen
    if batch < 1 or window < 1:
        raise ValueError(f"batch= and window= are numbers of rows from 1; got {batch} and {window}.")
    if len(chosen) < batch:
        raise ValueError(f"There are {len(chosen)} rows, fewer than a batch of {batch}.")
    generator = np.random.default_rng(seed)
    left = torch.empty(0)
    for _ in itertools.count() if epochs is None else range(epochs):
        starts = generator.permutation(np.arange(0, len(chosen), BLOCK))
        for at in range(0, len(starts), max(1, window // BLOCK)):
            blocks = [chosen[start : start + BLOCK] for start in starts[at : at + max(1, window // BLOCK)]]
            # read in the order of the disk, then shuffled
            some = rows[np.sort(np.concatenate(blocks))]
            some = some[torch.from_numpy(generator.permutation(len(some)))]
            left = torch.cat([left.to(some.dtype), some]) if len(left) else some
            yield from torch.split(left[: len(left) // batch * batch], batch)
            left = left[len(left) // batch * batch :]
