"""Progress bars that leave nothing in a saved notebook, and no lock taken where Ctrl-C ends them."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tqdm.auto import tqdm as _tqdm
from tqdm.std import TqdmDefaultWriteLock

if TYPE_CHECKING:
    from tqdm.auto import tqdm as tqdm


class _NotebookBar(_tqdm):  # type: ignore[misc,unused-ignore]
    """tqdm's widget, displayed so that its output can be emptied at the end: the closed widget's stays as an error."""

    def __init__(self, *args: Any, **options: Any) -> None:
        self._output: Any = None
        super().__init__(*args, **options | {"display": False})
        if not self.disable and self.delay <= 0:
            self._show()

    def display(self, *args: Any, **options: Any) -> None:
        """Update the widget, and show it where its delay is over."""
        if options.get("check_delay", True) and not self.displayed and not options.get("close"):
            self._show()
        super().display(*args, **options)

    def close(self) -> None:
        """Close the widget and empty its output."""
        if self.disable:
            return
        super().close()
        for part in (*self.container.children, self.container):
            part.close()
        if self._output is not None:
            self._output.update({}, raw=True)

    def _show(self) -> None:
        from IPython.display import display

        self._output = display(self.container, display_id=True)  # type: ignore[no-untyped-call,unused-ignore]
        self.displayed = True


def extend(bar: Any, work: int) -> None:
    """Add to the work that a bar is of, or take from it; the widget does not follow by itself."""
    bar.total += work
    if isinstance(bar, _NotebookBar) and not bar.disable:
        bar.container.children[1].max = bar.total


_bar: Any = _NotebookBar if any(base.__module__ == "tqdm.notebook" for base in _tqdm.__mro__) else _tqdm
#: of a thread: who hears of its bars, in the place of whoever looks at the screen
_heard = threading.local()


class _HeardBar(_bar):  # type: ignore[misc,unused-ignore]
    """A bar that whoever listens to its thread hears of; it is not on the screen then, and waits for no lock."""

    def __new__(cls, *args: Any, **options: Any) -> Any:
        return object.__new__(cls) if getattr(_heard, "hear", None) else super().__new__(cls, *args, **options)

    def __init__(self, *args: Any, **options: Any) -> None:
        self._hear: Callable[[str, int, int], None] | None = getattr(_heard, "hear", None)
        if self._hear is None:
            super().__init__(*args, **options)
            return
        self.disable = True
        self.iterable: Any = args[0] if args else options.get("iterable")
        self.total, self.n, self._said = _total(self.iterable, options), 0.0, options.get("desc") or ""
        self._tell()

    def refresh(self, nolock: bool = False, lock_args: tuple[Any, ...] | None = None) -> bool | None:
        """Show how far it is; tqdm's own keeps its lock for ever where Ctrl-C comes meanwhile."""
        if nolock or lock_args or self.disable:
            return super().refresh(nolock, lock_args)  # type: ignore[no-any-return]
        with self._lock:
            return super().refresh(nolock=True)  # type: ignore[no-any-return]

    def update(self, n: float | None = 1) -> bool | None:
        """Count steps."""
        if self._hear is None:
            return super().update(n)  # type: ignore[no-any-return]
        self.n += 1 if n is None else n
        self._tell()
        return None

    def set_description(self, desc: str | None = None, refresh: bool | None = True) -> None:
        """Say what is being done."""
        if self._hear is None:
            super().set_description(desc, refresh)
            return
        self._said = desc or ""
        self._tell()

    def __iter__(self) -> Iterator[Any]:
        if self._hear is None:
            yield from super().__iter__()
            return
        for one in self.iterable:
            yield one
            self.update()

    def _tell(self) -> None:
        assert self._hear is not None
        self._hear(str(self._said).rstrip(": "), int(self.n), int(self.total or 0))


def _total(iterable: Any, options: dict[str, Any]) -> int | None:
    if options.get("total") is not None:
        return int(options["total"])
    return len(iterable) if hasattr(iterable, "__len__") else None


@contextmanager
def hearing(hear: Callable[[str, int, int], None]) -> Iterator[None]:
    """While the block runs, have `hear(text, done, total)` called for each step of a bar of this thread.

    What it raises ends the work, as Ctrl-C would.
    """
    before = getattr(_heard, "hear", None)
    _heard.hear = hear
    try:
        yield
    finally:
        _heard.hear = before


def _after_fork() -> None:
    _HeardBar.set_lock(threading.RLock())  # another thread may have held the one that was copied


# Of the two that tqdm takes the one of threads: Ctrl-C between them would leave the first taken, and so would a fork
# that is killed, as all processes share it. Other bars of this process take both, so that lines do not mix.
_HeardBar.set_lock(TqdmDefaultWriteLock.th_lock)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
if not TYPE_CHECKING:
    tqdm = _HeardBar
