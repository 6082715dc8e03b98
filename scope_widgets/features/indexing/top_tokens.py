"""The tokens that latents fire on more often than on others."""

from __future__ import annotations

import numpy as np

from scope_widgets import _kernels
from scope_widgets._types import Array


def top_tokens(latents: Array, token_ids: Array, counts_of_all: Array, n: int) -> tuple[Array, Array, Array]:
    """Return the tokens that rows of some latents have more of than all rows.

    Lift is the token's share of the latent's rows over its share of all rows. Tokens are sorted by `count ln(lift)`,
    the evidence that the lift is more than chance: by lift alone rare tokens that were seen once would lead.

    Parameters
    ----------
    latents, token_ids : ndarray of int [fires]
        Latents, counted from 0, and the tokens that they fire on; each latent fires.
    counts_of_all : ndarray of int [vocabulary]
        How often each token is among all rows.
    n : int

    Returns
    -------
    ids, counts : ndarray of int [latent, n]
        Only tokens whose lift is above 1, or all that there are where the latent fires everywhere; then -1 and 0.
    lifts : ndarray of float64 [latent, n]
    """
    fires, n_rows = np.bincount(latents), int(counts_of_all.sum())
    of, ids, found = _counted(latents, token_ids, len(counts_of_all))
    lifts = found / fires[of] * n_rows / counts_of_all[ids]
    kept = (lifts > 1) | (fires[of] == n_rows)
    of, ids, found, lifts = of[kept], ids[kept], found[kept], lifts[kept]
    evidence = found * np.log(lifts)
    kept = _may_lead(of, evidence, len(fires), n)
    of, ids, found, lifts = of[kept], ids[kept], found[kept], lifts[kept]
    order = np.lexsort((ids, -evidence[kept], of))
    of = of[order]
    rank = np.arange(len(of)) - np.searchsorted(of, of)
    best = rank < n
    of, rank, order = of[best], rank[best], order[best]
    shape = len(fires), n
    out = np.full(shape, -1, dtype=np.int64), np.zeros(shape, dtype=np.int64), np.zeros(shape)
    for array, one in zip(out, (ids, found, lifts), strict=True):
        array[of, rank] = one[order]
    return out


def _counted(latents: Array, token_ids: Array, n_tokens: int) -> tuple[Array, Array, Array]:
    """Return the pairs of a latent and a token, sorted, and how often each is there."""
    pairs = np.sort(latents.astype(np.int64) * n_tokens + token_ids)
    is_new = np.concatenate([[True], pairs[1:] != pairs[:-1]])
    starts = np.flatnonzero(is_new)
    of, ids = np.divmod(pairs[starts], n_tokens)
    return of, ids, np.diff(starts, append=len(pairs))


def _may_lead(of: Array, evidence: Array, n_latents: int, n: int) -> Array:
    """Whether each pair has as much evidence as the last of the `n` leading ones of its latent, rounded.

    Few are left to sort then. Rounding to float32 keeps the order, so none that leads is lost.
    """
    rounded = evidence.astype(np.float32)
    starts = np.arange(len(of) + 1)
    rows, values = _kernels.top_rows(starts, of.astype(np.int32), rounded, n_latents, n)
    least = np.where(rows[:, -1] >= 0, values[:, -1], -np.inf)
    return rounded >= least[of]
