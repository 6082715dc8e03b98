"""What a tokenizer makes of words and years, found by asking it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product
from typing import Any

from scope_widgets.circuits.task_vocabulary import CENTURIES
from scope_widgets.models.tokens import encode, token_texts

_DIGITS = "0123456789"


def row_of(tokenizer: Any, text: str) -> list[int]:
    """Give a text's token ids as the model gets them."""
    return encode(tokenizer, text, None)[0][0]


def put_before(tokenizer: Any) -> list[int]:
    """Give the tokens that the tokenizer puts before a text; raise ValueError where it puts some after it."""
    whole, bare = row_of(tokenizer, "The"), _bare(tokenizer, "The")
    start = len(whole) - len(bare)
    if whole[start:] != bare:
        raise ValueError(
            f"This tokenizer ends a text with {token_texts(tokenizer, whole[-1:])[0]!r}, so that no answer can come "
            "next: make it without (such as add_eos_token=False)."
        )
    return whole[:start]


def next_tokens(tokenizer: Any, text: str, more: str) -> list[int]:
    """Give the tokens that `more` adds to a text, or none where the text's own tokens change or a word is unknown."""
    before, after = row_of(tokenizer, text), row_of(tokenizer, text + more)
    added = after[len(before) :]
    if after[: len(before)] != before or not set(added).isdisjoint(tokenizer.all_special_ids):
        return []
    return added


def next_token(tokenizer: Any, text: str, more: str) -> int | None:
    """Give the one token that `more` adds to a text, or None."""
    added = next_tokens(tokenizer, text, more)
    return added[0] if len(added) == 1 else None


def knows(tokenizer: Any, pieces: Iterable[str]) -> bool:
    """Whether none of these texts has a word that the tokenizer lacks."""
    special = set(tokenizer.all_special_ids)
    return all(special.isdisjoint(_bare(tokenizer, piece)) for piece in pieces)


def words_of(tokenizer: Any) -> list[int]:
    """Give all tokens that are a word with its space, or without where none has one, in the order of their ids."""
    ids = sorted(set(tokenizer.get_vocab().values()) - set(tokenizer.all_special_ids))
    words = [(i, text) for i, text in zip(ids, token_texts(tokenizer, ids), strict=True) if _is_word(text)]
    spaced = [i for i, text in words if text.startswith(" ")]
    return spaced or [i for i, _ in words]


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
    tokens = {piece: token for piece in pieces if (token := by_piece.get(piece, _alone(tokenizer, piece))) is not None}
    # something must be later, and the corrupted year earlier
    starts = [(year, piece) for year, piece in found if low < piece < pieces[-1] and (year, low) in found]
    return Years(tokens, starts, low, rest) if starts and len(tokens) == len(pieces) else None


def _piece(tokenizer: Any, year: str, piece: str, rest: str) -> int | None:
    """Give the token that a year goes on with, where it is these digits and nothing else and `rest` is one more."""
    added = next_tokens(tokenizer, f"the year {year}", piece + rest)
    return added[0] if len(added) == 1 + len(rest) and token_texts(tokenizer, added[:1]) == [piece] else None


def _alone(tokenizer: Any, piece: str) -> int | None:
    """Give the token of digits that stand alone: GPT-2 has 1100, 1200 .. as one token, so none with "00"."""
    found = _bare(tokenizer, piece)
    return found[0] if token_texts(tokenizer, found) == [piece] else None


def _bare(tokenizer: Any, text: str) -> list[int]:
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])


def _is_word(text: str) -> bool:
    bare = text[1:] if text.startswith(" ") else text
    return len(bare) > 1 and bare.isascii() and bare.isalnum() and bare[0].isalpha()
