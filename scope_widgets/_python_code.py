"""Python that is shown to be copied: calls of known functions with literals, whatever a file says."""

from __future__ import annotations

import ast
from collections.abc import Collection, Mapping
from typing import Any


def is_literal(value: Any) -> bool:
    """Return whether `repr(value)` is a literal that makes the same value again."""
    try:
        return bool(ast.literal_eval(repr(value)) == value)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return False


def is_plain_call(text: str, functions: Mapping[str, Collection[str]]) -> bool:
    """Return whether a text is one call of a known function, its arguments literals or names of variables.

    Parameters
    ----------
    text : str
    functions : mapping of str to collection of str
        The functions, dotted, and the keyword arguments of each. What stands for a long value is a variable with the
        name of its keyword; positional arguments may be any variables or literals.
    """
    try:
        call = ast.parse(text, mode="eval").body
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return False
    if not isinstance(call, ast.Call):
        return False
    known = functions.get(ast.unparse(call.func))
    if known is None:
        return False
    return all(isinstance(one, ast.Name) or _literal(one) for one in call.args) and all(
        one.arg in known and (_literal(one.value) or (isinstance(one.value, ast.Name) and one.value.id == one.arg))
        for one in call.keywords
    )


def _literal(node: ast.expr) -> bool:
    try:
        ast.literal_eval(node)
    except (ValueError, TypeError, MemoryError, RecursionError):
        return False
    return True
