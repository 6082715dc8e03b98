"""Long work: a queue a model, fair over those who wait in it, with progress and cancel."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from scope_widgets._job import Job, JobStatus, Steps

T = TypeVar("T")

State = Literal["queued", "running", "cancelling", "cancelled", "done", "failed"]
ENDED = ("cancelled", "done", "failed")

#: jobs whose end is remembered, and jobs that may wait
MOST_REMEMBERED = 200
MOST_WAITING = 100
#: seconds between two looks of what waits for its turn
_LOOK_S = 0.02


class QueueFullError(RuntimeError):
    """So many jobs wait for a model that no other is taken."""


class Queue:
    """Turns at one model: one job at a time, and whoever had the fewest turns lately is next.

    A client that asks for a hundred jobs at once does not keep another from its first.
    """

    def __init__(self) -> None:
        self._waiting: dict[str, deque[object]] = {}
        #: of each client, when it last had its turn; forgotten when nobody waits
        self._turns: dict[str, int] = {}
        self._count = 0
        self._now: object | None = None

    def in_turn(self, client: str, steps: Steps[T]) -> Steps[T]:
        """Go through `steps` when it is their turn; until then the status is "queued" and says how many are before.

        Raises
        ------
        QueueFullError
            Where too many wait.
        """
        with self._place(client) as place:
            while not self._begin(client, place):
                before = self.before(place)
                yield JobStatus("queued", f"waiting, {before} before it" if before else "waiting", pause=_LOOK_S)
            try:
                return (yield from steps)
            finally:
                self._now = None
                self._leave(client, place)

    def before(self, place: object) -> int:
        """Return how many have their turn before a place, the one that runs included."""
        order = sorted(self._waiting, key=self._last_turn)
        mine = next(at for at, client in enumerate(order) if place in self._waiting[client])
        rounds = self._waiting[order[mine]].index(place)
        ahead = [min(len(self._waiting[client]), rounds + (at < mine)) for at, client in enumerate(order) if at != mine]
        return int(self._now is not None) + sum(ahead) + rounds

    @property
    def length(self) -> int:
        """How many wait, and run."""
        return sum(map(len, self._waiting.values())) + int(self._now is not None)

    @contextmanager
    def _place(self, client: str) -> Iterator[object]:
        if self.length >= MOST_WAITING:
            raise QueueFullError(f"{self.length} jobs wait for this model already: try again when some are done.")
        place = object()
        self._waiting.setdefault(client, deque()).append(place)
        try:
            yield place
        finally:
            self._leave(client, place)

    def _begin(self, client: str, place: object) -> bool:
        """Take the turn where it is the place's."""
        if self._now is not None or min(self._waiting, key=self._last_turn) != client:
            return False
        if self._waiting[client][0] is not place:
            return False
        self._now = place
        self._count += 1
        self._turns[client] = self._count
        self._leave(client, place)
        return True

    def _last_turn(self, client: str) -> int:
        return self._turns.get(client, 0)

    def _leave(self, client: str, place: object) -> None:
        queue = self._waiting.get(client)
        if queue is not None and place in queue:
            queue.remove(place)
            if not queue:
                del self._waiting[client]
        if not self._waiting and self._now is None:
            self._turns.clear()


@dataclass
class Record:
    """A job as others see it.

    Attributes
    ----------
    id, name, client, model, queue : str
        Its number, what is done, who asked for it, the model that it is of, and the queue that it waits in, which is
        the model's or one of its own, such as that of all trainings; "" where it needs none.
    state : str
    text : str
        What is being done, as a few words.
    done, total : int
        Steps, 0 where they are not counted.
    error : str
        A sentence; "" where it did not fail.
    result
        What the work returned; None before its end.
    created, ended : float
        Seconds since 1970; `ended` is 0 before.
    """

    name: str
    client: str = ""
    model: str = ""
    queue: str = ""
    id: str = field(default_factory=lambda: secrets.token_hex(8))
    state: State = "queued"
    text: str = ""
    done: int = 0
    total: int = 0
    error: str = ""
    result: Any = None
    created: float = field(default_factory=time.time)
    ended: float = 0.0
    _job: Any = field(default=None, repr=False)
    _timer: Any = field(default=None, repr=False)

    def to_dict(self) -> dict[str, Any]:
        """Return what is told of it, without its result."""
        names = (
            "id",
            "name",
            "client",
            "model",
            "queue",
            "state",
            "text",
            "done",
            "total",
            "error",
            "created",
            "ended",
        )
        return {name: getattr(self, name) for name in names}


