"""A model on a server, without the server: requests are packed and unpacked as they would be, and answered here."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from scope_widgets._job import JobStatus, Steps
from scope_widgets.models.microscope import LocalMicroscope
from scope_widgets.remote.client.request import Listener
from scope_widgets.remote.client.server_connection import Server
from scope_widgets.remote.errors import ServerDownError
from scope_widgets.remote.microscope import RemoteMicroscope
from scope_widgets.remote.worker.execute import run_request

KEY = "a-key-that-nobody-may-see"
QUEUED = JobStatus("queued", "queued, position 3")
RUNNING = JobStatus("running", "running on the server")


class FakeTransport:
    """A server that has `local` and says `statuses` before each answer.

    Attributes
    ----------
    asked : list of str
        Names of the functions that were asked for, "read" for quantities of a trace.
    down : bool
        The server is down: requests fail after the first status.
    blocked : bool
        Whether a request that is waited for is an error.
    """

    address = "http://127.0.0.1:1"

    def __init__(self, local: LocalMicroscope, statuses: tuple[JobStatus, ...] = (QUEUED, RUNNING)) -> None:
        self.server = Server(self.address, KEY)
        self.local, self.statuses = local, statuses
        self.asked: list[str] = []
        self.down = self.blocked = False
        self._jobs: list[dict[str, Any]] = []

    def ask(self, request: dict[str, Any], listener: Listener) -> Any:
        assert not self.blocked, f"{request.get('function', 'read')} holds the kernel."
        return self._answer(request)

    def begin(self, request: dict[str, Any]) -> Steps[str]:
        yield JobStatus("sent", "sent to the server")
        self._jobs.append(request)
        return str(len(self._jobs) - 1)

    def poll(self, job: str) -> Steps[Any]:
        for status in self.statuses:
            yield status
            if self.down:
                raise ServerDownError("The server is down.")
        return self._answer(self._jobs[int(job)])

    def _answer(self, request: dict[str, Any]) -> Any:
        if "read" not in request:
            self.asked.append(request["function"].rpartition(":")[2].rpartition(".")[2])
            return run_request(self.local, request)
        self.asked.append("read")
        return _read(self.local, request)


def _read(local: LocalMicroscope, request: dict[str, Any]) -> dict[str, Any]:
    """Read quantities as a trace of nnsight's on a server gives them, see `worker.read_activations`."""
    trace = local.trace(request["input_ids"].tolist())
    found: dict[str, Any] = {}
    for name, path, side, head in request["read"]:
        site, layer = name.split(".")
        value = trace.logits if site.endswith("logits") else getattr(trace, site)(int(layer))
        value = value.transpose(1, 2) if side.isdigit() else value
        if isinstance(head, list):
            value = value[list(range(len(head))), head]
        found[name] = value if not isinstance(head, int) else value[:, head : head + 1]
        if side.isdigit():
            scoring = trace.scoring[int(layer)]
            seen = scoring.seen(len(trace.token_ids[0]))[None, None]
            found["scoring " + path] = [scoring.scaling, scoring.softcap, scoring.window, None, seen]
    return found


def fake_remote(local: LocalMicroscope, statuses: tuple[JobStatus, ...] = (QUEUED, RUNNING)) -> RemoteMicroscope:
    """Return `local` as a model on a server, whose `transport` is a `FakeTransport`."""
    described = SimpleNamespace(_module=local.model, to_model_key=lambda: "fake")
    return RemoteMicroscope(described, local.tokenizer, local.model_id, local.revision, FakeTransport(local, statuses))
