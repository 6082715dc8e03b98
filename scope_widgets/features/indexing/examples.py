"""Examples of what a latent fires on: the strongest, and some of each quarter of its activations, without copies."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from scope_widgets._types import Array

#: strongest examples; quarters of the activations, and examples of each
N_TOP, QUARTERS, OF_EACH = 20, 4, 3
#: tokens of a window before the one that the latent fires on, and behind it
BEFORE, BEHIND = 15, 8
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

    @cached_property
    def endings(self) -> Array:
        """A number for the last six tokens up to each row `[row]`, the same where they, or where texts begin, are."""
        of_two = self._joined(self._ids + 1, self._ids + 1, 1)
        of_four = self._joined(of_two, of_two, 2)
        return self._joined(of_two, of_four, 4)

    def _joined(self, early: Array, late: Array, distance: int) -> Array:
        """Return numbers from 1 for pairs of `early` so many rows before, 0 where the sample has none, and `late`."""
        pairs = late.astype(np.int64)
        same = self.samples[distance:] == self.samples[:-distance]
        pairs[distance:] += np.where(same, early[:-distance], 0) * (int(late.max()) + 1)
        return np.unique(pairs, return_inverse=True)[1] + 1


class Chooser:
    """Chooses examples of latents, of each with the same random numbers.

    Parameters
    ----------
    contexts : Contexts
    seed : int
    """

    def __init__(self, contexts: Contexts, seed: int) -> None:
        self._samples, self._endings = contexts.samples, contexts.endings
        self._generator = np.random.default_rng(seed)
        self._first = self._generator.bit_generator.state

    def choose(self, rows: Array) -> tuple[list[int], list[list[int]]]:
        """Return the places in `rows`, the strongest first, of top examples, and of some of each quarter of them.

        No two are of one sample, or share the last six tokens up to the one that the latent fires on: of such copies
        the strongest stands for all. Of the quarters, from the strongest down, examples are drawn at random.

        Returns
        -------
        top : list of int
            Up to N_TOP.
        of_quarters : list of lists of int
            QUARTERS of up to OF_EACH.
        """
        seen: set[int] = set()
        top = self._distinct(np.arange(min(len(rows), _MOST)), rows, seen, N_TOP)
        self._generator.bit_generator.state = self._first
        of_quarters, start = [], 0
        for quarter in range(QUARTERS):
            stop = start + len(rows) // QUARTERS + (quarter < len(rows) % QUARTERS)
            drawn = self._generator.permutation(np.arange(start, stop))[:_MOST_OF_QUARTER]
            of_quarters.append(self._distinct(drawn, rows, seen, OF_EACH))
            start = stop
        return top, of_quarters

    def _distinct(self, places: Array, rows: Array, seen: set[int], n: int) -> list[int]:
        """Return the first `n` places that are no copies of those seen, and see them."""
        found: list[int] = []
        for start in range(0, len(places), 4 * n):
            some = places[start : start + 4 * n]
            at = rows[some]
            samples, endings = self._samples[at].tolist(), self._endings[at].tolist()
            for place, sample, ending in zip(some.tolist(), samples, endings, strict=True):
                # a sample is below 0 here, an ending above
                if ~sample in seen or ending in seen:
                    continue
                seen.update((~sample, ending))
                found.append(place)
                if len(found) == n:
                    return found
        return found
