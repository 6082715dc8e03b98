"""Closed choices, which are `Literal` types, and numbers of things, checked at run time."""

from __future__ import annotations

import math
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


def checked_number(name: str, value: Any) -> float:
    """Return a number; raise ValueError where it is none, not above 0, or not finite.

    Parameters
    ----------
    name : str
        What the argument is called.
    value : object
        What was given.

    Examples
    --------
    >>> checked_number("learning_rate", 0.5)
    0.5
    >>> checked_number("learning_rate", "fast")
    Traceback (most recent call last):
    ValueError: learning_rate= is a number above 0; got 'fast'.
    """
    try:
        number = 0.0 if isinstance(value, (str, bytes, bool)) else float(value)
    except (TypeError, ValueError, RuntimeError, OverflowError):
        number = 0.0
    if not 0 < number < math.inf:
        raise ValueError(f"{name}= is a number above 0; got {value!r}.")
    return number


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
