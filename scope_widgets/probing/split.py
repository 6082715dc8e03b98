"""Which prompts are fitted and which are held out, inner folds, and labels permuted as they could have fallen."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np

from scope_widgets._types import Array


def groups_of(ids: Sequence[Hashable], groups: Sequence[Any] | None) -> Array:
    """Return the number of each text's group: those of the same tokens, or of one given group, are together."""
    owner = list(range(len(ids)))

    def first(at: int) -> int:
        while owner[at] != at:
            owner[at] = owner[owner[at]]
            at = owner[at]
        return at

    for keys in (ids, () if groups is None else groups):
        seen: dict[Hashable, int] = {}
        for at, key in enumerate(keys):
            one, other = first(at), first(seen.setdefault(key, at))
            owner[max(one, other)] = min(one, other)
    return np.unique([first(at) for at in range(len(ids))], return_inverse=True)[1]


def held_out_texts(labels: Array, groups: Array, share: float, seed: int) -> Array:
    """Return which texts are held out: a share of the groups of each class, and of those of both classes."""
    rng = np.random.default_rng(seed)
    chosen: list[int] = []
    for some in _strata(labels, groups):
        chosen += rng.permutation(some)[: round(share * len(some))].tolist()
    held: Array = np.isin(groups, chosen)
    return held


def folds(labels: Array, groups: Array, n: int, seed: int) -> Array:
    """Return the fold of each text, groups together, each class spread over all."""
    rng = np.random.default_rng(seed)
    fold_of = np.zeros(groups.max() + 1, dtype=np.int64)
    at = 0
    for some in _strata(labels, groups):
        fold_of[rng.permutation(some)] = np.arange(at, at + len(some)) % n
        at += len(some)
    return fold_of[groups]


def permuted(labels: Array, groups: Array, parts: Array, n: int, seed: int) -> Array:
    """Return labels `[n, text]` as they could have fallen by chance, within each of the parts.

    Groups of one label exchange it with each other; within a group of both labels its texts do.
    """
    rng = np.random.default_rng(seed)
    found = np.repeat(labels[None], n, 0)
    for part in np.unique(parts):
        within = np.flatnonzero(parts == part)
        no, yes, both = _strata(labels[within], groups[within])
        whole = np.concatenate([no, yes])
        of_whole = np.repeat([False, True], [len(no), len(yes)])
        label_of = np.zeros(groups.max() + 1, dtype=bool)
        texts = within[np.isin(groups[within], whole)]
        inside = [within[groups[within] == one] for one in both]
        for draw in found:
            label_of[whole] = rng.permutation(of_whole)
            draw[texts] = label_of[groups[texts]]
            for some in inside:
                draw[some] = rng.permutation(labels[some])
    return found


def least_groups(labels: Array, groups: Array) -> int:
    """Return how many groups the class has that has fewer."""
    return min(len(np.unique(groups[labels == value])) for value in (False, True))


def _strata(labels: Array, groups: Array) -> tuple[Array, Array, Array]:
    """Return the groups that are all of the first class, all of the second, and of both."""
    no, yes = (np.unique(groups[labels == value]) for value in (False, True))
    return np.setdiff1d(no, yes), np.setdiff1d(yes, no), np.intersect1d(no, yes)
