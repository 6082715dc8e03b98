"""Answers as the earlier alignment observatory had them: {success, data, error}."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from http import HTTPStatus
from typing import Any

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from scope_widgets.apps.workbench.api.json_body import CheckedRoute
from scope_widgets.apps.workbench.api.problems import Problem


def ok(data: Any) -> dict[str, Any]:
    """Return what was asked for."""
    return {"success": True, "data": data, "error": None}


class EnvelopeRoute(CheckedRoute):
    """A route whose problems come in the envelope too, with their status."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return what answers a request."""
        answer = super().get_route_handler()

        async def wrapped(request: Request) -> Response:
            try:
                return await answer(request)
            except Problem as problem:
                return _failed(problem.status, problem.detail, {})
            except RequestValidationError as error:
                fields = {".".join(map(str, one["loc"]))[:100]: str(one["msg"])[:200] for one in error.errors()[:20]}
                return _failed(422, "The request is not as it is to be.", fields)
            except HTTPException as error:
                return _failed(error.status_code, str(error.detail), {})

        return wrapped


def _failed(status: int, message: str, details: dict[str, str]) -> JSONResponse:
    code = HTTPStatus(status).phrase.upper().replace(" ", "_")
    error = {"code": code, "message": message, "details": details}
    return JSONResponse({"success": False, "data": None, "error": error}, status)
