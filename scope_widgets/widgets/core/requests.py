"""The Python end of the wire to the browser: requests with ids, answered by methods, with progress and cancel."""

from __future__ import annotations

import asyncio
import inspect
import logging
import time
import typing
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import traitlets

from scope_widgets._job import Job, Steps
from scope_widgets._json_fields import decode
from scope_widgets._untrusted import check_plain, opening, reading, why

Answer = tuple[dict[str, Any], list[bytes]]
#: an answer that takes long: its statuses, and the answer in the end
LongAnswer = Steps[Answer]

_log = logging.getLogger("scope_widgets")


class Answers:
    """Mixin that answers request `name` with the method ``answer_<name>(**args)``, see `View`."""

    _running: set[str]
    #: answers that pause: their timer, and their next step
    _paused: dict[str, tuple[asyncio.TimerHandle, Callable[[], None]]]

    if TYPE_CHECKING:  # the widget's own

        def send(self, content: Any, buffers: Any = None) -> None:
            """Send a message to the browser."""

        def _catch_up(self) -> None:
            """Send what changed before the browser drew the view."""

    def _hear(self, _widget: Any, message: Any, buffers: list[Any]) -> None:
        # Messages of other protocols (anywidget has its own) are left alone.
        if not isinstance(message, dict) or message.get("v") != 1:
            return
        request = str(message.get("id"))
        if message.get("kind") == "cancel":
            self._running.discard(request)
            self._hurry()
        elif message.get("kind") == "mounted":
            self._catch_up()
        elif message.get("kind") == "req":
            self._running.add(request)
            steps = self._steps(request, str(message.get("name")), message.get("args", {}))
            try:
                loop = asyncio.get_running_loop()
            except RuntimeError:
                for pause in steps:
                    time.sleep(pause)
            else:
                self._step(loop, request, steps)

    def _step(self, loop: asyncio.AbstractEventLoop, request: str, steps: Iterator[float]) -> None:
        """Do one step and put off the next, so that the kernel can hear a cancel between two."""
        self._paused.pop(request, None)
        for pause in steps:
            if pause:
                timer = loop.call_later(pause, self._step, loop, request, steps)
                self._paused[request] = timer, partial(self._step, loop, request, steps)
            else:
                loop.call_soon(self._step, loop, request, steps)
            return

    def _stop(self) -> None:
        """Stop all answers: each ends at its next step."""
        self._running.clear()
        self._hurry()

    def _hurry(self) -> None:
        """End all pauses now, so that what is to stop stops at once."""
        for timer, step in list(self._paused.values()):
            timer.cancel()
            step()

    def _steps(self, request: str, name: str, args: dict[str, Any]) -> Iterator[float]:
        start = time.monotonic()
        try:
            method, given = self._method(name, args)
            answer = method(**given)
            if inspect.isgenerator(answer):
                answer = yield from self._report(request, answer)
            if request in self._running:
                data, buffers = answer
                with reading(f"The answer to '{name}' cannot be sent"):
                    check_plain(data)
                self.send({"v": 1, "id": request, "kind": "res", "data": data}, buffers)
        except Exception as failure:
            _log.debug("request %r failed", name, exc_info=failure)
            self.send({"v": 1, "id": request, "kind": "err", "message": _sentence(name, failure)})
        finally:
            self._running.discard(request)
            _log.debug("request %r took %.0f ms", name, 1e3 * (time.monotonic() - start))

    def _report(self, request: str, answer: Any) -> Generator[float, None, Answer | None]:
        last: tuple[Any, ...] = (0, 0, "")
        job: Job[Answer] = Job(answer)
        try:
            for status in job:
                now = status.done, status.total, status.text
                if now != last and status.state != "printed":
                    last = now
                    done, total, text = now
                    self.send({"v": 1, "id": request, "kind": "progress", "done": done, "total": total, "text": text})
                yield status.pause
                if request not in self._running:
                    job.stop()
                    while not job.done:  # a thread of it ends where its bar moves next: until then it has its turn
                        yield job.status.pause
                        with suppress(Exception):  # nobody waits for the answer any more
                            next(job)
                    return None
            return job.result()
        finally:
            job.cancel()

    def _method(self, name: str, args: Any) -> tuple[Any, dict[str, Any]]:
        """Return the method that answers, and its arguments, each of the type that it says."""
        method = getattr(self, f"answer_{name}", None) if name.isidentifier() else None
        if method is None:
            raise ValueError(f"This view has no answer to {opening(name)}.")
        try:
            if not isinstance(args, dict):
                raise ValueError("they are no object")
            check_plain(args)
            inspect.signature(method).bind(**args)
            hints = typing.get_type_hints(method)
            return method, {key: decode(value, hints.get(key, Any), key) for key, value in args.items()}
        except (TypeError, ValueError) as problem:
            raise ValueError(f"'{name}' was asked with the wrong arguments: {problem}.") from None


def finished(answer: Answer | LongAnswer) -> Answer:
    """Return an answer, and wait for it where it takes long."""
    return answer if isinstance(answer, tuple) else Job(answer).result(progress=False)


def _sentence(name: str, failure: Exception) -> str:
    """Return what went wrong in words, without the path of any file of ours."""
    if isinstance(failure, OSError) and failure.strerror:
        return f"'{name[:40]}' failed: {failure.strerror}."
    if isinstance(failure, (ValueError, OSError, RuntimeError, traitlets.TraitError)) and str(failure):
        return str(failure)
    return f"'{name[:40]}' failed, and this package did not expect it ({type(failure).__name__}): {why(failure)}."
