"""Names, options and results of earlier versions: they still work, and warn."""

from __future__ import annotations

import functools
import importlib
import inspect
import warnings
from collections.abc import Callable, Mapping
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


def moved(module: str, name: str, homes: Mapping[str, str]) -> Any:
    """Return what a former name of `module` stands for, for its `__getattr__`.

    Parameters
    ----------
    module, name : str
        Where the name was looked up, and the name.
    homes : mapping of str to str
        Former name to "module:name" of today.

    Raises
    ------
    AttributeError
        Where it is no former name either.
    """
    if name not in homes:
        raise AttributeError(f"module {module!r} has no attribute {name!r}")
    home, _, today = homes[name].partition(":")
    warnings.warn(
        f"{module}.{name} is now {home}.{today}; the old name will be removed in 0.3.", DeprecationWarning, stacklevel=3
    )
    return getattr(importlib.import_module(home), today)


def former_options(*positional: str, **renamed: str) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Return a decorator: the function still takes options by position or under a former name, and warns.

    Parameters
    ----------
    *positional : str
        Keyword-only options of today that could be given by position, in the order of then.
    **renamed : str
        Former name = name of today.

    Examples
    --------
    >>> @former_options("n", k="n")
    ... def top(scores, *, n=5):
    ...     return sorted(scores)[-n:]
    >>> top([3, 1, 2], k=1)
    [3]
    """

    def decorate(function: Callable[P, T]) -> Callable[P, T]:
        ahead = sum(one.kind is one.POSITIONAL_OR_KEYWORD for one in inspect.signature(function).parameters.values())

        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> T:
            by_position = dict(zip(positional, args[ahead:], strict=False))
            by_old_name = {today: kwargs.pop(old) for old, today in renamed.items() if old in kwargs}
            for today in (*by_position, *by_old_name):
                if today in kwargs or (today in by_position and today in by_old_name):
                    raise TypeError(f"{function.__name__}() got {today}= twice.")
                warnings.warn(
                    f"{function.__name__}() takes {today}= by that name; the old way ends with 0.3.",
                    DeprecationWarning,
                    stacklevel=2,
                )
            rest = args[ahead + len(by_position) :]  # too many: the function says so itself
            return function(*args[:ahead], *rest, **kwargs, **by_position, **by_old_name)

        return call

    return decorate


class WasDataFrame:
    """Mixin of results that were pandas tables before: what a table has still works on them, and warns."""

    def to_dataframe(self) -> Any:
        """Return the numbers as a table."""
        raise NotImplementedError

    def __getitem__(self, key: Any) -> Any:
        """Return a column of the table."""
        return self._as_before(f"[{key!r}]")[key]

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or not hasattr(self.to_dataframe(), name):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        return getattr(self._as_before(f".{name}"), name)

    def _as_before(self, use: str) -> Any:
        warnings.warn(
            f"A {type(self).__name__} is no table any more: use .to_dataframe(){use}; the old way ends with 0.3.",
            DeprecationWarning,
            stacklevel=3,
        )
        return self.to_dataframe()
