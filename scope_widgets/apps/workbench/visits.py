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
from scope_widgets.apps.workbench.outbox import Outbox
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


class Visit:
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
        self.outbox = Outbox(lambda: _tell(loop, self.something))
        self.page: WorkbenchPage | None = None
        self.problem = ""
        self.messages: deque[tuple[dict[str, Any], list[Any]]] = deque()
        #: on which the page is made: two sockets of it do not make two
        self.making = asyncio.Lock()


class Visits:
    """All pages of a server, and the one place where their messages take turns.

    Parameters
    ----------
    workspace : Workspace
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._visits: OrderedDict[str, Visit] = OrderedDict()
        self._lock = threading.Lock()
        self._turn: deque[Visit] = deque()
        self._pumping = False
        workspace.jobs.listeners.append(self._tell_job)
        workspace.shown.append(self._models)

    def all(self) -> list[Visit]:
        """Return the pages that are kept."""
        return list(self._visits.values())

    async def of(self, id: str) -> Visit:
        """Return the page of an id, which is made where there is none; call it on the server's thread.

        Raises
        ------
        ValueError
            Where there are too many, or it cannot be made.
        """
        await self.forget()
        visit = self._visits.get(id)
        if visit is None:
            if len(self._visits) >= MOST_PAGES:
                raise ValueError(f"{MOST_PAGES} pages are open on this server: close one first.")
            visit = self._visits[id] = Visit(id, asyncio.get_running_loop())
        async with visit.making:
            if visit.page is None:
                try:
                    visit.page = await self._workspace.kernel.run(_page, self._workspace, visit.outbox, id)
                except BaseException:
                    self._visits.pop(id, None)
                    raise
        return visit

    async def close(self, visit: Visit) -> None:
        """Close a page and all that it shows."""
        if self._visits.get(visit.id) is not visit:
            return  # it is closed, or being so
        del self._visits[visit.id]
        if visit.page is not None:
            await self._workspace.kernel.run(visit.page.close)

    def stop(self) -> None:
        """Stop what every page asked for; call it on the kernel's thread."""
        for visit in self.all():
            if visit.page is not None:
                visit.page.close()

    async def keep_forgetting(self) -> None:
        """Close pages that nobody has looked at for long, as long as the server is there: each holds a model."""
        while True:
            await asyncio.sleep(_SWEEP_S)
            with contextlib.suppress(Exception):  # the view of one page does not keep the others
                await self.forget()

    async def forget(self) -> None:
        """Close pages that nobody has looked at for long."""
        now = time.monotonic()
        gone = [one for one in self._visits.values() if one.socket is None and now - one.left > KEPT_S]
        if len(self._visits) >= MOST_PAGES and not gone:
            without = [one for one in self._visits.values() if one.socket is None and one.page is not None]
            gone = sorted(without, key=lambda one: one.left)[:1]
        for visit in gone:
            if visit.socket is None:  # it may have come back while another one was closed
                await self.close(visit)

    # -- what pages say, in turns

    def has_room(self, visit: Visit) -> bool:
        """Return whether another message of a page is taken."""
        return len(visit.messages) < MOST_WAITING

    def put(self, visit: Visit, head: dict[str, Any], buffers: list[Any]) -> None:
        """Take a message of a page; call it on the server's thread."""
        content = head.get("content")
        if head.get("kind") == "custom" and isinstance(content, dict) and content.get("kind") == "cancel":
            with self._lock:
                for waiting in visit.messages:
                    if _request_of(waiting[0]) == content.get("id"):
                        visit.messages.remove(waiting)
                        return
            self._workspace.kernel.soon(_hear, visit, head, buffers)  # it overtakes what waits
            return
        with self._lock:
            visit.messages.append((head, buffers))
            if visit not in self._turn:
                self._turn.append(visit)
            if self._pumping:
                return
            self._pumping = True
        self._workspace.kernel.soon(self._pump)

    def _pump(self) -> None:
        """Give one message of one page to it, and put off the next, so that whatever goes on has its turn too."""
        loop = asyncio.get_running_loop()
        for _ in range(len(self._turn)):
            with self._lock:
                visit = self._turn.popleft()
                if not visit.messages:
                    continue
                if _request_of(visit.messages[0][0]) and visit.page is not None and visit.page.busy() >= MOST_AT_ONCE:
                    self._turn.append(visit)
                    continue
                head, buffers = visit.messages.popleft()
                if visit.messages:
                    self._turn.append(visit)
            _hear(visit, head, buffers)
            loop.call_soon(self._pump)
            return
        with self._lock:
            self._pumping = bool(self._turn)
        if self._pumping:
            loop.call_later(_LOOK_S, self._pump)

    def _models(self) -> set[str]:
        pages = [visit.page for visit in self.all() if visit.page is not None]
        return {str(side.scope.model_id) for page in pages for side in page.sides.values()}

    def _tell_job(self, record: Record) -> None:
        for visit in self.all():
            if visit.page is not None:
                visit.outbox.put({"kind": "job", "id": record.id, "job": record.to_dict()}, [])


def _page(workspace: Workspace, outbox: Outbox, id: str) -> WorkbenchPage:
    """Make a page; its views bring torch, which is there only when the model is."""
    from scope_widgets.apps.workbench.page import WorkbenchPage

    return WorkbenchPage(workspace, outbox, id)


def _hear(visit: Visit, head: dict[str, Any], buffers: list[Any]) -> None:
    if visit.page is None:
        return
    visit.outbox.hear(head, head.get("n", 0))
    with contextlib.suppress(ValueError):  # what a browser of ours does not say is not answered
        visit.page.hear(head, buffers)


def _request_of(head: dict[str, Any]) -> Any:
    """Return the id of the request that a message is; None where it is none."""
    content = head.get("content")
    if head.get("kind") == "custom" and isinstance(content, dict) and content.get("kind") == "req":
        return content.get("id")
    return None


def _tell(loop: asyncio.AbstractEventLoop, something: asyncio.Event) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(something.set)
