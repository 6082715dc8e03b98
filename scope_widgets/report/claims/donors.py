"""Donors: for each prompt others whose activations are put into it: one that agrees on a claim, one that does not."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from scope_widgets.experiments.task import Task
from scope_widgets.report.claims.roles import Value, values


def donors(pool: Task, n: int, roles: Sequence[str], *, agree: bool, seed: int) -> dict[int, tuple[list[int], int]]:
    """Return a donor of each of the first `n` pairs of a pool that has one.

    A donor is of the same template and length, and has the roles at the same positions. One that agrees has the same
    tokens there and something else that differs: another clean prompt of the pool in which the tokens at the roles are
    the pair's own, everywhere that they stand. One that does not agree has other tokens at each role.

    Parameters
    ----------
    pool : Task
    n : int
    roles : sequence of str
    agree : bool
    seed : int

    Returns
    -------
    dict of int to (list of int, int)
        Of a pair the token ids of its donor, and which pair of the pool that was.
    """
    rng = np.random.default_rng(seed)
    has = [values(pool, pair, roles) for pair in range(len(pool))]
    found: dict[int, tuple[list[int], int]] = {}
    for pair in range(n):
        own = has[pair]
        if own is None:
            continue
        for other in rng.permutation(len(pool)).tolist():
            given = has[other]
            if other == pair or given is None or not _alike(pool, pair, other, own, given):
                continue
            if not agree:
                if all(mine[1] != its[1] for mine, its in zip(own, given, strict=True)):
                    found[pair] = pool.clean[other], other
                    break
            elif (row := _with_tokens(pool, pair, other, own, given)) is not None:
                found[pair] = row, other
                break
    return found


def _alike(pool: Task, pair: int, other: int, own: tuple[Value, ...], given: tuple[Value, ...]) -> bool:
    return (
        pool.groups[pair] == pool.groups[other]
        and len(pool.clean[pair]) == len(pool.clean[other])
        and all(mine[0] == its[0] for mine, its in zip(own, given, strict=True))
    )


def _with_tokens(
    pool: Task, pair: int, other: int, own: tuple[Value, ...], given: tuple[Value, ...]
) -> list[int] | None:
    """Return the other's prompt with the pair's tokens at the roles; None where that is no prompt of its kind."""
    change: dict[int, int] = {}
    for mine, its in zip(own, given, strict=True):
        if not mine[0] and mine != its:  # the answers stand nowhere in the prompt, so nothing makes them the same
            return None
        for new, old in zip(mine[1], its[1], strict=True):
            if change.setdefault(old, new) != new:
                return None
    row = pool.clean[other]
    put_in = {new for old, new in change.items() if new != old}
    if len(set(change.values())) < len(change) or any(token in row and token not in change for token in put_in):
        return None
    made = [change.get(token, token) for token in row]
    if any(made[at] != token for places, tokens in own for at, token in zip(places, tokens, strict=False)):
        return None
    return made if made != pool.clean[pair] else None