class Jobs:
    """All jobs of a server; they go on between the other things that the kernel does.

    Every method is to be called on the kernel's thread; `listeners` hear of each change on it.
    """

    def __init__(self) -> None:
        self.queues: dict[str, Queue] = {}
        self.listeners: list[Callable[[Record], None]] = []
        self._records: OrderedDict[str, Record] = OrderedDict()

    def submit(
        self,
        name: str,
        work: Callable[[], Steps[Any]],
        *,
        client: str = "",
        model: str = "",
        queue: str | None = None,
    ) -> Record:
        """Begin a job, which waits for its turn at `model`, or in another queue, where it names one.

        Parameters
        ----------
        name : str
            What is done, for a person.
        work : callable
            Returns the steps; of a function that runs where its model is: ``lambda: scope.submit(f, ...).follow()``.
        client : str, default ""
            Who asks; turns are fair over clients.
        model : str, default ""
            It stays loaded as long as the job goes on.
        queue : str, optional
            That of the model by default.

        Raises
        ------
        QueueFullError
            Where too many jobs wait in the queue.
        """
        record = Record(name, client, model, model if queue is None else queue)
        waiting = sum(one.queue == record.queue and one.state not in ENDED for one in self._records.values())
        waiting = max(waiting, self.queue(record.queue).length if record.queue else 0)
        if record.queue and waiting >= MOST_WAITING:
            raise QueueFullError(f"{waiting} jobs wait for this already: try again when some are done.")
        record._job = Job(self.queue(record.queue).in_turn(client, work()) if record.queue else work())
        self._records[record.id] = record
        self._forget()
        self._tell(record)
        record._timer = asyncio.get_running_loop().call_soon(self._step, record)
        return record

    def queue(self, name: str) -> Queue:
        """Return the queue of a model, or another one."""
        return self.queues.setdefault(name, Queue())

    def busy(self, model: str) -> bool:
        """Return whether a job of a model has not ended, or something waits for its turn at it."""
        queue = self.queues.get(model)
        going = any(one.model == model and one.state not in ENDED for one in self._records.values())
        return going or (queue is not None and queue.length > 0)

    def all(self) -> list[Record]:
        """Return every job that is remembered, the latest first."""
        return list(reversed(self._records.values()))

    def get(self, id: str) -> Record:
        """Return a job.

        Raises
        ------
        KeyError
            Where there is none of this id.
        """
        return self._records[id]

    def cancel(self, id: str) -> Record:
        """Stop a job: it ends at its next step, and what it has computed so far stays.

        Until it computes nothing any more it is "cancelling", and keeps its turn.
        """
        record = self._records[id]
        if record.state not in ENDED and record.state != "cancelling":
            record.state = "cancelling"
            self._tell(record)
            if record._timer is not None:
                record._timer.cancel()
            record._timer = asyncio.get_running_loop().call_soon(self._stop, record)
        return record

    def stop_all(self) -> None:
        """Stop every job now: the server ends."""
        for record in self._records.values():
            if record.state not in ENDED:
                if record._timer is not None:
                    record._timer.cancel()
                record._job.cancel()
                self._end(record, "cancelled")

    def _stop(self, record: Record) -> None:
        record._job.stop()
        self._stopping(record)

    def _stopping(self, record: Record) -> None:
        """Go on with the steps of a job that is stopped, until there are none."""
        job = record._job
        with suppress(Exception):  # it was stopped: whatever it says now is not waited for
            next(job)
        if job.done:
            self._end(record, "cancelled")
        else:
            record._timer = asyncio.get_running_loop().call_later(job.status.pause, self._stopping, record)

    def _step(self, record: Record) -> None:
        try:
            status = next(record._job)
        except StopIteration:
            record.result = record._job.result()
            self._end(record, "done")
            return
        except CancelledError:
            self._end(record, "cancelled")
            return
        except Exception as error:
            record.error = str(error) or type(error).__name__
            self._end(record, "failed")
            return
        state: State = "queued" if status.state == "queued" and record.state == "queued" else "running"
        now = (state, status.text, status.done, status.total)
        if now != (record.state, record.text, record.done, record.total):
            record.state, record.text, record.done, record.total = now
            self._tell(record)
        loop = asyncio.get_running_loop()
        record._timer = loop.call_later(status.pause, self._step, record)

    def _end(self, record: Record, state: State) -> None:
        record.state, record.ended, record._job, record._timer = state, time.time(), None, None
        self._tell(record)

    def _forget(self) -> None:
        """Forget the oldest of those that have ended, where there are many."""
        for id, record in list(self._records.items()):
            if len(self._records) <= MOST_REMEMBERED:
                return
            if record.state in ENDED:
                del self._records[id]

    def _tell(self, record: Record) -> None:
        for listener in list(self.listeners):
            listener(record)
