"""What goes wrong, as problem+json (RFC 9457): a sentence, and nothing of how the server is made."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse

from scope_widgets._job import ElsewhereError
from scope_widgets._untrusted import why
from scope_widgets.apps.workbench.jobs import QueueFullError

MEDIA_TYPE = "application/problem+json"
#: seconds after which a queue that was full is worth another try
RETRY_S = "2"
_MOST_ERRORS = 20
_log = logging.getLogger(__name__)


class FieldError(BaseModel):
    """What is wrong with one field of a request."""

    field: str
    detail: str


class ProblemDetails(BaseModel):
    """A problem, as RFC 9457 has it."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    errors: list[FieldError] = Field(default_factory=list)


class Problem(Exception):
    """A request that is not done: the status, and a sentence that says why."""

    def __init__(self, status: int, detail: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status, self.detail, self.headers = status, detail, headers or {}


@contextmanager
def refusals() -> Iterator[None]:
    """Raise a `Problem` for what the library says of what it was given; its other errors are the server's own.

    What it says is a sentence. Python's own "list index out of range" is none: nobody was asked for better input.
    """
    try:
        yield
    except QueueFullError as error:
        raise Problem(503, str(error), {"Retry-After": RETRY_S}) from None
    except ElsewhereError as error:
        raise Problem(502, sentence(error), {"Retry-After": RETRY_S}) from None
    except MemoryError as error:
        raise Problem(413, str(error) or "There is no memory for it: ask for less.") from None
    except (FileNotFoundError, ValueError, TypeError, IndexError, KeyError) as error:
        said = sentence(error)
        if not said.endswith("."):
            raise
        raise Problem(404 if isinstance(error, FileNotFoundError) else 422, said) from None
    except (NotImplementedError, AttributeError) as error:  # of a model elsewhere, whose weights are not here
        if not (said := sentence(error)).endswith("."):
            raise
        raise Problem(501, said) from None


def sentence(error: BaseException) -> str:
    """Return what an error of the library says, as a sentence."""
    said = str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)
    said = " ".join(said.split()) or why(error)
    return said if len(said) <= 1000 else f"{said[:1000]} ..."


def problem_response(
    status: int, detail: str, headers: dict[str, str] | None = None, errors: list[FieldError] | None = None
) -> JSONResponse:
    """Return a problem as a response."""
    body = ProblemDetails(title=HTTPStatus(status).phrase, status=status, detail=detail, errors=errors or [])
    sent = body.model_dump(exclude=set() if errors else {"errors"})
    return JSONResponse(sent, status, {"cache-control": "no-store", **(headers or {})}, MEDIA_TYPE)


def add_handlers(app: FastAPI) -> None:
    """Have every error of an application answered as a problem."""
    app.add_exception_handler(Problem, _problem)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _broken)


def failure(what: str, error: Exception) -> JSONResponse:
    """Return what is answered where the server failed at something, which its log has."""
    _log.error("%s failed", what, exc_info=error)
    return problem_response(500, "The server failed at this; its log says how.")


async def _problem(request: Request, error: Any) -> JSONResponse:
    return problem_response(error.status, error.detail, error.headers)


async def _http(request: Request, error: Any) -> JSONResponse:
    detail = str(error.detail)
    if error.status_code == 404:
        detail = "There is nothing at this address: /api/v1/openapi.json lists what there is."
    return problem_response(error.status_code, detail, dict(error.headers or {}))


async def _invalid(request: Request, error: Any) -> JSONResponse:
    found = [FieldError(field=_place(one["loc"]), detail=str(one["msg"])[:200]) for one in error.errors()]
    said = "; ".join(f"{one.field}: {one.detail}" for one in found[:3])
    return problem_response(422, f"The request is not as it is to be. {said}.", errors=found[:_MOST_ERRORS])


async def _broken(request: Request, error: Exception) -> JSONResponse:
    return failure(f"{request.method} {request.url.path}", error)


def _place(loc: Any) -> str:
    return ".".join(str(part)[:60] for part in loc)
