"""What the tokens of a text say without a model: which are in it, and random labels of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from scope_widgets._types import Array

#: kinds of tokens at the positions read, below which labels of them say nothing
_KINDS = 8


def tokens_in(rows: Sequence[Sequence[int]]) -> Array:
    """Return which tokens each text has, [text, token type]: 1 or 0."""
    types = {one: at for at, one in enumerate(sorted({one for row in rows for one in row}))}
    found = np.zeros((len(rows), len(types)), dtype=np.float32)
    for at, row in enumerate(rows):
        found[at, [types[one] for one in row]] = 1
    return found


def control_labels(rows: Sequence[Sequence[int]], read: Sequence[Sequence[int]], n: int, seed: int) -> Array:
    """Return labels `[draw, text]` that are random for each token type: a control task.

    Each token type has a random number, a text the sum over the types at the positions that are read (of the whole text
    where these are of fewer than eight kinds), and the label says whether that is above the median.

    References
    ----------
    Hewitt and Liang 2019 (arXiv 1909.03368), whose control is of single words.
    """
    at_positions = [[row[at] for at in positions] for row, positions in zip(rows, read, strict=True)]
    few = len({tuple(sorted(set(row))) for row in at_positions}) < _KINDS
    present = tokens_in(rows if few else at_positions)
    sums = np.random.default_rng(seed).normal(size=(n, present.shape[1])) @ present.T
    found: Array = sums > np.median(sums, axis=1, keepdims=True)
    return found
