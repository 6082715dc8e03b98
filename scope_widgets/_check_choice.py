"""Closed choices, which are `Literal` types, and numbers of things, checked at run time."""

from __future__ import annotations

import operator
import typing
from typing import Any


def choices(literal: Any) -> tuple[str, ...]:
    """Return the words of a `Literal` type, in their order."""
    return typing.get_args(literal)


def check_choice(name: str, value: object, literal: Any, or_else: str = "") -> None:
    """Raise ValueError where `value` is none of the words of a `Literal` type.

    Parameters
    ----------
    name : str
        What the argument is called, such as "over".
    value : object
        What was given.
    literal : a `Literal` type
    or_else : str, default ""
        What may be given instead of a word, such as "a function of the logits".
    """
    words = choices(literal)
    if not isinstance(value, str) or value not in words:
        instead = f", or {or_else}" if or_else else ""
        raise ValueError(f"{name}= is one of {', '.join(words)}{instead}; got {value!r}.")


def checked_count(name: str, value: Any) -> int:
    """Return a number of things; raise ValueError where it is no whole number from 1.

    Parameters
    ----------
    name : str
        What the argument is called.
    value : object
        What was given.

    Examples
    --------
    >>> checked_count("n", 3)
    3
    >>> checked_count("n", 0)
    Traceback (most recent call last):
    ValueError: n= is a whole number from 1; got 0.
    """
    if not is_whole(value) or value < 1:
        raise ValueError(f"{name}= is a whole number from 1; got {value!r}.")
    return operator.index(value)


def is_whole(value: Any) -> bool:
    """Return whether a value is a whole number, Python's, NumPy's or torch's; a bool is none.

    Examples
    --------
    >>> is_whole(3), is_whole(3.0), is_whole("3"), is_whole(True)
    (True, False, False, False)
    """
    try:
        operator.index(value)
    except TypeError:
        return False
    return not isinstance(value, bool)
