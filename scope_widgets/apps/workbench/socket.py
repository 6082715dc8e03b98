"""The socket of a page, `scope.v1`: one connection, on which all its views speak."""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from scope_widgets._untrusted import opening
from scope_widgets._version import __version__
from scope_widgets.apps.workbench.open_pages import OpenPage, OpenPages
from scope_widgets.apps.workbench.socket_messages import PROTOCOL, decode, encode
from scope_widgets.apps.workbench.static_files import StaticFiles
from scope_widgets.apps.workbench.workspace import Workspace

#: sockets at once, and seconds until one has said what page it is
MOST_SOCKETS = 64
_HELLO_S = 10.0
_PAGE_ID = re.compile(r"[A-Za-z0-9_-]{16,64}")
#: why a socket is closed, beside the numbers of the protocol itself
TAKEN_OVER, NOT_UNDERSTOOD, FULL = 4001, 4002, 4003


class Sockets:
    """Answers the sockets of pages.

    Parameters
    ----------
    workspace : Workspace
    open_pages : OpenPages
    static : StaticFiles
        Where the scripts of views are.
    """

    def __init__(self, workspace: Workspace, open_pages: OpenPages, static: StaticFiles) -> None:
        self._workspace, self._open_pages, self._static = workspace, open_pages, static
        self._open = 0

    async def serve(self, socket: WebSocket) -> None:
        """Serve one socket until it ends."""
        if PROTOCOL not in socket.scope.get("subprotocols", ()):
            await socket.close(1002)
            return
        if self._open >= MOST_SOCKETS:
            await socket.accept(PROTOCOL)
            await socket.close(FULL, f"{MOST_SOCKETS} pages are connected already.")
            return
        self._open += 1
        open_page: OpenPage | None = None
        me = object()
        sender: asyncio.Task[None] | None = None
        try:
            await socket.accept(PROTOCOL)
            head, _ = decode(await asyncio.wait_for(socket.receive_bytes(), _HELLO_S))
            open_page = await self._open_pages.of(_page_id(head))
            open_page.socket = me  # an older socket of the same page stops sending
            open_page.something.set()
            for frame in await self._greet(open_page, head):
                await socket.send_bytes(frame)
            open_page.something.set()
            sender = asyncio.create_task(self._send(socket, open_page, me))
            await self._receive(socket, open_page, me)
        except (asyncio.TimeoutError, WebSocketDisconnect, KeyError):
            pass  # a TimeoutError of its own in Python 3.10; KeyError: text in the place of bytes
        except ValueError as error:
            if socket.application_state is WebSocketState.CONNECTED:
                with contextlib.suppress(RuntimeError):
                    await socket.close(NOT_UNDERSTOOD, str(error).encode()[:120].decode("utf-8", "ignore"))
        finally:
            self._open -= 1
            if sender is not None:
                sender.cancel()
            if open_page is not None and open_page.socket is me:
                open_page.socket, open_page.left = None, time.monotonic()

    async def _greet(self, open_page: OpenPage, head: dict[str, Any]) -> list[bytes]:
        """Return the first messages: who answers, and what was on its way when the last connection ended."""
        known, number = head.get("known", []), head.get("n", 0)
        if not isinstance(known, list) or not all(isinstance(id, str) for id in known) or type(number) is not int:
            raise ValueError("A hello says which views the page knows, and the number of the last message.")
        page = open_page.page
        assert page is not None
        again = None
        if head.get("session") == open_page.session:
            again = open_page.send_queue.again(number)
        else:
            open_page.got = 0
        hello = {
            "kind": "hello",
            "session": open_page.session,
            "resumed": again is not None,
            "got": open_page.got,
            "bundles": self._static.addresses(),
            "version": __version__,
            "workspace": self._workspace.files.folder.name,
        }
        if again is None:
            open_page.send_queue.clear()
            await self._workspace.kernel.run(_tell, page, known if head.get("session") == open_page.session else [])
        return [encode(hello, []), *(again or [])]

    async def _send(self, socket: WebSocket, open_page: OpenPage, me: object) -> None:
        while True:
            await open_page.something.wait()
            open_page.something.clear()
            if open_page.socket is not me:
                open_page.something.set()
                await socket.close(TAKEN_OVER, "This page is open in another tab.")
                return
            while open_page.socket is me and (frame := open_page.send_queue.take(open_page.got)) is not None:
                await socket.send_bytes(frame)
            if open_page.send_queue.overflowed:
                await socket.close(1013, "The browser did not take what was sent.")
                return

    async def _receive(self, socket: WebSocket, open_page: OpenPage, me: object) -> None:
        while True:
            head, buffers = decode(await socket.receive_bytes())
            if open_page.socket is not me:
                continue
            if type(acknowledged := head.pop("got", None)) is int:
                open_page.send_queue.arrived(acknowledged)
            number = head.get("n")
            if head["kind"] not in ("update", "custom"):
                continue
            if type(number) is not int:
                raise ValueError("A message of a page has a number.")
            if number <= open_page.got:
                continue  # it came before the connection was lost
            open_page.got = number
            while not self._open_pages.has_room(open_page):
                await asyncio.sleep(0.01)  # the browser waits: nothing more is read of it
            self._open_pages.put(open_page, head, buffers)


def _page_id(head: dict[str, Any]) -> str:
    id = head.get("page")
    if head.get("kind") != "hello" or not isinstance(id, str) or not _PAGE_ID.fullmatch(id):
        raise ValueError(f"The first message is a hello of a page with an id of its own, not {opening(head)}.")
    return id


def _tell(page: Any, known: list[str]) -> None:
    if known:
        page.tell_anew(known)
    else:
        page.tell_all()
