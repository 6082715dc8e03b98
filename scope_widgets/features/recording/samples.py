"""Samples: pieces of texts that a model reads in one row each, always cut the same way."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from scope_widgets.models.tokens import encode

#: one of so many texts is kept for validation
_ONE_OF = 20


@dataclass(frozen=True)
class Sample:
    """What a model reads in one row.

    Attributes
    ----------
    document : int
        The number of the text, from 0.
    start : int
        Its first token's position in the text; in a packed sample that of its first text.
    token_ids : list of int
    validation : bool
        Whether it is kept for validation: all samples of a text, or none.
    """

    document: int
    start: int
    token_ids: list[int]
    validation: bool


def samples_of(
    texts: Iterable[str | list[int]], tokenizer: Any, context: int, *, packed: bool, first: int = 0, step: int = 1
) -> Iterator[Sample]:
    """Yield the samples of texts.

    Parameters
    ----------
    texts : iterable of str or list of int
    tokenizer
    context : int
        Tokens of a sample at most. A longer text is cut into several, each beginning as a text does.
    packed : bool
        Put texts one after the other so that every sample is full (but the last): attention then goes from one into
        another.
    first, step : int
        Only texts `first`, `first + step`, ...
    """
    left: list[int] = []
    place = 0, 0
    for document, text in enumerate(texts):
        if document % step != first:
            continue
        ids = text if isinstance(text, list) else encode(tokenizer, text, None)[0][0] if text.strip() else []
        if not ids:
            continue
        if not packed:
            yield from _pieces(document, ids, tokenizer, context)
            continue
        if not left:
            place = document, 0
        left += ids
        while len(left) >= context:
            yield Sample(*place, left[:context], validates(place[0]))
            place = document, len(ids) - (len(left) - context)
            left = left[context:]
    if packed and left:
        yield Sample(*place, left, validates(place[0]))


def _pieces(document: int, ids: list[int], tokenizer: Any, context: int) -> Iterator[Sample]:
    begins = ids[:1] if ids[0] == tokenizer.bos_token_id else []
    at = 0
    while at < len(ids):
        head = begins if at else []
        piece = head + ids[at : at + context - len(head)]
        yield Sample(document, at, piece, validates(document))
        at += len(piece) - len(head)


def validates(document: int) -> bool:
    """Return whether a text is kept for validation: one of 20, the same ones in every recording."""
    return hashlib.sha256(str(document).encode()).digest()[0] * _ONE_OF < 256
