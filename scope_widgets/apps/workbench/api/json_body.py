"""Bodies of JSON, read as all that others wrote is: their size, depth and numbers are checked."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from scope_widgets._untrusted import parse_json, why

#: bytes of JSON; more belongs into a file of the workspace. Parsing them holds up the server for some milliseconds
MOST_JSON = 2 * 2**20


class CheckedRequest(Request):
    """A request whose JSON is checked before it is read."""

    async def json(self) -> Any:
        """Return the body; raise an HTTPException that says what is wrong with it."""
        body = await self.body()
        if len(body) > MOST_JSON:
            raise HTTPException(413, f"JSON has {MOST_JSON:,} bytes at most: write a file of the workspace instead.")
        try:
            return parse_json(body)
        except ValueError as error:
            raise HTTPException(400, f"The body cannot be read: {why(error)}.") from None


class CheckedRoute(APIRoute):
    """A route whose requests are `CheckedRequest`s."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return what answers a request."""
        answer = super().get_route_handler()

        async def checked(request: Request) -> Response:
            return await answer(CheckedRequest(request.scope, request.receive))

        return checked
