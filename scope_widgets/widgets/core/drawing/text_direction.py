"""In which order tokens stand, as js/src/token_view/text_direction.ts has it: right-to-left scripts in theirs."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

#: "<bos>", "<0xE2>", "<U+200D>": names of what has no direction of its own
_NAMED = re.compile(r"\s*<[^<>]*>\s*")


def kind_of(token: str) -> str:
    """Return "left" or "right" of the first letter of a token; without one "number" where it has digits, or ""."""
    if _NAMED.fullmatch(token):
        return ""
    classes = [unicodedata.bidirectional(one) for one in token]
    letters = [one for one in classes if one in ("L", "R", "AL")]
    if letters:
        return "left" if letters[0] == "L" else "right"
    return "number" if any(one in ("EN", "AN") for one in classes) else ""


def directions(tokens: Sequence[str]) -> tuple[list[int], list[bool]]:
    """Return of each token its level (odd: from right to left), and whether its paragraph begins at the right edge.

    The Unicode bidirectional algorithm (UAX 9), a token taken as one character; a line end begins a paragraph.
    """
    kinds = [kind_of(token) for token in tokens]
    if "right" not in kinds:
        return [0] * len(tokens), [False] * len(tokens)
    levels: list[int] = []
    from_right: list[bool] = []
    while len(levels) < len(tokens):
        start = len(levels)
        ends = (at + 1 for at in range(start, len(tokens)) if "\n" in tokens[at])
        part = kinds[start : next(ends, len(tokens))]
        base = next((kind for kind in part if kind in ("left", "right")), "left")
        levels += _levels(part, base)
        from_right += [base == "right"] * len(part)
    return levels, from_right


def _levels(kinds: list[str], base: str) -> list[int]:
    kinds, before = list(kinds), base
    for at, kind in enumerate(kinds):
        if kind in ("left", "right"):
            before = kind
        elif kind == "number" and before == "left":  # else a number keeps the order of its digits
            kinds[at] = "left"
    sides = {"left": "left", "right": "right", "number": "right"}
    for at, kind in enumerate(kinds):
        if not kind:
            former = sides[kinds[at - 1]] if at else base
            later = next((sides[one] for one in kinds[at:] if one), base)
            end = next((to for to in range(at, len(kinds)) if kinds[to]), len(kinds))
            kinds[at:end] = [later if former == later else base] * (end - at)
    return [1 if kind == "right" else 2 if kind == "number" or base == "right" else 0 for kind in kinds]


def visual_order(levels: Sequence[int]) -> list[int]:
    """Return the places of a line as they stand from left to right: runs of each level from the highest on reversed."""
    order = list(range(len(levels)))
    for level in range(max(levels, default=0), 0, -1):
        first = 0
        while first < len(order):
            last = first
            while last < len(order) and levels[order[last]] >= level:
                last += 1
            order[first:last] = order[first:last][::-1]
            first = last + 1
    return order
