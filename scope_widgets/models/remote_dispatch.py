"""Analyses run where their model is: on this machine, or on a server."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


def remotable(function: Callable[P, T]) -> Callable[P, T]:
    """Let `function` run where the model of its arguments is; only arguments and result travel.

    The model is the `Microscope` among the arguments, or that of a trace among them.
    """

    @functools.wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> T:
        scope = _remote([*args, *kwargs.values()])
        if scope is None:
            return function(*args, **kwargs)
        result: T = scope.far(function, args, kwargs)
        return result

    return run


def _remote(values: Iterable[Any]) -> Any:
    for value in values:
        scope = value if hasattr(value, "far") else getattr(value, "scope", None)
        if getattr(scope, "remote", False):
            return scope
        if isinstance(value, (list, tuple)) and value and hasattr(value[0], "scope"):
            return _remote(value)
    return None
