"""What carries requests to a model that is elsewhere, and the answers back."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Protocol

from scope_widgets._job import JobStatus, Steps
from scope_widgets.models.execution.nnsight_trace import run_remotely, trace_remotely
from scope_widgets.remote.client.request import Listener, Request
from scope_widgets.remote.client.server_connection import Server
from scope_widgets.remote.errors import NoAnswerError, RemoteError
from scope_widgets.remote.source_bundle import sources_of
from scope_widgets.remote.worker.bootstrap import run_with_sources
from scope_widgets.remote.worker.read_activations import read

#: seconds between two tries to reach a server that was lost
_RETRY = 1.0


class JobFailed(Exception):
    """A stored job has ended, and there is no use in asking for it again; the cause is the error of the request."""


class Transport(Protocol):
    """Carries plain requests (numbers, texts, tensors, lists, dicts), see `RemoteMicroscope`.

    A request has "function", "args" and "kwargs" of a call, see `worker.execute`, or "read", "input_ids" and
    "attention_mask" of quantities of one forward, see `worker.read_activations`.

    Attributes
    ----------
    address : str
        Where requests go: for a person, and for the key of stored answers.
    server : Server
        Its limits: how long it is waited for, and how much an answer may bring.
    """

    server: Server

    @property
    def address(self) -> str:
        """Where requests go."""

    def ask(self, request: dict[str, Any], listener: Listener) -> Any:
        """Return the answer, and wait for it; `listener` is called with each status."""

    def begin(self, request: dict[str, Any]) -> Steps[str]:
        """Send a request whose answer is stored; return the job's id."""

    def poll(self, job: str) -> Steps[Any]:
        """Look for a stored answer, a step a look; return it, or None where the job is not known (any more).

        Raises `JobFailed` from the error of a job that has ended.
        """


class NdifTransport:
    """Requests to an NDIF server.

    Parameters
    ----------
    server : Server
    model
        nnsight's, without weights.
    model_id : str
    """

    def __init__(self, server: Server, model: Any, model_id: str) -> None:
        self.server = server
        self._model = model
        self._model_id = model_id
        self._sent: dict[str, Request] = {}

    @property
    def address(self) -> str:
        """Where requests go."""
        return self.server.host

    def backend(self, listener: Listener | None = None, *, stored: bool = False) -> Request:
        """Return a backend of nnsight for one request to the server, with time limits and without pickle."""
        return Request(
            self._model, self.server, listener or (lambda status: None), stored=stored, model_id=self._model_id
        )

    def ask(self, request: dict[str, Any], listener: Listener) -> Any:
        """Return the answer to a request, statuses as they come over one connection."""
        backend = self.backend(listener)
        for lost in backend.send(self._sender(request)):
            listener(lost)
            time.sleep(_RETRY)
        return backend.answer

    def begin(self, request: dict[str, Any]) -> Steps[str]:
        """Send a request whose answer is stored; return the job's id."""
        backend = self.backend(stored=True)
        yield from backend.send(self._sender(request))
        self._sent[backend.job_id] = backend
        return str(backend.job_id)

    def poll(self, job: str) -> Steps[Any]:
        """Look for a stored answer, also of a job that another process sent."""
        backend = self._sent.pop(job, None) or self.backend(stored=True)
        backend.job_id = job
        try:
            return (yield from backend.poll())
        except NoAnswerError:
            raise  # it may still be under way
        except RemoteError as error:
            if backend.ended:
                raise JobFailed from error
            raise

    def _sender(self, request: dict[str, Any]) -> Callable[[Request], Any]:
        if "read" in request:
            inputs = {name: request[name] for name in ("input_ids", "attention_mask")}
            asked = [tuple(one) for one in request["read"]]
            return lambda backend: trace_remotely(self._model, backend, read, inputs, asked)
        sources = sources_of(request)
        return lambda backend: run_remotely(self._model, backend, run_with_sources, sources, request)


def paced(steps: Steps[Any], first: float = 0.05, most: float = 0.5) -> Steps[Any]:
    """Go through steps that only look, with longer and longer pauses while nothing changes."""
    pause, last = first, JobStatus("waiting")
    try:
        while True:
            status = next(steps)
            pause = first if status != last else min(1.3 * pause, most)
            last = status
            yield status._replace(pause=pause)
    except StopIteration as end:
        return end.value
    finally:
        steps.close()
