"""What a call changes for a while is put back, wherever Ctrl-C interrupts it.

Python runs the handler of a signal between any two instructions: between a change and the note of it, in a `finally`,
at the first instruction of an `__exit__`. So

- how a change is put back is noted before it is made, in one `PutBack`, by functions that restore what was saved: they
  may run twice, or for a change that was not made;
- it is done twice, for the first time may be interrupted;
- a block is a generator (`with_block`) that nothing but its `with` statement holds: where its exit is interrupted
  before it has begun, the generator is closed, which ends it all the same;
- what is left after all that, and after a fork, the next run puts back (`finish_broken`).
"""

from __future__ import annotations

import inspect
import os
import threading
import weakref
from collections.abc import Callable, Iterator
from functools import partial, wraps
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar

import torch
from torch import nn

P = ParamSpec("P")
T = TypeVar("T")


class PutBack:
    """How to put back what is changed, the last change first.

    Attributes
    ----------
    ended : bool
        Whether it has begun to put back.
    """

    def __init__(self) -> None:
        self.process, self.thread = os.getpid(), threading.get_ident()
        self.ended = False
        self._undo: list[Callable[[], Any]] = []

    def later(self, undo: Callable[..., Any], *args: Any) -> None:
        """Note, before a change is made, how it is put back: by a function that restores what was before."""
        self._undo.append(partial(undo, *args))

    def later_here(self, undo: Callable[..., Any], *args: Any) -> None:
        """As `later`, for what belongs to the running thread: no other one can put it back, nor needs to."""
        self.later(_in_thread, self.thread, undo, *args)

    def hook(self, register: Callable[..., Any], function: Callable[..., Any], **options: Any) -> None:
        """Put a hook on a module that acts in the running thread alone: `hook(module.register_forward_hook, ...)`."""

        def here(*args: Any, **kwargs: Any) -> Any:
            return function(*args, **kwargs) if threading.get_ident() == self.thread else None

        self.later(_take_off, register.__self__, here)  # type: ignore[attr-defined]
        register(here, **options)

    def set(self, attributes: dict[str, Any], name: str, value: Any) -> None:
        """Set an entry of the attributes of an object."""
        self.later(_set, attributes, name, attributes.get(name, _ABSENT))
        attributes[name] = value

    def now(self) -> None:
        """Put back what was noted; an error of one does not keep the others."""
        self.ended = True
        failure: Exception | None = None
        while self._undo:
            try:
                self._undo[-1]()
            except Exception as error:
                failure = failure or error
            self._undo.pop()
        _open.pop(self, None)
        if failure is not None:
            raise failure


#: all that is not put back yet, in the order in which it was changed
_open: dict[PutBack, None] = {}
_ABSENT = object()


def finish_broken() -> None:
    """Put back what a call in this thread could not, and what other threads had changed when the process forked."""
    thread, process = threading.get_ident(), os.getpid()
    for back in reversed(list(_open)):
        here = back.thread == thread
        if (back.ended and here) or (back.process != process and not here):
            back.now()


class Block(Generic[T]):
    """A `with` block made of a generator, see `with_block`."""

    def __init__(self, steps: Iterator[T]) -> None:
        self._steps: Any = steps
        self._known = weakref.ref(steps)

    if TYPE_CHECKING:

        def __enter__(self) -> T: ...
        def __exit__(
            self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
        ) -> None: ...


class _Enter:
    """Enters a block by the generator's own `__next__`: no instruction stands between it and the `with` statement."""

    def __get__(self, one: Block[Any] | None, kind: type[Block[Any]]) -> Any:
        steps: Any = None if one is None else one._known()
        if one is None:
            return _begin
        return steps.__next__ if _is_new(steps) else partial(_begin, one)


class _Exit:
    """Leaves a block: the `with` statement alone holds the generator, and the call that ends it does not."""

    def __get__(self, one: Block[Any] | None, kind: type[Block[Any]]) -> Any:
        if one is None:
            return lambda one, *error: _leave(one._known, *error)
        leave: Any = partial(_leave, one._known)
        leave.steps, one._steps = one._steps, None
        return leave


