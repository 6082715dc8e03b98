"""Pages that are open, as the server sees them: they outlive their sockets, and take turns with what they say."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import threading
import time
from collections import OrderedDict, deque
from typing import TYPE_CHECKING, Any

from scope_widgets.apps.workbench.jobs import Record
from scope_widgets.apps.workbench.send_queue import SendQueue
from scope_widgets.apps.workbench.workspace import Workspace

if TYPE_CHECKING:
    from scope_widgets.apps.workbench.page import WorkbenchPage

#: pages at once, and seconds that one is kept without a socket
MOST_PAGES = 64
KEPT_S = 1800.0
#: seconds between two looks for such
_SWEEP_S = 60.0
#: requests of one page that are answered at the same time, and messages of it that wait
MOST_AT_ONCE = 16
MOST_WAITING = 2000
#: seconds until pages are looked at again that have too many requests
_LOOK_S = 0.01


class OpenPage:
    """One page: what it shows lives on the kernel's thread, its socket on the server's.

    Attributes
    ----------
    id : str
        The page's own secret, which it keeps as long as its tab is open.
    session : str
        Another one where the page had to begin anew.
    got : int
        Number of the last message that came from the browser.
    socket : object or None
        The one that is open; only it sends.
    """

    def __init__(self, id: str, loop: asyncio.AbstractEventLoop) -> None:
        self.id, self.session, self.got = id, secrets.token_hex(8), 0
        self.socket: object | None = None
        self.left = time.monotonic()
        self.something = asyncio.Event()
        self.send_queue = SendQueue(lambda: _tell(loop, self.something))
        self.page: WorkbenchPage | None = None
        self.problem = ""
        self.messages: deque[tuple[dict[str, Any], list[Any]]] = deque()
        #: on which the page is made: two sockets of it do not make two
        self.making = asyncio.Lock()


class OpenPages:
    """All pages of a server, and the one place where their messages take turns.

    Parameters
    ----------
    workspace : Workspace
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._open_pages: OrderedDict[str, OpenPage] = OrderedDict()
        self._lock = threading.Lock()
        self._turn: deque[OpenPage] = deque()
        self._pumping = False
        workspace.jobs.listeners.append(self._tell_job)
        workspace.shown.append(self._models)

    def all(self) -> list[OpenPage]:
        """Return the pages that are kept."""
        return list(self._open_pages.values())

    async def of(self, id: str) -> OpenPage:
        """Return the page of an id, which is made where there is none; call it on the server's thread.

        Raises
        ------
        ValueError
            Where there are too many, or it cannot be made.
        """
        await self.forget()
        open_page = self._open_pages.get(id)
        if open_page is None:
            if len(self._open_pages) >= MOST_PAGES:
                raise ValueError(f"{MOST_PAGES} pages are open on this server: close one first.")
            open_page = self._open_pages[id] = OpenPage(id, asyncio.get_running_loop())
        async with open_page.making:
            if open_page.page is None:
                try:
                    open_page.page = await self._workspace.kernel.run(_page, self._workspace, open_page.send_queue, id)
                except BaseException:
                    self._open_pages.pop(id, None)
                    raise
        return open_page

    async def close(self, open_page: OpenPage) -> None:
        """Close a page and all that it shows."""
        if self._open_pages.get(open_page.id) is not open_page:
            return  # it is closed, or being so
        del self._open_pages[open_page.id]
        if open_page.page is not None:
            await self._workspace.kernel.run(open_page.page.close)

    def stop(self) -> None:
        """Stop what every page asked for; call it on the kernel's thread."""
        for open_page in self.all():
            if open_page.page is not None:
                open_page.page.close()

    async def keep_forgetting(self) -> None:
        """Close pages that nobody has looked at for long, as long as the server is there: each holds a model."""
        while True:
            await asyncio.sleep(_SWEEP_S)
            with contextlib.suppress(Exception):  # the view of one page does not keep the others
                await self.forget()

    async def forget(self) -> None:
        """Close pages that nobody has looked at for long."""
        now = time.monotonic()
        gone = [one for one in self._open_pages.values() if one.socket is None and now - one.left > KEPT_S]
        if len(self._open_pages) >= MOST_PAGES and not gone:
            without = [one for one in self._open_pages.values() if one.socket is None and one.page is not None]
            gone = sorted(without, key=lambda one: one.left)[:1]
        for open_page in gone:
            if open_page.socket is None:  # it may have come back while another one was closed
                await self.close(open_page)

    # -- what pages say, in turns

    def has_room(self, open_page: OpenPage) -> bool:
        """Return whether another message of a page is taken."""
        return len(open_page.messages) < MOST_WAITING

    def put(self, open_page: OpenPage, head: dict[str, Any], buffers: list[Any]) -> None:
        """Take a message of a page; call it on the server's thread."""
        content = head.get("content")
        if head.get("kind") == "custom" and isinstance(content, dict) and content.get("kind") == "cancel":
            with self._lock:
                for waiting in open_page.messages:
                    if _request_of(waiting[0]) == content.get("id"):
                        open_page.messages.remove(waiting)
                        return
            self._workspace.kernel.soon(_hear, open_page, head, buffers)  # it overtakes what waits
            return
        with self._lock:
            open_page.messages.append((head, buffers))
            if open_page not in self._turn:
                self._turn.append(open_page)
            if self._pumping:
                return
            self._pumping = True
        self._workspace.kernel.soon(self._pump)

    def _pump(self) -> None:
        """Give one message of one page to it, and put off the next, so that whatever goes on has its turn too."""
        loop = asyncio.get_running_loop()
        for _ in range(len(self._turn)):
            with self._lock:
                open_page = self._turn.popleft()
                if not open_page.messages:
                    continue
                if (
                    _request_of(open_page.messages[0][0])
                    and open_page.page is not None
                    and open_page.page.busy() >= MOST_AT_ONCE
                ):
                    self._turn.append(open_page)
                    continue
                head, buffers = open_page.messages.popleft()
                if open_page.messages:
                    self._turn.append(open_page)
            _hear(open_page, head, buffers)
            loop.call_soon(self._pump)
            return
        with self._lock:
            self._pumping = bool(self._turn)
        if self._pumping:
            loop.call_later(_LOOK_S, self._pump)

    def _models(self) -> set[str]:
        pages = [open_page.page for open_page in self.all() if open_page.page is not None]
        return {str(side.scope.model_id) for page in pages for side in page.sides.values()}

    def _tell_job(self, record: Record) -> None:
        for open_page in self.all():
            if open_page.page is not None:
                open_page.send_queue.put({"kind": "job", "id": record.id, "job": record.to_dict()}, [])


def _page(workspace: Workspace, send_queue: SendQueue, id: str) -> WorkbenchPage:
    """Make a page; its views bring torch, which is there only when the model is."""
    from scope_widgets.apps.workbench.page import WorkbenchPage

    return WorkbenchPage(workspace, send_queue, id)


def _hear(open_page: OpenPage, head: dict[str, Any], buffers: list[Any]) -> None:
    if open_page.page is None:
        return
    open_page.send_queue.hear(head, head.get("n", 0))
    with contextlib.suppress(ValueError):  # what a browser of ours does not say is not answered
        open_page.page.hear(head, buffers)


def _request_of(head: dict[str, Any]) -> Any:
    """Return the id of the request that a message is; None where it is none."""
    content = head.get("content")
    if head.get("kind") == "custom" and isinstance(content, dict) and content.get("kind") == "req":
        return content.get("id")
    return None


def _tell(loop: asyncio.AbstractEventLoop, something: asyncio.Event) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(something.set)
