"""`MappedRows`: rows that lie in several files, read where they are indexed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from torch import Tensor


class MappedRows:
    """Rows `[row, d]` that lie in several files and are read where they are indexed: by a slice, or row numbers.

    Parameters
    ----------
    parts : iterable of Tensor [row, d]
        The rows of each file, mapped.
    d : int
    dtype : torch.dtype
    """

    def __init__(self, parts: Iterable[Tensor], d: int, dtype: torch.dtype) -> None:
        self._parts = list(parts)
        self._starts = np.cumsum([0, *(len(one) for one in self._parts)])
        self._d, self.dtype = d, dtype

    @classmethod
    def joined(cls, several: list[MappedRows]) -> MappedRows:
        """Return rows of one width and dtype, one after the other."""
        parts = [part for one in several for part in one._parts]
        return cls(parts, several[0]._d, several[0].dtype)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and width."""
        return int(self._starts[-1]), self._d

    def __len__(self) -> int:
        """Return the number of rows."""
        return self.shape[0]

    def __getitem__(self, rows: Any) -> Tensor:
        """Return rows, read."""
        if isinstance(rows, slice):
            rows = np.arange(*rows.indices(len(self)))
        rows = np.asarray(rows)
        if rows.ndim == 0:
            return self[rows[None]][0]
        rows = np.where(rows < 0, rows + len(self), rows)
        if len(rows) and (rows.min() < 0 or rows.max() >= len(self)):
            raise IndexError(f"There are {len(self)} rows; asked for {rows.min()} to {rows.max()}.")
        found = torch.empty(len(rows), self._d, dtype=self.dtype)
        of = np.searchsorted(self._starts, rows, side="right") - 1
        for part in np.unique(of):
            here = np.flatnonzero(of == part)
            found[torch.from_numpy(here)] = self._parts[part][torch.from_numpy(rows[here] - self._starts[part])]
        return found

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
        """Return all rows as an array, bfloat16 as float32."""
        whole = self[:]
        array = (whole.float() if whole.dtype == torch.bfloat16 else whole).numpy()
        return array if dtype is None else array.astype(dtype)
