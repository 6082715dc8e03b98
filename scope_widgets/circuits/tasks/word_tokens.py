"""The tokens that a tokenizer makes of words, found by trying it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from scope_widgets.models.tokens import encode, ids_of_text, token_texts


def prompt_ids(tokenizer: Any, text: str) -> list[int]:
    """Return the token ids of a text as the model gets them, with those that the tokenizer puts before it."""
    return encode(tokenizer, text, None)[0][0]


def leading_tokens(tokenizer: Any) -> list[int]:
    """Return the tokens that the tokenizer puts before a text; raise ValueError where it puts some after it."""
    whole, bare = prompt_ids(tokenizer, "The"), bare_ids(tokenizer, "The")
    start = len(whole) - len(bare)
    if whole[start:] != bare:
        raise ValueError(
            f"This tokenizer ends a text with {token_texts(tokenizer, whole[-1:])[0]!r}, so that no answer can come "
            "next: make it without (such as add_eos_token=False)."
        )
    return whole[:start]


def next_tokens(tokenizer: Any, text: str, more: str) -> list[int]:
    """Return the tokens that `more` adds to a text, or none where the text's own tokens change or a word is unknown."""
    before, after = prompt_ids(tokenizer, text), prompt_ids(tokenizer, text + more)
    added = after[len(before) :]
    if after[: len(before)] != before or not set(added).isdisjoint(tokenizer.all_special_ids):
        return []
    return added


def next_token(tokenizer: Any, text: str, more: str) -> int | None:
    """Return the one token that `more` adds to a text, or None."""
    added = next_tokens(tokenizer, text, more)
    return added[0] if len(added) == 1 else None


def in_vocabulary(tokenizer: Any, pieces: Iterable[str]) -> bool:
    """Return whether the tokenizer lacks no word of these texts."""
    special = set(tokenizer.all_special_ids)
    return all(special.isdisjoint(bare_ids(tokenizer, piece)) for piece in pieces)


def word_tokens(tokenizer: Any) -> list[int]:
    """Return all tokens that are a word with its space, or without where none has one, in the order of their ids."""
    ids = sorted(set(tokenizer.get_vocab().values()) - set(tokenizer.all_special_ids))
    words = [(i, text) for i, text in zip(ids, token_texts(tokenizer, ids), strict=True) if _is_word(text)]
    spaced = [i for i, text in words if text.startswith(" ")]
    return spaced or [i for i, _ in words]


def bare_ids(tokenizer: Any, text: str) -> list[int]:
    """Return the token ids of a text without special tokens."""
    return ids_of_text(tokenizer, text, add_special_tokens=False)


def _is_word(text: str) -> bool:
    bare = text[1:] if text.startswith(" ") else text
    return len(bare) > 1 and bare.isascii() and bare.isalnum() and bare[0].isalpha()
