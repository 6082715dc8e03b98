"""Seeds: whole numbers, drawn where none is given, so that a result can say which."""

from __future__ import annotations

import operator
import secrets
from typing import Any

#: one more than the largest seed that everything which draws here can take
_END = 2**63


def seed_of(seed: Any) -> int:
    """Return a seed as it was given, or for None one that is drawn.

    Raises
    ------
    ValueError
        Where it is no whole number from 0 to 2**63 - 1.

    Examples
    --------
    >>> seed_of(3)
    3
    >>> 0 <= seed_of(None) < 2**32
    True
    """
    if seed is None:
        return secrets.randbits(32)
    try:
        number = -1 if isinstance(seed, bool) else operator.index(seed)
    except TypeError:
        number = -1
    if not 0 <= number < _END:
        raise ValueError(
            f"seed= is a whole number from 0 to 2**63 - 1, or None for one that is drawn and recorded; got {seed!r}."
        )
    return number
