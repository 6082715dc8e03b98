"""Roles: positions of a task's prompts by what stands there, and what a prompt has at them.

============== =====================================================================================================
END            the last position
IO, answer     where the right answer stands in the prompt, the first time
S1, S2, S      where the wrong answer (IOI: the subject) stands: the first time, the second, all of them
clue           the first position at which the clean and the corrupted prompt differ
echo           the last earlier position that holds the token of END
============== =====================================================================================================

Each may have a shift: "S1+1" is the position after S1. What a prompt *has* at a role is the token there and the
position; of "answer" it is the right answers, whether they stand in the prompt or not.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TypeAlias

from scope_widgets._untrusted import opening
from scope_widgets.experiments.task import Task

#: positions and tokens
Value: TypeAlias = tuple[tuple[int, ...], tuple[int, ...]]

_ROLE = re.compile(r"(END|IO|answer|S|S1|S2|clue|echo)([+-][1-9])?")
ROLES = "END, IO (or answer), S1, S2, S, clue, echo, each with a shift such as S1+1"


def check_role(role: object) -> str:
    """Return the name of a role; raise ValueError where it is none."""
    if not isinstance(role, str) or not _ROLE.fullmatch(role):
        raise ValueError(f"{opening(role)} is no role; roles are {ROLES}")
    return role


def positions(task: Task, pair: int, role: str) -> list[int]:
    """Return where a role is in the clean prompt of a pair; nothing where it is not there."""
    found = _ROLE.fullmatch(role)
    assert found is not None
    row = task.clean[pair]
    shift = int(found[2] or 0)
    moved = [at + shift for at in _places(task, pair, found[1])]
    return moved if all(0 <= at < len(row) for at in moved) else []


def value(task: Task, pair: int, role: str) -> Value | None:
    """Return what the clean prompt of a pair has at a role; None where the role is not there."""
    at = positions(task, pair, role)
    if role in ("IO", "answer"):
        return tuple(at), tuple(task.answer[pair])
    return (tuple(at), tuple(task.clean[pair][one] for one in at)) if at else None


def values(task: Task, pair: int, roles: Iterable[str]) -> tuple[Value, ...] | None:
    """Return what a pair has at several roles; None where one is not there."""
    found = [value(task, pair, role) for role in roles]
    return None if any(one is None for one in found) else tuple(one for one in found if one is not None)


def _places(task: Task, pair: int, name: str) -> list[int]:
    row, corrupted = task.clean[pair], task.corrupted[pair]
    last = len(row) - 1
    if name == "END":
        return [last]
    if name == "clue":
        return [at for at, (one, other) in enumerate(zip(row, corrupted, strict=True)) if one != other][:1]
    if name == "echo":
        return [at for at in range(last) if row[at] == row[last]][-1:]
    tokens = task.answer[pair] if name in ("IO", "answer") else task.versus[pair]
    at = [at for at, token in enumerate(row) if token in tokens] if len(tokens) == 1 else []
    return {"IO": at[:1], "answer": at[:1], "S1": at[:1], "S2": at[1:2], "S": at}[name]
