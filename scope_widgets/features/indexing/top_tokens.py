"""The tokens that a latent fires on more often than on others."""

from __future__ import annotations

import numpy as np

from scope_widgets._types import Array


def top_tokens(token_ids: Array, counts_of_all: Array, n_rows: int, n: int) -> tuple[Array, Array, Array]:
    """Return the tokens that a latent's rows have more of than all rows.

    Lift is the token's share of the latent's rows over its share of all rows. Tokens are sorted by `count ln(lift)`,
    the evidence that the lift is more than chance: by lift alone rare tokens that were seen once would lead.

    Parameters
    ----------
    token_ids : ndarray of int [fires]
        Of the rows that it fires in.
    counts_of_all : ndarray of int [vocabulary]
        How often each token is among all rows.
    n_rows : int
        All rows.
    n : int

    Returns
    -------
    ids, counts, lifts : ndarray [up to n]
        Only tokens whose lift is above 1, or all that there are where the latent fires everywhere.
    """
    counts = np.bincount(token_ids) if len(token_ids) > len(counts_of_all) else None
    ids, found = (
        np.unique(token_ids, return_counts=True) if counts is None else (counts.nonzero()[0], counts[counts > 0])
    )
    lifts = found / len(token_ids) * n_rows / counts_of_all[ids]
    evidence = found * np.log(lifts)
    best = np.lexsort((ids, -evidence))[:n]
    best = best[(lifts[best] > 1) | (len(token_ids) == n_rows)]
    return ids[best], found[best], lifts[best]
