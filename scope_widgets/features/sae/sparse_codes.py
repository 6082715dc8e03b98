"""`SparseCodes`: which latents fire in each row, and how strongly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from scope_widgets import _kernels
from scope_widgets._check_choice import is_whole
from scope_widgets._types import Array
from scope_widgets._untrusted import opening

if TYPE_CHECKING:
    from scipy.sparse import csr_array


@dataclass(frozen=True)
class SparseCodes:
    """Activations of latents, of which few are above 0 in a row: compressed sparse rows.

    Attributes
    ----------
    indptr : Tensor of int64 [row + 1]
        Where each row begins in `indices` and `values`.
    indices : Tensor of int64 [non-zero]
        Latents, ascending within a row.
    values : Tensor of float [non-zero]
    n_latents : int

    Examples
    --------
    >>> codes = features.SparseCodes.from_dense(torch.tensor([[0.0, 2.0, 0.0], [1.0, 0.0, 3.0]]))
    >>> codes.indices.tolist(), codes.indptr.tolist(), codes.l0
    ([1, 0, 2], [0, 1, 3], 1.5)
    """

    indptr: Tensor
    indices: Tensor
    values: Tensor
    n_latents: int

    @classmethod
    def from_dense(cls, dense: Tensor) -> SparseCodes:
        """Return the codes of activations `[row, latent]`, without those that are 0."""
        rows, indices = dense.nonzero(as_tuple=True)
        counts = torch.bincount(rows, minlength=len(dense))
        return cls(_starts(counts), indices, dense[rows, indices], dense.shape[1])

    @classmethod
    def of_equal_rows(cls, indices: Tensor, values: Tensor, n_latents: int) -> SparseCodes:
        """Return the codes of `indices` and `values` `[row, k]`, without those that are 0."""
        indices, order = indices.sort(dim=1)
        values = values.gather(1, order)
        fires = values != 0
        return cls(_starts(fires.sum(1)), indices[fires], values[fires], n_latents)

    @classmethod
    def joined(cls, parts: list[SparseCodes]) -> SparseCodes:
        """Return the rows of several codes of the same latents, one after the other."""
        counts = torch.cat([one.indptr.diff() for one in parts])
        indices, values = (torch.cat([getattr(one, name) for one in parts]) for name in ("indices", "values"))
        return cls(_starts(counts), indices, values, parts[0].n_latents)

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.indptr) - 1

    def __getitem__(self, rows: slice) -> SparseCodes:
        """Return some rows, one after the other."""
        start, stop, step = rows.indices(len(self))
        if step != 1:
            raise ValueError(f"Rows of codes are taken one after the other; got a step of {step}.")
        stop = max(start, stop)
        first, last = int(self.indptr[start]), int(self.indptr[stop])
        indptr = self.indptr[start : stop + 1] - first
        return SparseCodes(indptr, self.indices[first:last], self.values[first:last], self.n_latents)

    def without_rows(self, left_out: Tensor) -> SparseCodes:
        """Return the same rows, those of `left_out` (bool `[row]`) with nothing that fires."""
        kept = ~left_out[self.rows]
        counts = self.indptr.diff() * ~left_out
        return SparseCodes(_starts(counts), self.indices[kept], self.values[kept], self.n_latents)

    @property
    def rows(self) -> Tensor:
        """The row of each value `[non-zero]`."""
        each = torch.arange(len(self), device=self.indices.device)
        return torch.repeat_interleave(each, self.indptr.diff())

    @property
    def l0(self) -> float:
        """The mean number of latents that fire in a row."""
        return len(self.indices) / max(1, len(self))

    def rates(self) -> Tensor:
        """Return the share of rows in which each latent fires, float64 `[latent]`."""
        return torch.bincount(self.indices, minlength=self.n_latents).double() / max(1, len(self))

    def to_dense(self) -> Tensor:
        """Return the activations `[row, latent]`, zeros among them."""
        dense = self.values.new_zeros(len(self), self.n_latents)
        dense[self.rows, self.indices] = self.values
        return dense

    def of_latent(self, j: int) -> Tensor:
        """Return the activation of one latent in each row `[row]`, 0 where it does not fire.

        Raises
        ------
        TypeError
            For what is no whole number.
        IndexError
            Where there is no such latent.

        Examples
        --------
        >>> features.SparseCodes.from_dense(torch.tensor([[0.0, 2.0], [1.0, 3.0]])).of_latent(1).tolist()
        [2.0, 3.0]
        """
        if not is_whole(j):
            raise TypeError(f"A latent is a whole number, 0 to {self.n_latents - 1}; got {opening(j)}.")
        if not 0 <= j < self.n_latents:
            raise IndexError(f"There is no latent {j}: there are 0 to {self.n_latents - 1}.")
        there = self.indices == int(j)
        found = self.values.new_zeros(len(self))
        found[self.rows[there]] = self.values[there]
        return found

    def top_rows(self, n: int) -> tuple[Tensor, Tensor]:
        """Return the rows in which each latent fires most, from one pass over the codes, which are not sorted.

        Parameters
        ----------
        n : int
            Rows of each latent. Memory beside the result: 8 bytes for each of them and each thread.

        Returns
        -------
        rows : Tensor of int32 [latent, n]
            The strongest first, of equal ones the smaller row; -1 where a latent fires in fewer.
        values : Tensor of float32 [latent, n]

        Raises
        ------
        ValueError
            For `n` below 1, or a value that is not finite.

        Examples
        --------
        >>> codes = features.SparseCodes.from_dense(torch.tensor([[0.0, 2.0], [1.0, 3.0], [0.0, 3.0]]))
        >>> codes.top_rows(2)[0].tolist()
        [[1, -1], [1, 2]]
        """
        rows, values = _kernels.top_rows(*self.to_numpy(), self.n_latents, n)
        return torch.from_numpy(rows), torch.from_numpy(values)

    def to_numpy(self) -> tuple[Array, Array, Array]:
        """Return `indptr` int64, `indices` int32 and `values` float32, or float16 where they are, as arrays."""
        values = self.values.detach().cpu()
        values = values if values.dtype == torch.float16 else values.float()
        arrays = self.indptr.cpu().long(), self.indices.cpu().int(), values
        indptr, indices, strengths = (np.ascontiguousarray(one.numpy()) for one in arrays)
        return indptr, indices, strengths

    def to_scipy(self) -> csr_array:
        """Return them as a `scipy.sparse.csr_array`."""
        from scipy.sparse import csr_array

        arrays = [np.asarray(one.cpu()) for one in (self.values.float(), self.indices, self.indptr)]
        return csr_array(tuple(arrays), shape=(len(self), self.n_latents))


def _starts(counts: Tensor) -> Tensor:
    return torch.cat([counts.new_zeros(1), counts.cumsum(0)])
