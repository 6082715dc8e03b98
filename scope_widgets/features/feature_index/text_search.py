"""Which rows of tokens hold a text, whatever the tokens that it is spread over."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from scope_widgets._types import Array

#: rows that are gone through at once
_ROWS = 2**16


def rows_with_text(rows: Array, texts: Mapping[int, str], wanted: str) -> Array:
    """Return whether the joined texts of tokens hold a text.

    A row is gone through token by token, with the number of characters of `wanted` that its end so far matches (as in
    Knuth, Morris and Pratt); what each token makes of each such number is known before.

    Parameters
    ----------
    rows : ndarray of int [row, position]
        Token ids; those without a text, such as -1, are empty.
    texts : mapping of token id to str
    wanted : str
        Not empty.

    Returns
    -------
    ndarray of bool [row]
    """
    ids = np.array(sorted(texts), dtype=np.int64)
    after = np.concatenate([_after_tokens([texts[int(one)] for one in ids], wanted), _unchanged(wanted)], 1)
    found = np.zeros(len(rows), dtype=bool)
    for start in range(0, len(rows), _ROWS):
        some = rows[start : start + _ROWS]
        at = np.searchsorted(ids, some).clip(0, max(0, len(ids) - 1))
        at = np.where(ids[at] == some, at, len(ids)) if len(ids) else np.zeros(some.shape, dtype=np.int64)
        state = np.zeros(len(some), dtype=np.int64)
        for position in range(rows.shape[1]):
            state = after[state, at[:, position]]
        found[start : start + _ROWS] = state == len(wanted)
    return found


def _unchanged(wanted: str) -> Array:
    return np.arange(len(wanted) + 1)[:, None]


def _after_tokens(texts: list[str], wanted: str) -> Array:
    """Return how many characters match after each token, `[characters that matched before, token]`."""
    letters = {letter: at for at, letter in enumerate(dict.fromkeys(wanted), 1)}
    longest = max(map(len, texts), default=0)
    codes = np.full((len(texts), longest), -1)  # behind the end
    for row, text in enumerate(texts):
        codes[row, : len(text)] = [letters.get(letter, 0) for letter in text]
    step = _after_letters(wanted, letters)
    after = np.empty((len(wanted) + 1, len(texts)), dtype=np.int64)
    for before in range(len(wanted) + 1):
        state = np.full(len(texts), before)
        for position in range(longest):
            code = codes[:, position]
            state = np.where(code < 0, state, step[state, code])
        after[before] = state
    return after


def _after_letters(wanted: str, letters: Mapping[str, int]) -> Array:
    """Return how many characters match after one more letter, `[matched before, letter]`; a whole match stays."""
    step = np.zeros((len(wanted) + 1, len(letters) + 1), dtype=np.int64)
    for matched in range(len(wanted)):
        for letter, at in letters.items():
            said = wanted[:matched] + letter
            step[matched, at] = next(n for n in range(len(said), -1, -1) if said.endswith(wanted[:n]))
    step[len(wanted)] = len(wanted)
    return step
