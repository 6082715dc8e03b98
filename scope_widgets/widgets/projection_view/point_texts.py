"""Which token each point is, and the text around it, as bytes for the browser."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

#: tokens of all texts together
MOST_TOKENS = 1_000_000

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class PointTexts:
    """The texts of points.

    Attributes
    ----------
    samples, positions : ndarray [point]
        The text of each point and the position in it.
    words : list of str
        Every token that there is, once.
    ids : ndarray
        Which word each token is, text after text; without texts that of each point.
    starts : ndarray [text + 1]
        Where each text begins in `ids`; empty without texts.
    """

    samples: Ints
    positions: Ints
    words: list[str]
    ids: Ints
    starts: Ints

    @classmethod
    def of(cls, n: int, tokens: Any, texts: Any, samples: Any, positions: Any) -> PointTexts:
        """Read what was given, each None where nothing was.

        Raises
        ------
        TypeError
            When tokens are no texts, or numbers no integers.
        ValueError
            When these do not fit to the points, two points are of one place, or there is too much.
        """
        if tokens is not None and texts is not None:
            raise ValueError("Give tokens=, one a point, or texts= with samples= and positions=, not both.")
        if samples is not None and positions is None:
            raise ValueError("samples= says which text each point is of: give positions= too, where it is in it.")
        empty = np.zeros(0, np.int64)
        whole = [] if texts is None else [_tokens(one, "a text of texts=") for one in _items(texts, "texts=")]
        where = _places(n, samples, positions, whole, texts is not None)
        if len(np.unique(where[0] * 2**31 + where[1])) < n:
            raise ValueError("Two points are of one sample and position: a point is named by them, so give each once.")
        if texts is None:
            own = [] if tokens is None else _tokens(tokens, "tokens=")
            if tokens is not None and len(own) != n:
                raise ValueError(f"There are {n:,} points, and tokens= has {len(own):,}: give one a point.")
            words, ids = _numbered(own)
            return cls(*where, words, ids, empty)
        lengths = np.array([len(one) for one in whole], np.int64)
        if lengths.sum() > MOST_TOKENS:
            raise ValueError(
                f"The texts have {lengths.sum():,} tokens, and up to {MOST_TOKENS:,} are sent to the browser: "
                "give tokens=, one a point, or fewer texts."
            )
        if n and (where[0].max() >= len(whole) or (where[1] >= lengths[where[0]]).any()):
            raise ValueError("A point is of a text, or of a position, that texts= does not have.")
        words, ids = _numbered([token for one in whole for token in one])
        return cls(*where, words, ids, np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64))

    def token(self, point: int) -> str:
        """Return the token of a point, "" where none is known."""
        if not len(self.ids):
            return ""
        at = self.starts[self.samples[point]] + self.positions[point] if len(self.starts) else point
        return self.words[int(self.ids[at])]


def _items(given: Any, name: str) -> list[Any]:
    if isinstance(given, (str, bytes)) or not isinstance(given, Iterable):
        raise TypeError(f"{name} takes a list, not {type(given).__name__}.")
    return list(given)


def _tokens(given: Any, name: str) -> list[str]:
    found = _items(given, name)
    if wrong := [one for one in found if not isinstance(one, str)]:
        raise TypeError(f"Tokens are texts, and {name} holds {wrong[0]!r:.60}.")
    return found


def _places(n: int, samples: Any, positions: Any, texts: list[list[str]], known: bool) -> tuple[Ints, Ints]:
    if positions is None and samples is None:
        if known and sum(map(len, texts)) != n:
            raise ValueError(
                f"The texts have {sum(map(len, texts)):,} tokens and there are {n:,} points: say which token each "
                "point is, samples= and positions=."
            )
        lengths = [len(one) for one in texts] if known else [n]
        places = [np.arange(length, dtype=np.int64) for length in lengths]
        return np.repeat(np.arange(len(lengths), dtype=np.int64), lengths), np.concatenate([*places, []]).astype(int)
    given = (np.zeros(n, np.int64) if samples is None else samples, positions)
    found: list[Ints] = []
    for name, one in zip(("samples=", "positions="), given, strict=True):
        numbers = np.asarray(one)
        if numbers.shape != (n,) or numbers.dtype.kind not in "iu":
            raise ValueError(f"{name} takes one integer a point: {n:,} of them.")
        if n and (numbers.min() < 0 or numbers.max() >= 2**31):
            raise ValueError(f"{name} counts from 0.")
        found.append(numbers.astype(np.int64))
    return found[0], found[1]


def _numbered(tokens: list[str]) -> tuple[list[str], Ints]:
    number = {word: at for at, word in enumerate(dict.fromkeys(tokens))}
    return list(number), np.array([number[token] for token in tokens], np.int64)


def packed(numbers: Ints) -> bytes:
    """Return integers as uint16 where all fit, else as int32; the browser knows by the length."""
    small = not len(numbers) or numbers.max() < 2**16
    return numbers.astype("<u2" if small else "<i4").tobytes()
