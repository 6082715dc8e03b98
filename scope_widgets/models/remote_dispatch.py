"""Functions of a model run where the model is: in this process, or on a server, without knowing which."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any, ParamSpec, TypeVar

from scope_widgets._bar_steps import steps_of_bars
from scope_widgets._job import Job, Steps
from scope_widgets.models.guards.restore_on_exit import outside_inference_mode

P = ParamSpec("P")
T = TypeVar("T")


def remotable(function: Callable[P, T]) -> Callable[P, T]:
    """Let `function` run where the model of its arguments is; only arguments and result travel.

    The model is the `Microscope` among the arguments, or that of a trace, a session, ... among them (`.scope`).
    """

    @functools.wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> T:
        scope = scope_of([*args, *kwargs.values()])
        return in_process(*args, **kwargs) if scope is None else scope.call(run, args, kwargs)

    def in_process(*args: P.args, **kwargs: P.kwargs) -> T:
        with outside_inference_mode():
            return function(*args, **kwargs)

    run.in_process = in_process  # type: ignore[attr-defined]
    return run


def stepwise(function: Callable[P, Steps[T]]) -> Callable[P, T]:
    """Make a remotable function of a generator that yields a `JobStatus` a step and returns the result.

    Called, it goes through all steps, with a progress bar where they take long; `submit` goes through them one by one.
    """

    @functools.wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> T:
        scope = scope_of([*args, *kwargs.values()])
        return Job(steps(*args, **kwargs)).result() if scope is None else scope.call(run, args, kwargs)

    def steps(*args: P.args, **kwargs: P.kwargs) -> Steps[T]:
        return _outside_inference_mode(function(*args, **kwargs))

    run.in_process = lambda *args, **kwargs: Job(steps(*args, **kwargs)).result()  # type: ignore[attr-defined]
    run.steps = steps  # type: ignore[attr-defined]
    return run


def submit(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Job[T]:
    """Return the job of a call, which runs where the model of its arguments is; without one, in this process."""
    scope = scope_of([*args, *kwargs.values()])
    return Job(local_steps(function, args, kwargs)) if scope is None else scope.submit(function, *args, **kwargs)


def submit_aside(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Job[T]:
    """As `submit`, but what has no steps of its own here goes on in a thread: its bar gives the steps, and can stop it.

    For a server, whose own thread is to go on; the model's lock keeps each run apart from others.
    """
    scope = scope_of([*args, *kwargs.values()])
    if scope is None or not hasattr(scope, "wrapped") or hasattr(function, "steps"):
        return submit(function, *args, **kwargs)
    return Job(steps_of_bars(lambda: call_in_process(function, args, kwargs)))


def local_steps(function: Callable[..., T], args: Iterable[Any], kwargs: dict[str, Any]) -> Steps[T]:
    """Go through a call in this process: its own steps where it has some, else one."""
    steps: Callable[..., Steps[T]] | None = getattr(function, "steps", None)
    if steps is None:
        return call_in_process(function, args, kwargs)
    return (yield from steps(*args, **kwargs))


def _outside_inference_mode(steps: Steps[T]) -> Steps[T]:
    """Go through steps outside of inference mode, which whoever waits between them may be in."""
    try:
        while True:
            with outside_inference_mode():
                try:
                    status = next(steps)
                except StopIteration as end:
                    return end.value  # type: ignore[no-any-return]
            yield status
    finally:
        steps.close()


def call_in_process(function: Callable[..., T], args: Iterable[Any], kwargs: dict[str, Any]) -> T:
    """Call a function here, whether it is remotable or not."""
    return getattr(function, "in_process", function)(*args, **kwargs)


def scope_of(values: Iterable[Any]) -> Any:
    """Return the `Microscope` among arguments, or that of one of them, or of the first item of a list; or None."""
    for value in values:
        scope = value if hasattr(value, "submit") else getattr(value, "scope", None)
        if scope is None and isinstance(value, (list, tuple)) and value and not isinstance(value[0], (str, int)):
            scope = scope_of(value[:1])
        if scope is not None:
            return scope
    return None
