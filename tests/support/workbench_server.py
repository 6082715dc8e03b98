"""A real server of the workbench on this machine, and a page of it that is a program."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import uvicorn

from scope_widgets.apps.workbench.app import create_app
from scope_widgets.apps.workbench.serve import config_of, hosts_of
from scope_widgets.apps.workbench.socket_messages import PROTOCOL, encode
from scope_widgets.apps.workbench.workspace import Workspace

TOKEN = "t" * 43


class Served(NamedTuple):
    """A server that runs."""

    port: int
    token: str
    workspace: Workspace
    app: Any

    @property
    def host(self) -> str:
        """What its Host header is."""
        return f"127.0.0.1:{self.port}"

    @property
    def address(self) -> str:
        """What `microscope ui` prints."""
        return f"http://{self.host}/#token={self.token}"


@contextmanager
def served(folder: Path, root_path: str = "", model: str = "demo", **options: Any) -> Iterator[Served]:
    """Serve a model, in a thread of this process; `options` are those of `Workspace`."""
    workspace = Workspace(folder, model, **options)
    workspace.start()
    listening = socket.create_server(("127.0.0.1", 0))
    port = listening.getsockname()[1]
    app = create_app(workspace, token=TOKEN, hosts=hosts_of("127.0.0.1", port, []), root_path=root_path)
    server = uvicorn.Server(config_of(app))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    yield Served(port, TOKEN, workspace, app)
    server.should_exit = True
    thread.join(10)


class Page:
    """What the browser's page does at the socket, in a test."""

    def __init__(self, server: Served, id: str, **hello: Any) -> None:
        from websockets.sync.client import connect

        self.server, self.id = server, id
        self.socket = connect(
            f"ws://{server.host}/api/v1/socket",
            origin=f"http://{server.host}",  # type: ignore[arg-type]
            subprotocols=[PROTOCOL, f"token.{server.token}"],  # type: ignore[list-item]
            max_size=None,
        )
        self.models: dict[str, dict[str, Any]] = {}
        self.bundles: dict[str, str] = {}
        self.got, self.sent, self.asked = 0, 0, 0
        self.send({"kind": "hello", "page": id, "known": [], "n": 0, "session": "", **hello}, numbered=False)
        self.hello, _ = self.receive()

    def send(self, head: dict[str, Any], buffers: list[bytes] | None = None, *, numbered: bool = True) -> None:
        """Send a message with its number."""
        if numbered:
            self.sent += 1
            head = {**head, "n": self.sent, "got": self.got}
        self.socket.send(encode(head, buffers or []))

    def receive(self) -> tuple[dict[str, Any], list[bytes]]:
        """Take the next message, and keep what it says of views."""
        frame: Any = self.socket.recv(timeout=60)
        head, buffers = decode(frame)
        self.got = head.get("n", self.got)
        if head["kind"] in ("open", "update"):
            state = self.models.setdefault(head["id"], {})
            state.update(head["state"])
            state.update({path[0]: one for path, one in zip(head["buffer_paths"], buffers, strict=True)})
            self.bundles.setdefault(head["id"], head.get("bundle", ""))
        elif head["kind"] == "close":
            self.models.pop(head["id"], None)
        return head, buffers

    def until(self, holds: Callable[[], bool]) -> None:
        """Take messages until something holds."""
        while not holds():
            self.receive()

    def request(self, name: str, /, *, of: str = "page", **args: Any) -> str:
        """Ask a view for something; returns the request's id."""
        self.asked += 1
        id = f"{self.id}-{self.asked}"
        self.send(
            {"kind": "custom", "id": of, "content": {"v": 1, "id": id, "kind": "req", "name": name, "args": args}}
        )
        return id

    def answer(self, id: str) -> tuple[dict[str, Any], list[bytes]]:
        """Wait for the answer to a request."""
        while True:
            head, buffers = self.receive()
            content = head.get("content") or {}
            if content.get("id") == id and content["kind"] in ("res", "err"):
                if content["kind"] == "err":
                    raise ValueError(content["message"])
                return content["data"], buffers

    def ask(self, name: str, /, *, of: str = "page", **args: Any) -> tuple[dict[str, Any], list[bytes]]:
        """Ask a view for something and wait for the answer."""
        return self.answer(self.request(name, of=of, **args))

    def opened(self) -> Page:
        """Wait until the page itself is there."""
        self.until(lambda: "page" in self.models)
        return self

    def add(self, kind: str, panel: str = "panel1", **options: Any) -> str:
        """Add a panel; returns the id of its view."""
        self.ask("add", panel=panel, kind=kind, options=options)
        self.until(lambda: any(one["id"] == panel for one in self.models["page"]["panels"]))
        return next(str(one["view"]) for one in self.models["page"]["panels"] if one["id"] == panel)

    @property
    def bar(self) -> str:
        """The id of the prompt's view."""
        return str(self.models["page"]["sides"]["a"]["bar"])

    def close(self) -> None:
        """End the connection."""
        self.socket.close()


def decode(frame: bytes) -> tuple[dict[str, Any], list[bytes]]:
    """Read a message of the server, which may be larger than one of a browser."""
    import json

    version, n = np.frombuffer(frame[:8], "<u4")
    assert version == 1
    head = json.loads(frame[8 : 8 + int(n)])
    at, buffers = (8 + int(n) + 7) & ~7, []
    for length in head.pop("buffers"):
        buffers.append(frame[at : at + length])
        at += (length + 7) & ~7
    return head, buffers
