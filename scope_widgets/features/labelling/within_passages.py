"""How likely chance alone puts as many firings where a label says, within the passages that they are in."""

from __future__ import annotations

import numpy as np

from scope_widgets._types import Array


def p_of_hits(said: Array, fires: Array, there: Array) -> float:
    """Return the p of the number of tokens on which a label says that a latent fires, and it does.

    Under the null what fires in a passage might as well fire any number of tokens further on in it, from its end to its
    beginning again: stretches stay as long as they are, and long passages, or those about one thing, say nothing. The
    distribution of the sum over passages is exact, that of independent passages, and passages of which all or no tokens
    fire, or are named, add nothing to it.

    Parameters
    ----------
    said, fires, there : ndarray of bool [passage, scored]
        Where the label says so, where it does, and where there is a token, side by side in each passage.

    Returns
    -------
    float
        Of as many or more; at least the smallest positive float.
    """
    lengths = there.sum(1)
    hits, chances = 0, np.ones(1)
    for n in np.unique(lengths[lengths > 1]).tolist():
        of = lengths == n
        here = there[of]
        s, f = (one[of][here].reshape(-1, n) for one in (said, fires))
        moves = [0 < a < n and 0 < b < n for a, b in zip(s.sum(1), f.sum(1), strict=True)]
        s, f = s[moves], f[moves]
        turned = (np.arange(n)[:, None] + np.arange(n)) % n
        of_turns = (f[:, turned] & s[:, None]).sum(2)  # [passage, turn]
        hits += int(of_turns[:, 0].sum())
        for one in of_turns:
            chances = np.convolve(chances, np.bincount(one) / n)
    return float(np.clip(chances[hits:].sum(), np.finfo(np.float64).tiny, 1.0))
