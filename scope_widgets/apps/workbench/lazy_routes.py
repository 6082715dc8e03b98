"""`LazyRoutes`: routes whose modules need torch, added at the first request to them: the server listens before."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from fastapi import FastAPI
from starlette.routing import BaseRoute

from scope_widgets.apps.workbench.api.problems import failure


class LazyRoutes:
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
    load : callable
        Imports what the routes need, in a thread, for that takes seconds; returns a function that adds them.
    """

    def __init__(
        self,
        app: FastAPI,
        prefixes: Sequence[str],
        early: Sequence[str],
        ready: Callable[[], Awaitable[None]],
        load: Callable[[], Callable[[], object]],
    ) -> None:
        self._app, self._prefixes, self._early, self._ready, self._load = app, tuple(prefixes), early, ready, load
        self._adding = asyncio.Lock()
        self._added = False

    @property
    def routes(self) -> list[BaseRoute]:
        """All routes, the late ones too."""
        self._add(self._load)
        return self._app.routes

    @property
    def state(self) -> Any:
        """What the application keeps, that of the late routes too."""
        self._add(self._load)
        return self._app.state

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer a request; for a late route, add them first."""
        path = scope.get("path", "").removeprefix(scope.get("root_path", ""))
        if not self._added and path.startswith(self._prefixes) and path not in self._early:
            try:
                await self._complete()
            except Exception as error:
                answer = failure("adding the API", error)
                if scope["type"] == "websocket":
                    await receive()  # the connection, which has to be heard of before it is refused
                    await send({"type": "websocket.close", "code": 1011, "reason": "The server failed at this."})
                else:
                    await answer(scope, receive, send)
                return
        await self._app(scope, receive, send)

    async def _complete(self) -> None:
        await self._ready()
        async with self._adding:  # whoever comes meanwhile waits for the same
            if not self._added:
                add = await asyncio.to_thread(self._load)
                self._add(lambda: add)

    def _add(self, load: Callable[[], Callable[[], object]]) -> None:
        if self._added:
            return
        before = list(self._app.router.routes)
        try:
            load()()
        except BaseException:
            self._app.router.routes[:] = before  # the next request tries again
            raise
        self._added = True
