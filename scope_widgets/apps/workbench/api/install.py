"""`install`: the API in an application."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from fastapi import APIRouter, FastAPI

from scope_widgets.apps.workbench.api.access import Api
from scope_widgets.apps.workbench.api.problems import MEDIA_TYPE, ProblemDetails
from scope_widgets.apps.workbench.api.routes import (
    about,
    circuits,
    files,
    inference,
    jobs,
    models,
    patches,
    saes,
    traces,
    views,
)
from scope_widgets.apps.workbench.api.stream import router as stream
from scope_widgets.apps.workbench.workspace import Workspace

PREFIX = "/api/v1"
_ROOMS = (about, models, traces, inference, circuits, saes, patches, jobs, files, views)
#: what any operation may answer
_PROBLEM = {"content": {MEDIA_TYPE: {"schema": {"$ref": f"#/components/schemas/{ProblemDetails.__name__}"}}}}
_PROBLEMS: dict[int | str, dict[str, Any]] = {
    "4XX": {"description": "A sentence that says what is wrong.", **_PROBLEM},
}


def install(app: FastAPI, workspace: Workspace, compat: Iterable[APIRouter] = ()) -> Api:
    """Put the API of a workspace, and the paths of earlier servers, into an application.

    Parameters
    ----------
    app : FastAPI
        Behind the access control.
    workspace : Workspace
    compat : iterable of APIRouter, default ()
        Paths of earlier servers, which the OpenAPI does not list.
    """

    def soon(function: Callable[[str], None], model: str) -> None:
        app.state.loop.call_soon_threadsafe(function, model)

    api = app.state.api = Api(workspace, soon)
    for room in _ROOMS:
        app.include_router(room.router, prefix=PREFIX, responses=_PROBLEMS)
    app.include_router(stream, prefix=PREFIX)
    for router in compat:
        app.include_router(router, include_in_schema=False)
    return api
