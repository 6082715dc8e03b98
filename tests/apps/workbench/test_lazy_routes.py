"""Routes that come late: added once, aside, tried again where that failed, and what goes wrong is a problem."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from scope_widgets.apps.workbench.lazy_routes import LazyRoutes


async def _there(_: Request) -> Response:
    return PlainTextResponse("there")


async def _ready() -> None:
    return None


class Late:
    """An application with the early route /a/early and the late one /a/late, and in which thread that was loaded."""

    def __init__(self, ready: Any = _ready, before_loading: Callable[[], object] = lambda: None) -> None:
        self.inner = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
        self.inner.router.routes.append(Route("/a/early", _there))
        self.before_loading = before_loading
        self.threads: list[int] = []
        self.added = 0
        self.fails_in_adding = False
        self.app = LazyRoutes(self.inner, ("/a/",), ("/a/early",), ready, self._load)

    def _load(self) -> Callable[[], object]:
        self.threads.append(threading.get_ident())
        self.before_loading()
        return self._add

    def _add(self) -> None:
        self.inner.router.routes.append(Route("/a/late", _there))
        if self.fails_in_adding:
            raise RuntimeError("half done")
        self.added += 1

    def get(self, *paths: str) -> list[httpx.Response]:
        """Ask for paths, all at once."""

        async def ask() -> list[httpx.Response]:
            transport = httpx.ASGITransport(self.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
                return await asyncio.gather(*map(client.get, paths))

        return asyncio.run(ask())


def test_they_are_added_at_the_first_request_to_one_of_them() -> None:
    late = Late()
    assert late.get("/a/early", "/other")[0].text == "there"
    assert late.added == 0
    assert late.get("/a/late")[0].text == "there"
    assert late.get("/a/late")[0].text == "there"
    assert late.added == len(late.threads) == 1
    assert late.threads[0] != threading.get_ident()


def test_whoever_comes_meanwhile_waits_and_what_is_early_does_not() -> None:
    go = threading.Event()
    late = Late(before_loading=lambda: go.wait(60))
    answered: list[str] = []

    async def ask() -> list[str]:
        transport = httpx.ASGITransport(late.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
            waiting = [asyncio.create_task(client.get("/a/late")) for _ in range(3)]
            answered.append((await client.get("/a/early")).text)
            assert not any(one.done() for one in waiting)
            go.set()
            return [(await one).text for one in waiting]

    assert asyncio.run(ask()) == ["there"] * 3
    assert answered == ["there"]
    assert late.added == 1


@pytest.mark.parametrize("in_adding", [False, True])
def test_what_fails_is_a_problem_and_tried_again(in_adding: bool) -> None:
    def fail() -> None:
        raise ImportError("secret")

    late = Late(before_loading=(lambda: None) if in_adding else fail)
    late.fails_in_adding = in_adding
    before = list(late.inner.router.routes)
    found = late.get("/a/late")[0]
    assert (found.status_code, found.headers["content-type"]) == (500, "application/problem+json")
    assert "secret" not in found.text
    assert late.inner.router.routes == before
    late.before_loading, late.fails_in_adding = lambda: None, False
    assert late.get("/a/late")[0].text == "there"
    assert late.added == 1


def test_a_model_that_is_not_there_is_a_problem_for_requests_and_sockets() -> None:
    async def never() -> None:
        raise OSError("no model")

    late = Late(ready=never)
    with TestClient(late.app) as client:
        assert client.get("/a/early").text == "there"
        found = client.get("/a/late")
        assert (found.status_code, found.headers["content-type"]) == (500, "application/problem+json")
        with pytest.raises(WebSocketDisconnect) as closed, client.websocket_connect("/a/socket"):
            pass
    assert closed.value.code == 1011
    assert late.threads == []


def test_all_routes_are_there_for_whoever_lists_them() -> None:
    late = Late()
    assert "/a/late" in [getattr(one, "path", "") for one in late.app.routes]
    assert late.app.state is late.inner.state
    assert late.added == 1
