"""Out of memory: how it is told from other errors, and what is done about it: the same in halves."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import torch

T = TypeVar("T")
R = TypeVar("R")

#: what allocators say that raise a RuntimeError: that of CPUs, by system, and those of accelerators
_SAID = ("can't allocate memory", "not enough memory", "out of memory", "cannot allocate memory", "failed to allocate")


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error says that there was no memory left.

    Examples
    --------
    >>> is_out_of_memory(MemoryError()), is_out_of_memory(RuntimeError("shapes differ"))
    (True, False)
    """
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    said = str(error).lower()
    return isinstance(error, (RuntimeError, OSError)) and any(one in said for one in _SAID)


def in_halves(items: Sequence[T], run: Callable[[Sequence[T]], R]) -> Iterator[tuple[Sequence[T], R]]:
    """Yield what `run` makes of the items, and the items; where memory does not suffice, of half of them, and so on.

    What is yielded stays, and the halves that follow one that did not fit are as small.

    Raises
    ------
    MemoryError, RuntimeError
        Where one item does not fit.

    Examples
    --------
    >>> def run(items):
    ...     if len(items) > 2:
    ...         raise MemoryError
    ...     return sum(items)
    >>> [found for _, found in in_halves([1, 2, 3, 4, 5], run)]
    [3, 7, 5]
    """
    begin, size = 0, len(items)
    while begin < len(items):
        some = items[begin : begin + size]
        try:
            found = run(some)
        except (MemoryError, RuntimeError) as error:
            if len(some) == 1 or not is_out_of_memory(error):
                raise
            size = (len(some) + 1) // 2
            continue  # the frames of the error, which hold what was computed, go first
        yield some, found
        begin += len(some)
