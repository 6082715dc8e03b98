"""The one thread on which models run and views live, beside that of the server."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")

#: seconds that the end of the thread is waited for
_PATIENCE_S = 5.0


class Kernel:
    """A thread with an event loop of its own: all that touches a model or a view is done on it, one after the other.

    The server goes on meanwhile: it answers, and hears a cancel, while a model runs.

    Examples
    --------
    >>> kernel = Kernel()
    >>> kernel.call(sum, [1, 2])
    3
    >>> kernel.close()
    """

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="scope-kernel", daemon=True)
        self._thread.start()

    async def run(self, function: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """Run a function on the kernel's thread and wait for it, without holding up the server.

        Parameters
        ----------
        function : callable
            What takes long is better a job (`Workspace.submit`): between its steps others have their turn.
        *args, **kwargs
            Its arguments.

        Raises
        ------
        Exception
            Whatever the function raises.
        """
        done: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        asker = asyncio.get_running_loop()

        def end(value: T | None, error: BaseException | None) -> None:
            if done.done():
                return  # nobody waits any more
            if error is None:
                done.set_result(value)  # type: ignore[arg-type]
            else:
                done.set_exception(error)

        def act() -> None:
            value: T | None = None
            failure: BaseException | None = None
            try:
                value = function(*args, **kwargs)
            except BaseException as error:
                failure = RuntimeError(str(error)) if isinstance(error, StopIteration) else error
            if not asker.is_closed():
                asker.call_soon_threadsafe(end, value, failure)

        self.loop.call_soon_threadsafe(act)
        return await done

    def call(self, function: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """Run a function on the kernel's thread and wait for it, from a thread that is not the server's."""

        async def act() -> T:
            return function(*args, **kwargs)

        return asyncio.run_coroutine_threadsafe(act(), self.loop).result()

    def soon(self, function: Callable[..., Any], *args: Any) -> None:
        """Have a function run on the kernel's thread, and do not wait."""
        if not self.loop.is_closed():
            self.loop.call_soon_threadsafe(function, *args)

    def close(self, last: Callable[[], None] | None = None) -> None:
        """End the thread, after `last`; what runs is finished first, where it takes no more than a few seconds."""
        if self.loop.is_closed():
            return
        if last is not None:
            self.loop.call_soon_threadsafe(last)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(_PATIENCE_S)

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        try:
            self.loop.run_forever()
        finally:
            self.loop.close()
