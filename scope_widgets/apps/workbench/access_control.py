"""Who may ask: one gate before everything, for requests and sockets alike, which refuses unless all is right.

docs/workbench.md says what is kept out, and why. No cookie is used: cookies are sent to every port of a machine.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import re
import secrets
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

ASGIApp = Callable[[Any, Any, Any], Awaitable[None]]
Message = MutableMapping[str, Any]

#: bytes that the body of a request may have, and seconds until its next part, and all of it, must be there
MOST_BODY = 32 * 2**20
PART_S, BODY_S = 10.0, 120.0
TOKEN_PROTOCOL = "token."
_TOKEN = re.compile(r"[A-Za-z0-9_-]{32,200}")

#: styles are the views' own elements, in their roots; no script, picture or request can come from elsewhere
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
    "font-src 'self'; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
}

#: never part of a path that is asked for: separators and ends that other programs would decode once more
_NO_PATH = (b"%2f", b"%5c", b"%00", b"\\", b"%2e", b"..", b"//", b"%25")


class Refused(Exception):
    """A request that is not let in."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status, self.detail = status, detail


def new_token() -> str:
    """Return a secret of 256 bits as text."""
    return secrets.token_urlsafe(32)


def check_token(token: str) -> None:
    """Raise ValueError where a token is none that a header can have, or one that can be guessed; it is not repeated."""
    if not _TOKEN.fullmatch(token):
        raise ValueError(
            f"MICROSCOPE_UI_TOKEN has 32 to 200 letters, digits, - and _, as `openssl rand -hex 32` makes them; it has "
            f"{len(token)} characters, or others."
        )


