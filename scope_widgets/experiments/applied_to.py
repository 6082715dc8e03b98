"""`applied_to`: what changes a model as plain data, put on for a block, whichever room it is of."""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import singledispatch
from typing import Any


@singledispatch
def applied_to(change: Any, scope: Any, *others: Any) -> AbstractContextManager[Any]:
    """Return a block in which a model is changed, also by `others` of the same kind.

    A room whose objects change a model registers how, `@applied_to.register`, so that another one can put them on
    without knowing that room. What is a context manager by itself, such as a patch, needs none.

    Raises
    ------
    TypeError
        For an object of which nobody has said how it changes a model.
    """
    raise TypeError(f"Nothing is known of how a {type(change).__name__} changes a model.")


def is_change(value: Any) -> bool:
    """Whether it is known how a value changes a model."""
    return applied_to.dispatch(type(value)) is not applied_to.dispatch(object)
