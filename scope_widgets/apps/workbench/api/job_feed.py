"""Jobs as the server's own thread sees them: the latest word of each, and whoever is told of changes."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any

from scope_widgets.apps.workbench.jobs import ENDED, MOST_REMEMBERED, Record
from scope_widgets.apps.workbench.workspace import Workspace


class Changes:
    """What one who listens is still to hear: of each job its latest word, so that none loses its last.

    Used on the server's thread.
    """

    def __init__(self) -> None:
        self._waiting: OrderedDict[str, dict[str, Any]] = OrderedDict()
        self._something = asyncio.Event()

    def put(self, said: dict[str, Any]) -> None:
        """Take a word, in the place of an earlier one of the same job."""
        self._waiting[said["id"]] = said
        self._something.set()

    async def get(self) -> dict[str, Any]:
        """Return the next word, when there is one."""
        while not self._waiting:
            self._something.clear()
            await self._something.wait()
        return self._waiting.popitem(last=False)[1]


class JobFeed:
    """Copies what is told of jobs, so that it can be asked for while the models' thread is busy.

    Parameters
    ----------
    workspace : Workspace
    """

    def __init__(self, workspace: Workspace) -> None:
        self._lock = Lock()
        self._records: OrderedDict[str, tuple[int, Record, dict[str, Any]]] = OrderedDict()
        self._count = 0
        self._listeners: list[Callable[[dict[str, Any]], None]] = []
        workspace.jobs.listeners.append(self._hear)

    def all(self) -> list[tuple[int, dict[str, Any]]]:
        """Return all jobs that are remembered, each with its number, in their order."""
        with self._lock:
            return [(number, said) for number, _, said in self._records.values()]

    def get(self, id: str) -> tuple[Record, dict[str, Any]] | None:
        """Return a job and what was last told of it; None where there is none."""
        with self._lock:
            found = self._records.get(id)
        return None if found is None else found[1:]

    @contextmanager
    def listening(self) -> Iterator[Changes]:
        """Return where each change is put; call it on the server's thread."""
        loop = asyncio.get_running_loop()
        changes = Changes()

        def listen(said: dict[str, Any]) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(changes.put, said)

        self._listeners.append(listen)
        try:
            yield changes
        finally:
            self._listeners.remove(listen)

    def _hear(self, record: Record) -> None:
        said = record.to_dict()
        with self._lock:
            known = self._records.get(record.id)
            if known is None:
                self._count += 1
            self._records[record.id] = (self._count if known is None else known[0], record, said)
            ended = [id for id, one in self._records.items() if one[2]["state"] in ENDED and id != record.id]
            for id in ended[: max(0, len(self._records) - MOST_REMEMBERED)]:
                del self._records[id]
        for listen in list(self._listeners):
            listen(said)
