"""What a session of a remote model is asked without waiting: each step looks once and yields a `JobStatus`."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any

from scope_widgets.steering.session import Session
from scope_widgets.steering.steered_distribution import Distribution, Steered
from scope_widgets.steering.strength_sweep import Sweep, sweep


def _far(session: Session) -> Any:
    scope: Any = session.scope
    return scope.far_steps


def grid_steps(session: Session, rows: Sequence[Sequence[float]]) -> Generator[Any, None, list[Steered]]:
    """As `session.grid(rows)`: one request for all rows that the session does not remember.

    Raises
    ------
    ValueError
        For strengths that do not fit the session.
    RemoteError
        Where the request fails.
    """
    keys = list(dict.fromkeys(session.checked(row) for row in rows))
    missing = [key for key in keys if session._remembered(key) is None]
    if missing:
        found = yield from _far(session)(Session._rows, (session, missing), {})
        for key, logits in zip(missing, found, strict=True):
            session._kept(key, Distribution(logits))
    return session.grid(rows)


def continuation_steps(
    session: Session, rows: Sequence[Sequence[float]], **options: Any
) -> Generator[Any, None, list[str]]:
    """As the last of `session.continuations(rows, **options)`: all tokens come at once."""
    keys = [session.checked(row) for row in rows]
    tokens = yield from _far(session)(Session._written, (session, keys), options)
    return [session.scope.tokenizer.decode(row, skip_special_tokens=True) for row in tokens]


def far_sweep_steps(session: Session, which: int, others: Sequence[float]) -> Generator[Any, None, Sweep]:
    """As `sweep(session, which, others=others)`."""
    found: Sweep = yield from _far(session)(sweep, (session, which, None, others), {})
    return found
