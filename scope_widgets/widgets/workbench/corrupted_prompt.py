"""The corrupted prompt of another clean one: words that were exchanged in the one are exchanged in the other."""

from __future__ import annotations

import re


def carried_over(clean: str, corrupted: str, text: str) -> str | None:
    """Return the corrupted prompt that is to `text` what `corrupted` is to `clean`.

    Parameters
    ----------
    clean, corrupted : str
        A pair.
    text : str
        Another clean prompt, with as many words as the one before.

    Returns
    -------
    str or None
        None where words came or went, or one word was exchanged for two different ones.

    Examples
    --------
    >>> carried_over("Mary and John went, John gave", "Mary and John went, Mary gave", "Anna and Paul went, Paul gave")
    'Anna and Paul went, Anna gave'
    """
    before, after, other = map(_words, (clean, text, corrupted))
    if len(before) != len(after) or len(before) != len(other):
        return None
    exchanged: dict[str, str] = {}
    for old, new in zip(before, after, strict=True):
        if exchanged.setdefault(old, new) != new:
            return None
    return "".join(exchanged.get(word, word) for word in other)


def _words(text: str) -> list[str]:
    """Return words, and what stands between them."""
    return re.findall(r"\w+|\W+", text)
