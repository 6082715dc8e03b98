"""A model on a server, without the server: requests are packed and unpacked as they would be, and answered here."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

from scope_widgets.models.microscope import Microscope
from scope_widgets.remote import serialization as wire
from scope_widgets.remote.client.job import JobStatus
from scope_widgets.remote.client.server import Server
from scope_widgets.remote.errors import ServerDownError
from scope_widgets.remote.microscope import RemoteMicroscope

KEY = "a-key-that-nobody-may-see"
QUEUED = JobStatus("queued", "Added to Queue at position 3.")


class FarModel(RemoteMicroscope):
    """`near` behind a server that says `news` before each answer.

    Attributes
    ----------
    asked : list of str
        Names of the functions that were asked for.
    down : bool
        The server is down: requests fail after the first news.
    blocked : bool
        Whether a request that waits (`far`, instead of `far_steps`) is an error.
    """

    def __init__(self, near: Microscope, news: tuple[JobStatus, ...] = (QUEUED, JobStatus("running"))) -> None:
        self.near, self.news = near, news
        self.server, self.listener, self.most_bytes = Server("http://127.0.0.1:1", KEY), None, 10**9
        self.model, self.tokenizer, self.anatomy = near.model, near.tokenizer, near.anatomy
        self.model_id, self.revision, self.remote = near.model_id, near.revision, True
        self.asked: list[str] = []
        self.down = self.blocked = False

    def far(self, function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        assert not self.blocked, f"{function.__qualname__} holds the kernel."
        return self._answer(function, args, kwargs)

    def far_steps(self, function: Callable[..., Any], args: Any, kwargs: Any) -> Generator[JobStatus, None, Any]:
        for news in self.news:
            yield news
            if self.down:
                raise ServerDownError("The server is down.")
        return self._answer(function, args, kwargs)

    def _answer(self, function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        self.asked.append(function.__name__)
        packed = [wire.pack(one, self, functions=True) for one in (list(args), dict(kwargs))]
        there, options = (wire.unpack(one, self.near, calls=True) for one in packed)
        result = getattr(function, "__wrapped__", function)(*there, **options)
        return wire.unpack(wire.pack(result, self.near), self)

    def _read(self, trace: Any, wanted: Any) -> Any:
        self.asked.append("read")
        near = self.near.trace(trace.token_ids.tolist())
        values = {}
        for one in wanted:
            value = near.logits if one.site == "logits" else getattr(near, one.site)(one.layer)
            values[one] = value if one.head is None else value[:, one.head : one.head + 1]
        return values, {one.layer: near.scoring[one.layer] for one in wanted if one.site in ("q", "k", "v")}
