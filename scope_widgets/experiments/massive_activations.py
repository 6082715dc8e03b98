"""Rows of massive norm: those of a few tokens, the first of a text above all, that heads attend to for want of another.

Their norms are a hundred times those of others (Sun et al. 2024, arXiv 2402.17762). A sum of squares over rows is
theirs alone: an autoencoder would learn a handful of tokens, and "variance explained" would be of them. So they are
neither trained on, measured nor indexed, as special tokens are not.
"""

from __future__ import annotations

from torch import Tensor

#: a row is massive whose norm is more than so many times the median
MASSIVE = 10.0


def largest_norm(rows: Tensor) -> float:
    """Return the norm above which a row is massive, from some rows `[row, d]`."""
    return largest_of_norms(rows.float().norm(dim=-1))


def largest_of_norms(norms: Tensor) -> float:
    """Return the norm above which a row is massive, from the norms of some rows `[row]`."""
    return MASSIVE * float(norms.median()) if len(norms) else float("inf")


def is_massive(rows: Tensor, largest: float) -> Tensor:
    """Return which rows `[..., d]` are massive, bool `[...]`."""
    norms: Tensor = rows.float().norm(dim=-1)
    return norms > largest
