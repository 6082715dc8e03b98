"""Codes of many rows by latent: the rows that each one fires in, and those in which it is strongest."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from scope_widgets import _kernels
from scope_widgets._types import Array
from scope_widgets.features.sae.sparse_codes import SparseCodes


@dataclass(frozen=True)
class ByLatent:
    """The rows that each latent fires in, ascending.

    Attributes
    ----------
    starts : ndarray of int64 [latent + 1]
        Where each latent begins in `rows` and `values`.
    rows : ndarray of int32 [non-zero]
    values : ndarray of float32 [non-zero]
    """

    starts: Array
    rows: Array
    values: Array

    def of(self, latent: int) -> tuple[Array, Array]:
        """Return rows and values of a latent."""
        here = slice(int(self.starts[latent]), int(self.starts[latent + 1]))
        return self.rows[here], self.values[here]


def by_latent(codes: SparseCodes) -> ByLatent:
    """Return codes sorted by latent."""
    return ByLatent(*_kernels.rows_by_latent(*_arrays(codes), codes.n_latents))


def strongest(codes: SparseCodes, n: int) -> tuple[Array, Array]:
    """Return the rows in which each latent is strongest, without sorting the codes.

    Returns
    -------
    rows : ndarray of int32 [latent, n]
        The strongest first, of equal ones the smaller row; -1 where it fires in fewer.
    values : ndarray of float32 [latent, n]
    """
    return _kernels.top_rows(*_arrays(codes), codes.n_latents, n)


def _arrays(codes: SparseCodes) -> tuple[Array, Array, Array]:
    """Return where rows begin, latents and values as the kernels take them."""
    values = codes.values.detach().cpu()
    values = values if values.dtype == torch.float16 else values.float()
    arrays = codes.indptr.cpu().long(), codes.indices.cpu().int(), values
    starts, latents, strengths = (np.ascontiguousarray(one.numpy()) for one in arrays)
    return starts, latents, strengths