if not TYPE_CHECKING:
    Block.__enter__, Block.__exit__ = _Enter(), _Exit()


def _is_new(steps: Any) -> bool:
    return steps is not None and inspect.getgeneratorstate(steps) == inspect.GEN_CREATED


def _begin(one: Block[T]) -> T:
    if not _is_new(one._known()):
        raise RuntimeError(
            "This block is used up: it is entered once, and not after a look at its __exit__. Make a new one by the "
            "same call, in the `with` statement itself."
        )
    entered: T = next(one._known())  # type: ignore[arg-type]
    return entered


def _leave(
    steps: Any, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
) -> bool:
    """End a block; return whether it has swallowed the error."""
    if steps() is None:
        raise RuntimeError("This block has been left already.")
    try:
        if error is None:
            next(steps())
        else:
            steps().throw(error)
    except StopIteration:
        return error is not None
    except BaseException as raised:
        if raised is error or (isinstance(error, StopIteration) and raised.__cause__ is error):
            error.__traceback__ = trace
            return False
        raise
    raise RuntimeError("A block has a second yield.")


def with_block(function: Callable[P, Iterator[T]]) -> Callable[P, Block[T]]:
    """Make a context manager of a generator function, as `contextlib.contextmanager` does, that is left for certain.

    Examples
    --------
    >>> @with_block
    ... def evaluating(model):
    ...     with putting_back() as back:
    ...         back.later(model.train, model.training)
    ...         model.eval()
    ...         yield
    """

    @wraps(function)
    def made(*args: P.args, **kwargs: P.kwargs) -> Block[T]:
        return Block(function(*args, **kwargs))

    return made


@with_block
def putting_back() -> Iterator[PutBack]:
    """Yield where changes are noted that are put back when the block ends."""
    back = PutBack()
    try:
        try:
            _open[back] = None
            yield back
        finally:
            back.now()
    finally:
        back.now()


@with_block
def recording_gradients(on: bool) -> Iterator[None]:
    """Record gradients in a block, or do not."""
    with outside_inference_mode(), putting_back() as back:
        back.later_here(torch.set_grad_enabled, torch.is_grad_enabled())
        torch.set_grad_enabled(on)
        yield


@with_block
def outside_inference_mode() -> Iterator[None]:
    """Leave the inference mode of whoever calls: what is computed in it can have no gradients later."""
    if not torch.is_inference_mode_enabled():
        yield
        return
    with putting_back() as back:
        outside: list[torch.inference_mode] = []
        back.later_here(outside.clear)  # what is forgotten is left
        outside.append(torch.inference_mode(False))
        outside[0].__enter__()
        torch.set_grad_enabled(False)
        yield


def without_gradients(function: Callable[P, T]) -> Callable[P, T]:
    """Let a function record no gradients: `torch.no_grad`'s own exit may be interrupted, and then they stay off."""

    @wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> T:
        with recording_gradients(False):
            return function(*args, **kwargs)

    return run


def _in_thread(thread: int, undo: Callable[..., Any], *args: Any) -> None:
    if threading.get_ident() == thread:
        undo(*args)


def _take_off(module: nn.Module, function: Callable[..., Any]) -> None:
    """Take a hook off a module, by what it is: its handle may never have been kept."""
    for hooks in (module._forward_hooks, module._forward_pre_hooks):
        for key in [key for key, hook in hooks.items() if hook is function]:
            for options in (
                module._forward_hooks_with_kwargs,
                module._forward_pre_hooks_with_kwargs,
                module._forward_hooks_always_called,
            ):
                options.pop(key, None)
            hooks.pop(key, None)


def _set(attributes: dict[str, Any], name: str, value: Any) -> None:
    if value is _ABSENT:
        attributes.pop(name, None)
    else:
        attributes[name] = value
