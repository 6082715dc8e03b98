"""One request of nnsight to an NDIF server: statuses as they come, results without pickle."""

from __future__ import annotations

import io
import pickle
import re
import sys
import time
import zipfile
from collections.abc import Callable, Generator
from importlib.metadata import version
from typing import Any

import httpx
import websocket
from nnsight.intervention.backends.remote import RemoteBackend
from nnsight.schema.request import RequestModel
from nnsight.schema.response import ResponseModel, Status

from scope_widgets._job import JobStatus, State
from scope_widgets._untrusted import parse_json
from scope_widgets.remote.client.check_received import check_archive, load_answer
from scope_widgets.remote.client.server_connection import Server
from scope_widgets.remote.errors import (
    LostConnectionError,
    NoAnswerError,
    ServerDownError,
    of_job,
    understanding,
)
from scope_widgets.remote.worker.execute import PROGRESS

#: seconds that one look at a job whose answer is stored may take
_LOOK = 5.0
#: seconds of silence after which the server is asked whether it is still there
_SILENCE = 5.0


Listener = Callable[[JobStatus], None]

_LOST = JobStatus("lost", "connection lost, waiting for the server")

_STATES: dict[Status, State] = {
    Status.RECEIVED: "sent",
    Status.QUEUED: "queued",
    Status.PROVISIONING: "deploying",
    Status.DEPLOYING: "deploying",
    Status.DISPATCHED: "queued",
    Status.RUNNING: "running",
    Status.COMPLETED: "done",
}

_TEXTS = {"sent": "sent to the server", "deploying": "the server loads the model", "done": ""}


def _status(response: ResponseModel) -> JobStatus:
    """Return a status of the server's in our words; its own words only give the place in the queue."""
    state = _STATES.get(response.status, "running")
    if state == "queued":
        place = re.search(r"position (\d+)", response.description or "")
        return JobStatus(state, f"queued, position {place[1]}" if place else "queued")
    return JobStatus(state, _TEXTS.get(state, "running on the server"))


