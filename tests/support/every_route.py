"""All routes of an application, those of included routers too."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from starlette.routing import WebSocketRoute


class Found(NamedTuple):
    """A path, its methods, and whether it is a socket's."""

    path: str
    methods: frozenset[str]
    is_socket: bool


def every_route(routes: Iterable[Any]) -> Iterator[Found]:
    """Yield each route; later versions of FastAPI keep included routers as they are."""
    for one in routes:
        if hasattr(one, "effective_candidates"):
            yield from every_route([*one.effective_candidates(), *one.effective_low_priority_routes()])
            continue
        inner = getattr(one, "starlette_route", None) or one
        is_socket = isinstance(inner, WebSocketRoute) or isinstance(
            getattr(one, "original_route", None), WebSocketRoute
        )
        yield Found(one.path or inner.path, frozenset(getattr(one, "methods", None) or ()), is_socket)
