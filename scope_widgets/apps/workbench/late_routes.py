"""`LateRoutes`: routes whose modules need torch, added at the first request to them: the server listens before."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from fastapi import FastAPI
from starlette.routing import BaseRoute


class LateRoutes:
    """An ASGI application, and what is added to it when somebody asks for a path that it begins with.

    Parameters
    ----------
    app : FastAPI
    prefixes : sequence of str
        What the paths of the late routes begin with.
    early : sequence of str
        Paths that begin so and are there.
    ready : async callable
        Is waited for before.
    add : callable
        Adds them.
    """

    def __init__(
        self,
        app: FastAPI,
        prefixes: Sequence[str],
        early: Sequence[str],
        ready: Callable[[], Awaitable[None]],
        add: Callable[[], None],
    ) -> None:
        self._app, self._prefixes, self._early, self._ready, self._add = app, tuple(prefixes), early, ready, add
        self._added = False

    @property
    def routes(self) -> list[BaseRoute]:
        """All routes, the late ones too."""
        self._complete()
        return self._app.routes

    @property
    def state(self) -> Any:
        """What the application keeps, that of the late routes too."""
        self._complete()
        return self._app.state

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer a request; for a late route, add them first."""
        path = scope.get("path", "").removeprefix(scope.get("root_path", ""))
        if not self._added and path.startswith(self._prefixes) and path not in self._early:
            await self._ready()
            self._complete()
        await self._app(scope, receive, send)

    def _complete(self) -> None:
        if not self._added:
            self._added = True
            self._add()
            self._app.middleware_stack = None  # made anew at the next request, with the handlers of errors
