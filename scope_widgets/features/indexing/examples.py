"""Examples of what a latent fires on: the strongest, and some of each quarter of its activations, without copies."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from scope_widgets._types import Array

#: strongest examples; quarters of the activations, and examples of each
N_TOP, QUARTERS, OF_EACH = 20, 4, 3
#: tokens of a window before the one that the latent fires on, and behind it
BEFORE, BEHIND = 15, 8
#: tokens, the last of them that of the example, that no two examples may share
_SAME = 6
#: how many rows are looked at for the strongest, and in a quarter
_MOST, _MOST_OF_QUARTER = 2000, 60


class Contexts:
    """The tokens around each row of a recording.

    Parameters
    ----------
    samples, token_ids : ndarray [row]
        As in the table of a recording: rows of one sample lie one after the other.
    """

    def __init__(self, samples: Array, token_ids: Array) -> None:
        self.samples, self._ids = samples, token_ids.astype(np.int32)

    def windows(self, rows: Array, before: int = BEFORE, behind: int = BEHIND) -> Array:
        """Return the token ids around rows `[row, before + 1 + behind]`, -1 where the sample has none."""
        at = np.asarray(rows)[:, None] + np.arange(-before, behind + 1)
        inside = (at >= 0) & (at < len(self._ids))
        at = np.clip(at, 0, len(self._ids) - 1)
        inside &= self.samples[at] == self.samples[rows][:, None]
        return np.where(inside, self._ids[at], -1).astype(np.int32)


def choose(rows: Array, values: Array, contexts: Contexts, seed: int) -> tuple[Array, Array]:
    """Return the places in `rows` of the strongest examples, and of some of each quarter of the activations.

    No two are of one sample, or share the last tokens up to the one that the latent fires on: of such copies the
    strongest stands for all. Of the quarters, from the strongest down, examples are drawn at random.

    Returns
    -------
    top : ndarray of int [up to N_TOP]
    of_quarters : ndarray of int [QUARTERS, OF_EACH]
        -1 where a quarter has no more.
    """
    order = np.lexsort((rows, -values))
    seen: set[object] = set()
    top = _distinct(order[:_MOST], rows, contexts, seen, N_TOP)
    generator = np.random.default_rng(seed)
    of_quarters = np.full((QUARTERS, OF_EACH), -1)
    for number, part in enumerate(np.array_split(order, QUARTERS)):
        found = _distinct(generator.permutation(part)[:_MOST_OF_QUARTER], rows, contexts, seen, OF_EACH)
        of_quarters[number, : len(found)] = found
    return np.array(top, dtype=np.int64), of_quarters


def _distinct(places: Iterable[int], rows: Array, contexts: Contexts, seen: set[object], n: int) -> list[int]:
    """Return the first `n` places that are no copies of those seen, and see them."""
    found: list[int] = []
    places = np.asarray(places, dtype=np.int64)
    for start in range(0, len(places), 4 * n):
        some = places[start : start + 4 * n]
        windows = contexts.windows(rows[some], _SAME - 1, 0)
        for place, sample, window in zip(some.tolist(), contexts.samples[rows[some]].tolist(), windows, strict=True):
            key = window.tobytes()
            if sample in seen or key in seen:
                continue
            seen.update((sample, key))
            found.append(place)
            if len(found) == n:
                return found
    return found
