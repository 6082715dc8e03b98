"""Which latents fire together."""

from __future__ import annotations

import numpy as np

from scope_widgets import _kernels
from scope_widgets._types import Array
from scope_widgets.features.sae.sparse_codes import SparseCodes

#: latents whose partners are counted at once
_AT_ONCE = 2048


def partners(codes: SparseCodes, n: int) -> tuple[Array, Array, Array]:
    """Return the latents that fire most in the same rows, of rows by rows.

    Returns
    -------
    latents : ndarray of int32 [latent, n]
        Sorted by how many rows both fire in, -1 for none.
    together : ndarray of int32 [latent, n]
        These numbers of rows, exact below 2^24.
    alone : ndarray of int64 [latent]
        Rows in which each fires at all.
    """
    fires = codes.to_scipy()
    fires.data = np.ones(len(fires.data), dtype=np.int32)
    columns = fires.tocsc()
    latents = np.full((codes.n_latents, n), -1, dtype=np.int32)
    together = np.zeros((codes.n_latents, n), dtype=np.int32)
    by_latent = columns.T  # [latent, row], compressed by latents
    for start in range(0, codes.n_latents, _AT_ONCE):
        some = columns[:, start : start + _AT_ONCE].tocsr()
        counts = by_latent @ some  # a row for each latent that may be a partner: they ascend, which decides ties
        starts, of = counts.indptr.astype(np.int64), counts.indices.astype(np.int32)
        best, found = _kernels.top_rows(starts, of, counts.data.astype(np.float32), some.shape[1], n + 1)
        here = slice(start, start + len(best))
        latents[here], together[here] = _without(np.arange(start, start + len(best)), best, found)
    return latents, together, np.diff(columns.indptr).astype(np.int64)


def _without(own: Array, best: Array, found: Array) -> tuple[Array, Array]:
    """Return the first `n` of `best` `[latent, n + 1]` that are not the latent itself, and what was found of them."""
    order = np.argsort(best == own[:, None], axis=1, kind="stable")[:, :-1]
    return np.take_along_axis(best, order, 1), np.take_along_axis(found, order, 1)
