"""Codes of many rows by latent: the rows that each one fires in."""

from __future__ import annotations

from dataclasses import dataclass

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
    return ByLatent(*_kernels.rows_by_latent(*codes.to_numpy(), codes.n_latents))
