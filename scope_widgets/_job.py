"""`Job`: work that goes on in steps, so that whoever waits for it can do something else, or stop it."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import CancelledError
from contextlib import suppress
from typing import Any, Generic, Literal, NamedTuple, TypeVar

from scope_widgets._progress import tqdm

T = TypeVar("T")
U = TypeVar("U")

State = Literal["waiting", "sent", "queued", "deploying", "running", "lost", "printed", "done"]

#: seconds before a bar appears: most jobs are over by then
_BAR_DELAY = 1.0


class TooMuchAtOnceError(RuntimeError):
    """A job took more time or memory than it may: asking for parts of it, one after the other, can help."""


class ElsewhereError(RuntimeError):
    """What runs on another machine could not be asked, or did not answer; its sentence says what to do."""


class JobStatus(NamedTuple):
    """How a job stands.

    Attributes
    ----------
    state : str
        "waiting" (not begun), "sent", "queued", "deploying", "running", "lost" (the connection, which is waited for),
        "printed" (`text` is a line that the work printed), "done".
    text : str
        What is being done, or waited for, in a few words for a person.
    done, total : int
        Steps of the work, 0 where they are not counted.
    partial
        What this step has computed, where the work has results before its end; else None.
    pause : float
        Seconds after which another step is worth it; 0: at once.
    """

    state: State
    text: str = ""
    done: int = 0
    total: int = 0
    partial: Any = None
    pause: float = 0.0


Steps = Generator[JobStatus, None, T]


class Job(Iterator[JobStatus], Generic[T]):
    """Work under way: iterating does a step and says how it stands, `result` waits for the end, `cancel` stops it.

    Parameters
    ----------
    steps : generator of JobStatus
        Does the work and returns its result. Nothing is done before the first step is asked for.

    Examples
    --------
    >>> job = scope.submit(heads.score, scope.trace("one two one two"))
    >>> for status in job:
    ...     print(status.text)
    >>> job.result().to_dataframe().shape[0] == scope.n_layers * scope.n_heads
    True
    """

    def __init__(self, steps: Steps[T]) -> None:
        self._steps = steps
        self._outcome: Callable[[], T] | None = None
        self.status = JobStatus("waiting")

    @property
    def done(self) -> bool:
        """Whether it has ended: with a result, with an error, or cancelled."""
        return self._outcome is not None

    def __next__(self) -> JobStatus:
        if self._outcome is not None:
            raise StopIteration
        return self._go(lambda: next(self._steps))

    def _go(self, step: Callable[[], JobStatus]) -> JobStatus:
        try:
            self.status = step()
        except StopIteration as end:
            self._end_with(end.value)
            raise StopIteration from None
        except BaseException as error:
            failure = error  # `error` is unbound when the block ends
            self._outcome = lambda: _raise(failure)
            raise
        return self.status

    def _end_with(self, value: T) -> None:
        self._outcome = lambda: value
        self.status = JobStatus("done", "", self.status.total, self.status.total)

    def wait(self) -> Iterator[JobStatus]:
        """Yield each status, and sleep until another step is worth it."""
        for status in self:
            yield status
            if status.pause:
                time.sleep(status.pause)

    def result(self, *, progress: bool = True) -> T:
        """Return the result, after the steps that are left.

        Parameters
        ----------
        progress : bool, default True
            Show a progress bar where it takes more than a second.

        Raises
        ------
        concurrent.futures.CancelledError
            When the job was cancelled; and whatever the work raises.
        """
        if self._outcome is None and progress:
            with tqdm(delay=_BAR_DELAY, leave=False, total=0) as bar:
                for status in self.wait():
                    show(bar, status)
        elif self._outcome is None:
            for _ in self.wait():
                pass
        assert self._outcome is not None
        return self._outcome()

    def cancel(self) -> None:
        """Stop. What the steps so far have returned stays; `result` raises CancelledError then."""
        if self._outcome is None:
            self._steps.close()
            self._outcome = lambda: _raise(CancelledError("This job was cancelled."))

    def stop(self) -> None:
        """Ask it to stop, and go on with its steps until it has: what computes in a thread does not end at once.

        Unlike after `cancel`, the steps are not given up: `done` says when nothing goes on any more.
        """
        with suppress(BaseException):  # it is the outcome
            self.throw(CancelledError("This job was cancelled."))

    def throw(self, error: BaseException, *_: Any) -> JobStatus:
        """Raise an error where the steps are, as generators have it: ``yield from job`` passes one on."""
        if self._outcome is not None:
            raise error
        return self._go(lambda: self._steps.throw(error))

    def then(self, function: Callable[[T], U]) -> Job[U]:
        """Return this job with `function` of its result as the result."""

        def steps() -> Steps[U]:
            try:
                yield from self
            finally:
                if not self.done:
                    self.cancel()
            return function(self.result())

        return Job(steps())

    def follow(self) -> Steps[T]:
        """Go through this job as a part of other steps: `result = yield from job.follow()`."""
        return self.then(lambda result: result)._steps


def show(bar: Any, status: JobStatus) -> None:
    """Show a status on a tqdm bar."""
    if status.state == "printed":
        bar.write(status.text)
        return
    bar.set_description(status.text, refresh=False)
    bar.total, bar.n = status.total, status.done
    bar.bar_format = None if status.total else "{desc} [{elapsed}]"
    bar.update(0)


def _raise(error: BaseException) -> Any:
    raise error
