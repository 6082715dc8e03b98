"""`create_app`: the workbench as an ASGI application."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any

from fastapi import APIRouter, Depends, FastAPI
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute

from scope_widgets._version import __version__
from scope_widgets.apps.workbench.access_control import AccessControl
from scope_widgets.apps.workbench.api.docs_page import PAGE, SCRIPT, docs_page, docs_script, is_public
from scope_widgets.apps.workbench.api.problems import add_handlers
from scope_widgets.apps.workbench.lazy_routes import LazyRoutes
from scope_widgets.apps.workbench.open_pages import OpenPages
from scope_widgets.apps.workbench.socket import Sockets
from scope_widgets.apps.workbench.static_files import FOLDER, StaticFiles
from scope_widgets.apps.workbench.thread_switching import frequent_switches
from scope_widgets.apps.workbench.workspace import Workspace

HEALTH = "/health"
_WHOAMI, _SOCKET = "/api/v1/whoami", "/api/v1/socket"
#: what the paths of the API begin with
_LATE = ("/api/v1/", "/compat/")


def create_app(
    workspace: Workspace,
    *,
    token: str,
    hosts: Iterable[str],
    root_path: str = "",
    routers: Iterable[APIRouter] = (),
) -> AccessControl:
    """Return the workbench of a workspace as an ASGI application.

    Parameters
    ----------
    workspace : Workspace
        Started, or beginning to; the application closes it when it ends.
    token : str
        The secret that every request brings, see `AccessControl`.
    hosts : iterable of str
        Names, with their ports, that the server is reached by.
    root_path : str, default ""
        Prefix of a reverse proxy.
    routers : iterable of APIRouter, default ()
        Others, behind the same gate. They find the workspace at ``request.app.state.workspace``, and run what touches
        a model by ``await workspace.kernel.run(function, ...)``.

    Raises
    ------
    FileNotFoundError
        Where the browser half is not built.

    Examples
    --------
    >>> app = create_app(workspace, token=new_token(), hosts=["127.0.0.1:8000"])  # doctest: +SKIP
    >>> uvicorn.run(app, port=8000)  # doctest: +SKIP
    """
    static = StaticFiles()
    open_pages = OpenPages(workspace)
    sockets = Sockets(workspace, open_pages, static)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        app.state.loop = asyncio.get_running_loop()
        with frequent_switches():
            sweeping = asyncio.create_task(open_pages.keep_forgetting())
            yield
            sweeping.cancel()
        workspace.kernel.soon(open_pages.stop)
        workspace.close()

    # its own pages of documentation load scripts from elsewhere, which the policy forbids
    app = FastAPI(
        title="scope-widgets workbench",
        version=__version__,
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/v1/openapi.json",
        lifespan=lifespan,
    )
    app.state.workspace, app.state.open_pages = workspace, open_pages
    app.router.routes += [
        Route(HEALTH, _health),
        Route("/", static.page),
        Route(f"/{FOLDER}/{{name}}", static.file),
        Route(_WHOAMI, _whoami),
        Route(PAGE, docs_page),
        Route(SCRIPT, docs_script),
        WebSocketRoute(_SOCKET, sockets.serve),
    ]
    add_handlers(app)

    def load_api() -> Callable[[], object]:
        from scope_widgets.apps.workbench.api.install import install  # torch: the server listens before
        from scope_widgets.apps.workbench.compat import routers as compat

        return lambda: install(app, workspace, compat())

    for router in routers:
        app.include_router(router, dependencies=[Depends(workspace.ready)])
    return AccessControl(
        LazyRoutes(app, _LATE, (_WHOAMI, _SOCKET, PAGE, SCRIPT), workspace.ready, load_api),
        token=token,
        hosts=hosts,
        public=lambda path: path == HEALTH or static.is_public(path) or is_public(path),
        root_path=root_path,
    )


async def _health(request: Request) -> Response:
    """Say that the server is there: nothing of what it does, for everybody may ask."""
    return JSONResponse({"status": "ok"}, headers={"cache-control": "no-store"})


async def _whoami(request: Request) -> Response:
    """Answer whoever has the token, so that a page knows whether its own is still the server's."""
    state: Any = request.app.state
    await state.workspace.ready()
    return JSONResponse({"models": list(state.workspace.models), "pages": len(state.open_pages.all())})