class AccessControl:
    """ASGI middleware through which all that is asked for comes.

    Parameters
    ----------
    app : ASGI application
    token : str
        The secret that a request brings as ``Authorization: Bearer``, and a socket as a subprotocol ``token.<secret>``.
    hosts : iterable of str
        What the Host header may be, with the port, each exactly.
    public : callable
        Says of a path whether it is there for everybody: the page and its scripts, which know nothing yet.
    root_path : str, default ""
        Prefix under which a reverse proxy has this server; requests may come with it or without.
    most_body : int, default 32 MiB
        Bytes that a body may have.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        token: str,
        hosts: Iterable[str],
        public: Callable[[str], bool],
        root_path: str = "",
        most_body: int = MOST_BODY,
    ) -> None:
        self.app, self.public, self.most_body = app, public, most_body
        self.hosts = {host.lower() for host in hosts}
        self.root_path = root_path.rstrip("/")
        self._token = token.encode()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer, or let the application answer."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] not in ("http", "websocket"):
            return
        is_socket = scope["type"] == "websocket"
        started = False
        late: list[Refused] = []  # what frameworks would make an answer of their own of

        async def headed(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                if late:
                    raise late[0]
                started = True
                message = {**message, "headers": _with_headers(message.get("headers", []))}
            await send(message)

        try:
            scope = self._checked(scope)
            heard = receive if is_socket else self._limited(scope, receive, late)
            await self.app(scope, heard, headed)
        except Refused as refusal:
            late.clear()
            if is_socket:
                await receive()  # the connection, which has to be heard of before it is refused
                await send({"type": "websocket.close", "code": 1008, "reason": refusal.detail[:100]})
            elif not started:
                await _answer(headed, refusal)

    def _checked(self, scope: Any) -> Any:
        """Return the scope of a request that may come in, its path with the prefix, as Starlette takes it."""
        headers: dict[bytes, list[bytes]] = {}
        for name, value in scope["headers"]:
            headers.setdefault(name.lower(), []).append(value)
        self._check_host(headers)
        self._check_origin(scope, headers)
        raw = scope.get("raw_path") or scope["path"].encode()
        if any(one in raw.lower() for one in _NO_PATH) or not raw.startswith(b"/"):
            raise Refused(400, "The path holds something that no path here has.")
        path = scope["path"]
        if self.root_path and (path == self.root_path or path.startswith(self.root_path + "/")):
            path = path[len(self.root_path) :]
        if scope["type"] == "websocket" or not self.public(path or "/"):
            self._check_token(scope, headers)
            if headers.get(b"sec-fetch-site", [b"none"])[0] in (b"cross-site", b"same-site"):
                raise Refused(403, "Another site asked for this.")
        if b"content-encoding" in headers:
            raise Refused(415, "Bodies are taken as they are: send it without Content-Encoding.")
        whole = self.root_path + path
        return {**scope, "path": whole, "raw_path": whole.encode(), "root_path": self.root_path}

    def _check_host(self, headers: dict[bytes, list[bytes]]) -> None:
        hosts = headers.get(b"host", [])
        if len(hosts) != 1 or hosts[0].decode("latin-1").lower() not in self.hosts:
            raise Refused(
                421, "This server does not go by that name: start it with --allowed-host and the name it is reached by."
            )

    def _check_origin(self, scope: Any, headers: dict[bytes, list[bytes]]) -> None:
        origins = headers.get(b"origin", [])
        if not origins and scope["type"] == "http":
            return
        host = headers[b"host"][0].decode("latin-1").lower()
        allowed = {f"http://{host}", f"https://{host}"}
        if len(origins) != 1 or origins[0].decode("latin-1").lower() not in allowed:
            raise Refused(403, "The page that asks is not one of this server.")

    def _check_token(self, scope: Any, headers: dict[bytes, list[bytes]]) -> None:
        if scope["type"] == "websocket":
            offered = [one for one in scope.get("subprotocols", ()) if one.startswith(TOKEN_PROTOCOL)]
            given = [one[len(TOKEN_PROTOCOL) :].encode("utf-8", "replace") for one in offered]
        else:
            fields = [value.partition(b" ") for value in headers.get(b"authorization", [])]
            given = [rest.strip() for kind, _, rest in fields if kind.lower() == b"bearer"]
        if len(given) != 1 or not hmac.compare_digest(given[0], self._token):
            raise Refused(401, "Bring the token of the address that `microscope ui` printed.")

    def _limited(self, scope: Any, receive: Any, late: list[Refused]) -> Any:
        """Return a `receive` that takes no more than what a body may have, and does not wait for a slow one."""
        lengths = [value for name, value in scope["headers"] if name.lower() == b"content-length"]
        if any(not value.isdigit() or int(value[:20]) > self.most_body for value in lengths):
            raise Refused(413, f"A body has {self.most_body:,} bytes at most.")
        taken, whole = 0, False
        until: float | None = None

        async def limited() -> Message:
            nonlocal taken, whole, until
            if whole:
                return await receive()  # type: ignore[no-any-return]
            now = asyncio.get_running_loop().time()
            until = until or now + BODY_S
            try:
                message: Message = await asyncio.wait_for(receive(), max(0.0, min(PART_S, until - now)))
            except asyncio.TimeoutError:  # of its own in Python 3.10
                late.append(Refused(408, "The body of the request came too slowly."))
                raise late[0] from None
            taken += len(message.get("body", b""))
            whole = message["type"] != "http.request" or not message.get("more_body")
            if taken > self.most_body:
                late.append(Refused(413, f"A body has {self.most_body:,} bytes at most."))
                raise late[0]
            return message

        return limited


def _with_headers(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    kept = [(name, value) for name, value in headers if name.lower().decode("latin-1") not in HEADERS]
    return [*kept, *((name.encode(), value.encode()) for name, value in HEADERS.items())]


async def _answer(send: Any, refusal: Refused) -> None:
    body = json.dumps({"type": "about:blank", "title": "Refused", "status": refusal.status, "detail": refusal.detail})
    headers = [(b"content-type", b"application/problem+json"), (b"content-length", str(len(body.encode())).encode())]
    headers.append((b"cache-control", b"no-store"))
    if refusal.status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    if refusal.status in (408, 413):
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
    await send({"type": "http.response.body", "body": body.encode()})
