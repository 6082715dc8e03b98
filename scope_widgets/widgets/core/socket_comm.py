"""A view's messages over a socket of ours, in the place of Jupyter's comm."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from ipywidgets.widgets.widget import _put_buffers, _remove_buffers

#: traits that are the notebook's, not the view's
_OF_THE_HOST = {"layout", "tabbable", "tooltip"}


class SendQueue(Protocol):
    """What takes messages to the browser."""

    def put(self, head: dict[str, Any], buffers: list[Any]) -> None:
        """Take a message; it goes out in the order in which it was put."""


class SocketComm:
    """The comm of one view: what it says becomes messages of `send_queue`, and what the browser says reaches it.

    Parameters
    ----------
    view : View
        It has this comm from now on.
    send_queue : SendQueue
        Where messages go: a head with `kind` ("open", "update", "custom", "close") and the `id` of the view, and the
        bytes that belong to it.

    Examples
    --------
    >>> comm = SocketComm(view, send_queue)  # doctest: +SKIP
    >>> comm.open()  # doctest: +SKIP
    """

    #: ipywidgets sends nothing where it is None
    kernel = "socket"

    def __init__(self, view: Any, send_queue: SendQueue) -> None:
        self.view, self.send_queue = view, send_queue
        self.comm_id: str = view.comm.comm_id if view.comm is not None else f"{id(view):x}"
        self._hear: Callable[[dict[str, Any]], None] | None = None
        view.comm = self

    def open(self) -> None:
        """Tell the browser all of the view's state."""
        state, paths, buffers = self._state()
        self.send_queue.put(
            {"kind": "open", "id": self.comm_id, "bundle": self.view.bundle, "state": state, "buffer_paths": paths},
            buffers,
        )

    def refresh(self) -> None:
        """Tell a browser that knows the view its state of now."""
        state, paths, buffers = self._state()
        self.send_queue.put({"kind": "update", "id": self.comm_id, "state": state, "buffer_paths": paths}, buffers)

    def hear(self, head: dict[str, Any], buffers: list[Any]) -> None:
        """Give the view a message of the browser: "update" with `state`, or "custom" with `content`.

        Raises
        ------
        ValueError
            For a message of another kind, or whose buffers do not fit.
        """
        if self._hear is None:
            return
        if head.get("kind") == "update":
            state, paths = head.get("state"), head.get("buffer_paths", [])
            if not isinstance(state, dict) or not isinstance(paths, list) or len(paths) != len(buffers):
                raise ValueError("An update has a state, and a path for each buffer.")
            try:
                _put_buffers(state, paths, buffers)
            except (TypeError, KeyError, IndexError):
                raise ValueError("The buffers of an update have no place in its state.") from None
            data: dict[str, Any] = {"method": "update", "state": state, "buffer_paths": []}
        elif head.get("kind") == "custom":
            data = {"method": "custom", "content": head.get("content")}
        else:
            raise ValueError("A view hears updates and custom messages.")
        self._hear({"content": {"data": data}, "buffers": buffers})

    # -- what ipywidgets asks of a comm

    def send(self, data: Any = None, metadata: Any = None, buffers: Any = None) -> None:
        """Take a message of the view."""
        method = data.get("method")
        if method == "update":
            state, paths, kept = _of_the_view(data["state"], data.get("buffer_paths", []), buffers or [])
            if state or paths:
                head = {"kind": "update", "id": self.comm_id, "state": state, "buffer_paths": paths}
                self.send_queue.put(head, kept)
        elif method == "custom":
            self.send_queue.put({"kind": "custom", "id": self.comm_id, "content": data["content"]}, list(buffers or []))
        # an "echo_update" tells other browsers of one view: here each has its own

    def on_msg(self, callback: Callable[[dict[str, Any]], None]) -> None:
        """Remember who hears what the browser says."""
        self._hear = callback

    def on_close(self, callback: Any) -> None:
        """Do nothing: a page closes views by asking for it."""

    def close(self, data: Any = None, metadata: Any = None, buffers: Any = None, deleting: bool = False) -> None:
        """Tell the browser that the view is gone."""
        if self._hear is not None:
            self._hear = None
            self.send_queue.put({"kind": "close", "id": self.comm_id}, [])

    def _state(self) -> tuple[dict[str, Any], list[list[Any]], list[Any]]:
        state, paths, buffers = _remove_buffers(self.view.get_state())
        return _of_the_view(state, paths, buffers)


def _of_the_view(
    state: dict[str, Any], paths: list[list[Any]], buffers: list[Any]
) -> tuple[dict[str, Any], list[list[Any]], list[Any]]:
    """Return a state without what only a notebook needs, its bundle above all."""
    held = {name: value for name, value in state.items() if _is_of_the_view(name)}
    kept = [(path, one) for path, one in zip(paths, buffers, strict=True) if _is_of_the_view(str(path[0]))]
    return held, [path for path, _ in kept], [one for _, one in kept]


def _is_of_the_view(name: str) -> bool:
    return not name.startswith("_") and name not in _OF_THE_HOST
