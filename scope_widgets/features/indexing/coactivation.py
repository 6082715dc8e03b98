"""Which latents fire together."""

from __future__ import annotations

import numpy as np

from scope_widgets._types import Array
from scope_widgets.features.sae.sparse_codes import SparseCodes

#: latents whose partners are counted at once
_AT_ONCE = 512


def partners(codes: SparseCodes, n: int) -> tuple[Array, Array, Array]:
    """Return the latents that fire most in the same rows, of rows by rows.

    Returns
    -------
    latents : ndarray of int32 [latent, n]
        Sorted by how many rows both fire in, -1 for none.
    together : ndarray of int32 [latent, n]
        These numbers of rows.
    alone : ndarray of int64 [latent]
        Rows in which each fires at all.
    """
    fires = codes.to_scipy()
    fires.data = np.ones(len(fires.data), dtype=np.int32)
    columns = fires.tocsc()
    latents = np.full((codes.n_latents, n), -1, dtype=np.int32)
    together = np.zeros((codes.n_latents, n), dtype=np.int32)
    for start in range(0, codes.n_latents, _AT_ONCE):
        counts = (columns[:, start : start + _AT_ONCE].T.tocsr() @ fires).tocsr()
        for row in range(counts.shape[0]):
            here = slice(counts.indptr[row], counts.indptr[row + 1])
            of, found = counts.indices[here], counts.data[here]
            of, found = of[of != start + row], found[of != start + row]
            best = np.lexsort((of, -found))[:n]
            latents[start + row, : len(best)] = of[best]
            together[start + row, : len(best)] = found[best]
    return latents, together, np.diff(columns.indptr).astype(np.int64)
