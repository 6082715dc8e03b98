"""How a tokenizer writes years, found by trying it."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Any

from scope_widgets.circuits.tasks.vocabulary import CENTURIES
from scope_widgets.circuits.tasks.word_tokens import bare_ids, next_tokens
from scope_widgets.models.tokens import token_texts

_DIGITS = "0123456789"


@dataclass(frozen=True)
class Years:
    """How a tokenizer writes years: digits that are shown, then a piece that decides, then what is left, all 9.

    Attributes
    ----------
    tokens : dict of piece to token
        All deciding pieces, of one width.
    starts : list of (shown, piece)
        Start years that are written so, as is the corrupted one beside each.
    low : str
        The piece of corrupted years.
    rest : str
    """

    tokens: dict[str, int]
    starts: list[tuple[str, str]]
    low: str
    rest: str


def years_of(tokenizer: Any) -> Years | None:
    """Find how a tokenizer writes years: by twos (GPT-2), one by one (Llama 2), three and one (Llama 3), or None."""
    for n_shown, width in ((2, 2), (2, 1), (3, 1)):
        years = _years_so(tokenizer, n_shown, width)
        if years is not None:
            return years
    return None


def _years_so(tokenizer: Any, n_shown: int, width: int) -> Years | None:
    shown = [century + more for century in CENTURIES for more in (_DIGITS if n_shown == 3 else [""])]
    pieces = ["".join(digits) for digits in product(_DIGITS, repeat=width)]
    low, rest = pieces[width - 1], "9" * (4 - n_shown - width)  # "01" or "0"
    found = {
        (year, piece): token
        for year, piece in product(shown, pieces)
        if (token := _piece(tokenizer, year, piece, rest)) is not None
    }
    by_piece = {piece: token for (_, piece), token in found.items()}
    tokens = {
        piece: token
        for piece in pieces
        if (token := by_piece.get(piece, _token_of_digits(tokenizer, piece))) is not None
    }
    # something must be later, and the corrupted year earlier
    starts = [(year, piece) for year, piece in found if low < piece < pieces[-1] and (year, low) in found]
    return Years(tokens, starts, low, rest) if starts and len(tokens) == len(pieces) else None


def _piece(tokenizer: Any, year: str, piece: str, rest: str) -> int | None:
    """Return the token that a year goes on with, where it is these digits and nothing else and `rest` is one more."""
    added = next_tokens(tokenizer, f"the year {year}", piece + rest)
    return added[0] if len(added) == 1 + len(rest) and token_texts(tokenizer, added[:1]) == [piece] else None


def _token_of_digits(tokenizer: Any, piece: str) -> int | None:
    """Return the token of digits by themselves: GPT-2 has 1100, 1200 .. as one token, so none with "00"."""
    found = bare_ids(tokenizer, piece)
    return found[0] if token_texts(tokenizer, found) == [piece] else None
