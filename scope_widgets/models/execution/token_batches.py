"""Prompts in batches for forwards: of about one length, which take little padding."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

#: tokens of one forward
AT_ONCE = 2**12


def batches_of(rows: Sequence[Sequence[int]], at_once: int = AT_ONCE) -> Iterator[list[int]]:
    """Yield numbers of rows of about one length, shorter ones first, the same ones whatever came before.

    Parameters
    ----------
    rows : sequence of sequence of int
        Token ids.
    at_once : int, default 4096
        Tokens of a batch at most, padding among them; a row that is longer is alone.

    Examples
    --------
    >>> list(batches_of([[1] * 3, [1], [1] * 2], at_once=4))
    [[1, 2], [0]]
    """
    batch: list[int] = []
    for at in sorted(range(len(rows)), key=lambda at: len(rows[at])):
        if batch and len(rows[at]) * (len(batch) + 1) > at_once:
            yield batch
            batch = []
        batch.append(at)
    yield batch