class Request(RemoteBackend):  # type: ignore[misc]
    """One request of nnsight to a `Server`.

    Parameters
    ----------
    stored : bool
        The server stores the answer, to be fetched by `job_id` within the hour, also by another process: survives a
        lost connection, but costs 0.1 s, and progress inside the job is not known.
    """

    def __init__(self, model: Any, server: Server, listener: Listener, *, stored: bool, model_id: str) -> None:
        super().__init__(model.to_model_key(), server.host, "none", blocking=not stored)
        self.api_key = server.key
        self.display.enabled = False
        self.server = server
        self.answer: Any = None
        self._listener = listener
        self._model_id = model_id
        self._stored = stored
        self._end = time.monotonic() + server.timeout
        self._taken = 0
        self.ended = False

    def __call__(self, tracer: Any = None) -> Any:
        """Send the block of `tracer`; waits for its answer unless that is stored."""
        blob = self._serialize(tracer)
        request = RequestModel(model_key=self.model_key, compress=self.compress, env=self.env)
        if self._stored:
            self.job_id = self._post(request, blob).id
        else:
            self.answer = self._stream(request, blob)["answer"]

    def send(self, send: Callable[[Request], Any]) -> Generator[JobStatus, None, None]:
        """Send a request by `send(request)`; a server that is lost is waited for, a step a try.

        One that may have taken the request gets it a second time, but not a third: it changes nothing there.
        """
        lost = 0.0
        while True:
            try:
                send(self)
                return
            except (ServerDownError, LostConnectionError):
                lost = lost or time.monotonic()
                if not self.server.met or self._taken > 1 or time.monotonic() - lost > self.server.patience:
                    raise
            yield _LOST

    def poll(self) -> Generator[JobStatus, None, Any]:
        """Look for a stored answer once a step; return it, or None where the server does not know the job (any more).

        A server that does not answer is asked again, for its patience: a job that runs goes on there. One that waited
        in the queue of a server that went down is not known to it any more, though it is said to wait.
        """
        lost = unknown = since = 0.0
        looked, interrupted = time.monotonic(), self._taken == 0  # not taken from us: sent by another process
        last: Any = None
        while True:
            limit = min(_LOOK, self._left())
            try:
                response = self.server.ask("GET", f"/response/{self.job_id}", limit)
                if response.status_code >= 500:
                    raise self.server.refused(response.status_code, _detail(response))
                lost = 0.0
                interrupted = interrupted or time.monotonic() - looked > _LOOK  # who knows what has happened since
                looked = time.monotonic()
            except (ServerDownError, LostConnectionError):
                lost = lost or time.monotonic()
                interrupted = True
                if time.monotonic() - lost > self.server.patience:
                    raise
                yield _LOST
                continue
            if response.status_code == 404:  # also of a job that waits for the queue to be read
                unknown = unknown or time.monotonic()
                if time.monotonic() - unknown > self.server.patience:
                    return None
                yield JobStatus("sent", _TEXTS["sent"])
                continue
            if response.status_code != 200:
                raise self.server.refused(response.status_code, _detail(response))
            unknown = 0.0
            model = _parse(response.text, self.host)
            found = self._received(model)
            if found is not None:
                return found["answer"]
            news = _status(model)
            if news != last:
                last, since = news, time.monotonic()
            waits = interrupted and news.state != "running"
            if waits and time.monotonic() - since > self.server.patience:
                return None
            yield news

    def _post(self, request: RequestModel, blob: bytes) -> ResponseModel:
        headers = {"ndif-timestamp": repr(time.time()), "nnsight-version": version("nnsight")}
        try:
            response = self.server.ask(
                "POST",
                "/request",
                self._left(),
                headers={**headers, "python-version": sys.version},
                data={"data": request.metadata()},
                files={"blob": ("request", blob, "application/octet-stream")},
            )
        except LostConnectionError:
            self._taken += 1  # perhaps
            raise
        if response.status_code != 200:
            raise self.server.refused(response.status_code, _detail(response))
        self._taken += 1
        self.server.traffic.requests += 1
        self.server.traffic.sent += len(blob)
        first = _parse(response.text, self.host)
        self._received(first)
        return first

    def _stream(self, request: RequestModel, blob: bytes) -> Any:
        connection = self._connect()
        try:
            first = self._message(connection, self.server.patience)
            with understanding(self.host):
                request.session_id = str(parse_json(first)["session_id"])
            self._post(request, blob)
            while True:
                found = self._received(_parse(self._message(connection, _SILENCE, self.server.alive), self.host))
                if found is not None:
                    return found
        finally:
            connection.close(timeout=0)  # without waiting for a farewell

    def _connect(self) -> Any:
        """Open the socket on which the server says how a request stands."""
        within = min(self.server.patience, self._left())
        try:
            return websocket.create_connection(
                f"{self.ws_host}/subscribe", timeout=within, header=self.server.headers or None
            )
        except websocket.WebSocketBadStatusException as error:
            failure = self.server.refused(error.status_code, "it opens no socket for statuses (/subscribe)")
        except websocket.WebSocketTimeoutException:
            failure = ServerDownError(self.server.silent(f"it said nothing for {within:.2g} s"))
        except (OSError, websocket.WebSocketException) as error:
            why = getattr(error, "strerror", None) or str(error) or type(error).__name__
            failure = ServerDownError(self.server.silent(f"nothing answers there ({why})"))
        raise failure  # without the socket's error behind it, whose variables hold the key

    def _message(self, connection: Any, silence: float, alive: Callable[[float], bool] | None = None) -> str | bytes:
        """Wait for the next message; after a silence, go on waiting if the server is `alive`."""
        while True:
            connection.settimeout(min(silence, self._left()))
            try:
                # also gives control frames, so that a server that only says that it lives does not hold us
                kind, data = connection.recv_data(control_frame=True)
            except websocket.WebSocketTimeoutException:
                if alive is None or not alive(self._left()):
                    self._left()
                    raise LostConnectionError(self.server.silent(f"it said nothing for {silence:.3g} s")) from None
                continue
            except (OSError, websocket.WebSocketException) as error:
                raise LostConnectionError(
                    self.server.silent(f"the connection broke ({type(error).__name__})")
                ) from error
            if kind == websocket.ABNF.OPCODE_CLOSE:
                raise LostConnectionError(self.server.silent("it closed the connection"))
            if kind == websocket.ABNF.OPCODE_TEXT:
                return str(data, "utf-8", "replace")
            if kind == websocket.ABNF.OPCODE_BINARY:
                return bytes(data)

    def _received(self, response: ResponseModel) -> Any:
        """Pass a status on; return the saved values where it is the last one."""
        self.ended = response.status in (Status.ERROR, Status.COMPLETED)
        if response.status == Status.ERROR:
            raise of_job(response.description, self._model_id)
        if response.status == Status.LOG:
            for line in response.description.splitlines():
                self._printed(line)
        else:
            self._listener(_status(response))
        if response.status != Status.COMPLETED:
            return None
        data = response.data
        if not isinstance(data, (bytes, bytearray)):
            answer = self.server.ask("GET", data, self._left())
            if answer.status_code != 200:
                raise LostConnectionError(self.server.silent(f"its store answered {answer.status_code}"))
            data = answer.content
        self.server.traffic.received += len(data)
        with understanding(self.host):
            return {"answer": load_answer(data, self.server.most_bytes, compressed=self.compress)["answer"]}

    def _printed(self, line: str) -> None:
        words = line.split(maxsplit=3)
        if len(words) >= 3 and words[0] == PROGRESS and words[1].isdigit() and words[2].isdigit():
            self._listener(_progress(" ".join(words[3:]), int(words[1]), int(words[2])))
        elif line.strip():
            self._listener(JobStatus("printed", line))

    def _left(self) -> float:
        left = self._end - time.monotonic()
        if left <= 0:
            raise NoAnswerError(
                f"No answer from {self.host} within {self.server.timeout:.3g} s. The job goes on there; give "
                "Microscope.load(..., timeout=) more seconds, or ask for less at once."
            )
        return left


def _progress(text: str, done: int, total: int) -> JobStatus:
    count = f"{done:,} of {total:,}" if total else ""
    return JobStatus("running", ", ".join(part for part in ("running on the server", text, count) if part), done, total)


class _Envelope(pickle.Unpickler):
    """Reads a status, which the server pickles where the answer is in it: plain values and a `Status`, nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == (Status.__module__, Status.__name__):
            return Status
        raise pickle.UnpicklingError(f"An answer names {module}.{name}, which no status holds.")


def _parse(message: str | bytes, host: str) -> ResponseModel:
    with understanding(host):
        if isinstance(message, str):
            return ResponseModel.model_validate_json(message)
        with zipfile.ZipFile(io.BytesIO(message)) as whole:  # as torch.save writes it
            check_archive(whole, len(message))
            (name,) = [name for name in whole.namelist() if name.endswith("data.pkl")]
            return ResponseModel(**_Envelope(io.BytesIO(whole.read(name))).load())


def _detail(response: httpx.Response) -> str:
    try:
        found = response.json()
        return str(found.get("detail", found) if isinstance(found, dict) else found)
    except ValueError:
        return "" if response.text.lstrip().startswith("<") else response.text[:300]
