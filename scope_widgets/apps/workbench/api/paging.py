"""Pages of what is listed: a cursor says where the next begins, and is of no use for another question."""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterable
from hashlib import sha256
from typing import Annotated, Any, Generic, TypeVar

from fastapi import Query
from pydantic import BaseModel

from scope_widgets.apps.workbench.api.problems import Problem

T = TypeVar("T")

Limit = Annotated[int, Query(ge=1, le=1000, description="How many at most.")]
Cursor = Annotated[str | None, Query(max_length=200, description="`next_cursor` of the page before.")]
_CURSOR = re.compile(r"(\d{1,12})\.([0-9a-f]{12})")


class Page(BaseModel, Generic[T]):
    """A page of a list; `next_cursor` is null on the last."""

    items: list[T]
    total: int
    next_cursor: str | None


def start_of(cursor: str | None, *question: Any) -> int:
    """Return where a page begins.

    Parameters
    ----------
    cursor : str or None
    *question
        What was asked for besides.

    Raises
    ------
    Problem
        For a cursor that is none, or of another question.
    """
    if cursor is None:
        return 0
    try:
        text = urlsafe_b64decode(cursor.encode()).decode("ascii")
    except ValueError:
        text = ""
    found = _CURSOR.fullmatch(text)
    if found is None or found[2] != _digest(question):
        raise Problem(422, "This cursor is not one of this question: begin again without one.")
    return int(found[1])


def cursor_at(start: int, *question: Any) -> str:
    """Return the cursor of the page that begins at `start`."""
    return urlsafe_b64encode(f"{start}.{_digest(question)}".encode()).decode()


def numbered_page(
    listed: Iterable[tuple[int, T]], limit: int, cursor: str | None, *question: Any
) -> tuple[list[T], int, str | None]:
    """Return a page of things with ascending numbers, their total, and the next cursor.

    What was added or went between two pages moves none of the others.
    """
    things = list(listed)
    start = start_of(cursor, *question)
    rest = [one for one in things if one[0] >= start]
    more = cursor_at(rest[limit][0], *question) if len(rest) > limit else None
    return [thing for _, thing in rest[:limit]], len(things), more


def counted_page(
    total: int, limit: int, cursor: str | None, items: Callable[[int, int], list[T]], *question: Any
) -> Page[T]:
    """Return a page of what does not change; `items` is given where it begins and ends."""
    start = min(start_of(cursor, *question), total)
    end = min(start + limit, total)
    return Page(items=items(start, end), total=total, next_cursor=cursor_at(end, *question) if end < total else None)


def _digest(question: Iterable[Any]) -> str:
    return sha256(repr(tuple(question)).encode("utf-8", "replace")).hexdigest()[:12]
