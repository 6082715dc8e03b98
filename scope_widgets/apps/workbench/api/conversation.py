"""A socket on which a program and the server send each other objects of JSON."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import deque
from collections.abc import Callable, Coroutine
from threading import Event
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from scope_widgets._untrusted import parse_json, why

#: sockets of programs at once, requests of one that are answered at the same time, and messages that wait for it
MOST_SOCKETS, MOST_AT_ONCE, MOST_WAITING = 64, 16, 512
#: beyond so many that wait, progress is left out
_PATIENT = 64
_LONGEST_ID = 100
_open = 0


class Conversation:
    """What is said on one socket; used on the server's thread.

    Parameters
    ----------
    socket : WebSocket
    protocol : str or None
        The subprotocol that it is accepted with.
    """

    def __init__(self, socket: WebSocket, protocol: str | None) -> None:
        self.socket, self._protocol = socket, protocol
        self._waiting: deque[dict[str, Any]] = deque()
        self._something = asyncio.Event()
        self._running: dict[str, tuple[asyncio.Task[None], Event]] = {}
        self._full = False

    def say(self, message: dict[str, Any], *, progress: bool = False) -> None:
        """Send a message when there is room; progress is left out where the other side does not read."""
        if progress and len(self._waiting) >= _PATIENT:
            return
        if len(self._waiting) >= MOST_WAITING:
            self._full = True
        else:
            self._waiting.append(message)
        self._something.set()

    def begin(self, id: str, work: Callable[[Event], Coroutine[Any, Any, None]]) -> None:
        """Begin what a request asks for; its event is set where it is cancelled.

        Raises
        ------
        ValueError
            For an id that is under way, and where too much is.
        """
        if id in self._running:
            raise ValueError("a request with this id is under way")
        if len(self._running) >= MOST_AT_ONCE:
            raise ValueError(f"{MOST_AT_ONCE} requests are under way: wait for one")
        stopped = Event()
        task = asyncio.create_task(work(stopped))
        self._running[id] = task, stopped
        task.add_done_callback(lambda _: self._running.pop(id, None))

    def cancel(self, id: str) -> bool:
        """Stop a request; returns whether it was under way."""
        found = self._running.get(id)
        if found is not None:
            found[1].set()
        return found is not None

    async def hold(self, hear: Callable[[dict[str, Any]], None], refuse: Callable[[str, str], None]) -> None:
        """Hear messages until the other side goes.

        Parameters
        ----------
        hear : callable
            Is given each message; a ValueError of it is told.
        refuse : callable
            Is given the id of a message that is not understood, and why.
        """
        global _open
        if _open >= MOST_SOCKETS:
            await self.socket.accept(self._protocol)
            await self.socket.close(1013, f"{MOST_SOCKETS} programs are connected already.")
            return
        _open += 1
        sender = None
        try:
            await self.socket.accept(self._protocol)
            sender = asyncio.create_task(self._send())
            while not self._full:
                self._take(await self.socket.receive(), hear, refuse)
        except WebSocketDisconnect:
            pass
        finally:
            _open -= 1
            for _, stopped in self._running.values():
                stopped.set()
            if sender is not None:
                sender.cancel()

    def _take(self, event: Any, hear: Callable[[dict[str, Any]], None], refuse: Callable[[str, str], None]) -> None:
        if event["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(event.get("code", 1000))
        id = ""
        try:
            message = parse_json(event.get("text") or event.get("bytes") or b"")
            if not isinstance(message, dict):
                raise ValueError("a message is an object")
            id = request_id(message)
            hear(message)
        except ValueError as error:
            refuse(id, f"This message is not understood: {why(error)}.")

    async def _send(self) -> None:
        with contextlib.suppress(RuntimeError, WebSocketDisconnect):
            while True:
                await self._something.wait()
                self._something.clear()
                while self._waiting:
                    await self.socket.send_text(json.dumps(self._waiting.popleft(), allow_nan=False))
                if self._full and self.socket.application_state is WebSocketState.CONNECTED:
                    await self.socket.close(1013, "What was sent was not read.")
                    return


def request_id(message: dict[str, Any], name: str = "id") -> str:
    """Return the id of a message; raise ValueError where it is no text."""
    id = message.get(name, "")
    if not isinstance(id, (str, int)) or isinstance(id, bool) or len(str(id)) > _LONGEST_ID:
        raise ValueError(f"{name} is a text of {_LONGEST_ID} characters at most")
    return str(id)
