"""Whatever does not bring the token, comes by another name or from another page, or is too much, is refused."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterable, Iterator
from typing import Any

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route, Router, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocket, WebSocketDisconnect

from scope_widgets.apps.workbench import access_control as gate
from scope_widgets.apps.workbench.socket_messages import PROTOCOL
from tests.support.every_route import every_route
from tests.support.workbench_server import TOKEN, Served

HOST = "127.0.0.1:8000"
BEARER = {"Authorization": f"Bearer {TOKEN}"}


async def _echo(request: Request) -> JSONResponse:
    body = await request.body()
    return JSONResponse({"length": len(body), "path": request.scope["path"]})


async def _socket(socket: WebSocket) -> None:
    await socket.accept(PROTOCOL)
    await socket.send_text("in")
    await socket.close()


def client(**options: Any) -> TestClient:
    router = Router([Route("/{rest:path}", _echo, methods=["GET", "POST"]), WebSocketRoute("/s", _socket)])
    prefix = options.get("root_path", "")
    inner: Any = router
    if prefix:
        inner = Router([Route("/{rest:path}", _echo, methods=["GET", "POST"])])
    app = gate.AccessControl(inner, token=TOKEN, hosts=[HOST], public=lambda path: path == "/open", **options)
    return TestClient(app, base_url=f"http://{HOST}")


def enter(one: TestClient, headers: dict[str, str], protocols: Iterable[str]) -> str:
    with one.websocket_connect(f"ws://{HOST}/s", headers=dict(headers), subprotocols=list(protocols)) as socket:
        return socket.receive_text()


def refused(one: TestClient, headers: dict[str, str], protocols: Iterable[str]) -> bool:
    try:
        enter(one, headers, protocols)
    except WebSocketDisconnect:
        return True
    return False


def test_every_route_and_socket_of_the_workbench_needs_the_token(served: Served) -> None:
    routes = served.app.app.routes
    public = {"/", "/health", "/static/{name}", "/api/v1/docs", "/api/v1/docs.js"}
    walked = 0
    one = TestClient(served.app, base_url=f"http://{served.host}")
    for route in every_route(routes):
        path = route.path.replace("{", "").replace("}", "").replace(":path", "")
        if route.is_socket:
            assert refused_at(one, served.host, path)
            walked += 1
            continue
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"):
            status = one.request(method, path).status_code
            # what is public is read only, and a name that is no file's is not
            assert status == 401 or (route.path in public and status in (200, 405)), (method, route.path, status)
        walked += 1
    assert walked >= 100
    for path in ("/api", "/nothing", "/static/", "/static/x.js", "/api/v1/", "/docs", "/redoc", "/openapi.json"):
        assert one.get(path).status_code == 401, path


def refused_at(one: TestClient, host: str, path: str) -> bool:
    try:
        with one.websocket_connect(f"ws://{host}{path}", headers={"origin": f"http://{host}"}):
            return False
    except WebSocketDisconnect:
        return True


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": TOKEN},
        {"Authorization": f"Basic {TOKEN}"},
        {"Authorization": f"Bearer {TOKEN[:-1]}"},
        {"Authorization": f"Bearer {TOKEN}x"},
        {"Authorization": "Bearer "},
        {"Authorization": "Bearer \xe9"},
        {"Cookie": f"token={TOKEN}"},
        {"X-Forwarded-User": "admin", "X-Remote-User": "admin"},
    ],
)
def test_another_token_is_none(headers: dict[str, str]) -> None:
    raw = {name: value.encode("latin-1") for name, value in headers.items()}
    assert client().get("/x", headers=raw).status_code == 401  # type: ignore[arg-type]
    assert client().get(f"/x?token={TOKEN}").status_code == 401


def test_the_token_lets_in() -> None:
    assert client().get("/x", headers=BEARER).json()["path"] == "/x"
    assert client().get("/open").status_code == 200
    twice = httpx.Headers([("Authorization", f"Bearer {TOKEN}"), ("Authorization", f"Bearer {TOKEN}")])
    assert client().get("/x", headers=twice).status_code == 401


@pytest.mark.parametrize(
    "host",
    ["evil.example", "127.0.0.1", "127.0.0.1:8001", "localhost.evil.example:8000", "127.0.0.1:8000.evil.example", ""],
)
def test_another_host_is_refused_whatever_it_brings(host: str) -> None:
    assert client().get("/x", headers={**BEARER, "Host": host}).status_code == 421
    assert client().get("/open", headers={"Host": host}).status_code == 421
    assert refused(client(), {"host": host, "origin": f"http://{host}"}, [PROTOCOL, f"token.{TOKEN}"])


@pytest.mark.parametrize(
    "origin",
    ["null", "http://evil.example", "http://127.0.0.1:8001", "http://127.0.0.1:8000.evil.example", "file://", ""],
)
def test_another_origin_is_refused(origin: str) -> None:
    assert client().get("/x", headers={**BEARER, "Origin": origin}).status_code == 403
    assert client().post("/open", headers={"Origin": origin}).status_code == 403
    assert refused(client(), {"origin": origin}, [PROTOCOL, f"token.{TOKEN}"])


def test_a_socket_needs_origin_and_token() -> None:
    own = {"origin": f"http://{HOST}"}
    assert enter(client(), own, [PROTOCOL, f"token.{TOKEN}"]) == "in"
    assert refused(client(), {}, [PROTOCOL, f"token.{TOKEN}"])
    assert refused(client(), own, [PROTOCOL])
    assert refused(client(), own, [PROTOCOL, "token."])
    assert refused(client(), own, [PROTOCOL, f"token.{TOKEN[:-1]}"])
    assert refused(client(), own, [PROTOCOL, f"token.{TOKEN}", "token.x"])
    assert refused(client(), {**own, **BEARER}, [PROTOCOL])


def test_a_page_of_another_site_is_refused_though_it_had_the_token() -> None:
    for site in ("cross-site", "same-site"):
        assert client().get("/x", headers={**BEARER, "Sec-Fetch-Site": site}).status_code == 403
    assert client().get("/x", headers={**BEARER, "Sec-Fetch-Site": "same-origin"}).status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "/a/../b",
        "/a/%2e%2e/b",
        "/a/%2E%2E%2Fb",
        "/a%2fb",
        "/a%5cb",
        "/a%252fb",
        "/a\\b",
        "//evil.example/x",
        "/a//b",
        "/a%00b",
        "/..%2f..%2fetc/passwd",
    ],
)
def test_paths_that_lead_elsewhere_are_refused(path: str) -> None:
    assert asyncio.run(_raw(path))[0] == 400


async def _raw(path: str, root_path: str = "") -> tuple[int, dict[bytes, bytes], list[str]]:
    """Ask the gate for a path as it stands on the wire."""
    seen: list[str] = []

    async def inner(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["path"])
        await JSONResponse({})(scope, receive, send)

    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    from urllib.parse import unquote

    scope = {
        "type": "http",
        "method": "GET",
        "path": unquote(path),
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(b"host", HOST.encode()), (b"authorization", f"Bearer {TOKEN}".encode())],
    }
    one = gate.AccessControl(inner, token=TOKEN, hosts=[HOST], public=lambda _: False, root_path=root_path)
    await one(scope, receive, send)
    return sent[0]["status"], dict(sent[0]["headers"]), seen


@pytest.mark.parametrize("path", ["/lab/x", "/x"])
def test_a_prefix_is_taken_off_or_not(path: str) -> None:
    status, _, seen = asyncio.run(_raw(path, "/lab/"))
    assert (status, seen) == (200, ["/lab/x"])


def test_every_answer_has_the_headers(served: Served) -> None:
    one = TestClient(served.app, base_url=f"http://{served.host}")
    answers = [
        one.get("/"),
        one.get("/health"),
        one.get("/nothing"),
        one.get("/nothing", headers=BEARER),
        one.get("/api/v1/whoami", headers=BEARER),
        one.get("/", headers={"Host": "evil.example"}),
        one.post("/", headers={"Content-Length": "99999999999"}),
    ]
    for answer in answers:
        for name, value in gate.HEADERS.items():
            assert answer.headers[name] == value
        assert "server" not in answer.headers
        assert not any(name.startswith("access-control") for name in answer.headers)
    policy = gate.POLICY
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe-eval" not in policy
    assert "http" not in policy


def test_a_body_is_counted_as_it_comes() -> None:
    one = client(most_body=1000)

    def parts(n: int) -> Iterator[bytes]:
        yield from itertools.repeat(b"x" * 100, n)

    assert one.post("/x", headers=BEARER, content=parts(10)).json()["length"] == 1000
    assert one.post("/x", headers=BEARER, content=parts(11)).status_code == 413
    assert one.post("/x", headers={**BEARER, "Content-Length": "1001"}, content=b"x" * 1001).status_code == 413
    assert one.post("/x", headers={**BEARER, "Content-Length": "-1"}, content=b"").status_code == 413
    assert one.post("/x", headers={**BEARER, "Content-Encoding": "gzip"}, content=b"x").status_code == 415


def test_a_slow_body_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "PART_S", 0.01)
    sent: list[Any] = []

    async def inner(scope: Any, receive: Any, send: Any) -> None:
        await JSONResponse({"body": len(await Request(scope, receive).body())})(scope, receive, send)

    async def never() -> Any:
        await asyncio.Event().wait()

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"host", HOST.encode()), (b"authorization", f"Bearer {TOKEN}".encode())]
    scope = {"type": "http", "method": "POST", "path": "/x", "raw_path": b"/x", "query_string": b"", "headers": headers}
    asyncio.run(gate.AccessControl(inner, token=TOKEN, hosts=[HOST], public=lambda _: False)(scope, never, send))
    assert sent[0]["status"] == 408


def test_a_token_has_256_bits_and_is_new_each_time() -> None:
    tokens = {gate.new_token() for _ in range(100)}
    assert len(tokens) == 100
    assert min(map(len, tokens)) == 43  # base64 of 32 bytes
