"""Token ids of texts, and the positions of them that a probe reads."""

from __future__ import annotations

from typing import Any

from scope_widgets._check_choice import is_whole
from scope_widgets.models.microscope import Microscope
from scope_widgets.models.tokens import encode


def rows_of(scope: Microscope, texts: Any, paired: bool, positions: Any) -> tuple[list[list[int]], list[list[int]]]:
    """Return the token ids of each text, or of each side of each pair, and the positions of them that are read."""
    if positions not in ("last", "mean") and not is_whole(positions):
        raise ValueError(f'positions= is "last", "mean" or a position; got {positions!r}.')
    special = set(scope.tokenizer.all_special_ids)
    rows, read = [], []
    for at, given in enumerate(texts):
        if paired and (isinstance(given, str) or len(given) != 2):
            raise ValueError(f'method="ccs" takes pairs of texts, (yes, no); text {at} is {given!r}.')
        for one in given if paired else [given]:
            try:
                found = encode(scope.tokenizer, one, None)[0]
            except ValueError as error:
                raise ValueError(f"Text {at} cannot be read: {error}") from None
            if len(found) != 1:
                raise ValueError(f"Text {at} is {len(found)} prompts, and not one: {one!r}.")
            row = [int(token) for token in found[0]]
            rows.append(row)
            read.append(_positions(row, positions, special, at))
    return rows, read


def _positions(row: list[int], positions: Any, special: set[int], text: int) -> list[int]:
    if positions == "mean":
        ordinary = [at for at in range(1, len(row)) if row[at] not in special]
        return ordinary or [len(row) - 1]
    at = len(row) - 1 if positions == "last" else int(positions)
    if not -len(row) <= at < len(row):
        raise ValueError(f"positions={positions!r}: text {text} has {len(row)} tokens. Leave it and its label out.")
    return [at % len(row)]
