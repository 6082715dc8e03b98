"""The pictures of all heads of a prompt, or of two, which come layer by layer."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from scope_widgets._job import Job, JobStatus, Steps
from scope_widgets.heads.thumbnails import thumbnails
from scope_widgets.models.remote_dispatch import submit

FIRST_MESSAGE_BYTES = 1_200_000
Pictures = npt.NDArray[np.uint8]


class Thumbnails:
    """Pictures of the heads of one trace or two; of the second those of its heads that stand beside heads of the first.

    Attributes
    ----------
    pictures : ndarray of uint8 [side, layer, head, row, column]
        Layers and heads are those of the first trace; all 0 where the second has no head beside one.
    finished : int
        How many layers are drawn.
    sizes : sequence of int, default (32, 16)
        Pixels along a side, the first that is not too much for a message is taken; else 8.
    """

    def __init__(
        self,
        traces: Mapping[Any, Any],
        beside: Callable[[int, int], tuple[int, int] | None] = lambda *head: head,
        sizes: Sequence[int] = (32, 16),
    ) -> None:
        (first, *_) = self._traces = list(traces.values())
        self._beside = beside
        cells = first.n_layers * first.n_heads
        size = next((size for size in sizes if len(self._traces) * cells * size**2 <= FIRST_MESSAGE_BYTES), 8)
        self.size = min(size, max(len(trace.tokens) for trace in self._traces))
        shape = len(self._traces), first.n_layers, first.n_heads, self.size, self.size
        self.pictures: Pictures = np.zeros(shape, np.uint8)
        self.finished = 0
        self._job = Job(self._draw())

    @property
    def n_layers(self) -> int:
        """Of the first model."""
        return int(self.pictures.shape[1])

    @property
    def complete(self) -> bool:
        """Whether all layers are drawn."""
        return self.finished == self.n_layers

    def begin(self, seconds: float) -> Iterator[JobStatus]:
        """Draw for so long; what has to be waited for is waited for by whoever goes on."""
        end = time.monotonic() + seconds
        for status in self._job:
            yield status
            if time.monotonic() > end and not status.pause:
                return

    def up_to(self, layer: int) -> Steps[None]:
        """Draw the layers that are missing up to `layer`."""
        if self._job.done and not self.complete:  # it failed before
            self._job = Job(self._draw())
        while self.finished <= layer:
            yield next(self._job)

    def _draw(self) -> Steps[None]:
        """Draw layer by layer, all sides in turn, where pictures come so; else all at once."""
        jobs = [submit(thumbnails, trace.attention_only(), self.size) for trace in self._traces]
        ready = [0] * len(jobs)  # layers of its own
        while self.finished < self.n_layers:
            for row, job in enumerate(jobs):
                if ready[row] == self._traces[row].n_layers:
                    continue
                status = next(job, None)
                if status is None:
                    for layer, pictures in enumerate(job.result()):
                        self._put(row, layer, pictures)
                    ready[row] = self._traces[row].n_layers
                elif status.partial is not None:
                    self._put(row, ready[row], status.partial)
                    ready[row] += 1
            self.finished = min(self._shown(row, ready[row]) for row in range(len(jobs)))
            slowest = max((job.status for job in jobs), key=lambda status: status.pause)
            yield slowest if slowest.pause else slowest._replace(text="")  # of work here there is nothing to say

    def _heads(self, layer: int) -> list[tuple[int, tuple[int, int] | None]]:
        """Return the heads of a layer of the first trace, and those of the second that stand beside them."""
        return [(head, self._beside(layer, head)) for head in range(self.pictures.shape[2])]

    def _put(self, row: int, layer: int, pictures: Pictures) -> None:
        """Take the pictures `[head, row, column]` of a layer of a trace, as large as all are."""
        at = np.arange(self.size) * pictures.shape[1] // self.size
        pictures = pictures[:, at[:, None], at]
        if row == 0:
            self.pictures[0, layer] = pictures
            return
        for first in range(self.n_layers):
            for head, beside in self._heads(first):
                if beside and beside[0] == layer:
                    self.pictures[row, first, head] = pictures[beside[1]]

    def _shown(self, row: int, ready: int) -> int:
        """Return how many layers of the first trace are there of a trace of which `ready` layers are."""
        if row == 0 or ready == self._traces[row].n_layers:
            return self.n_layers if row else ready
        for layer in range(self.n_layers):
            if any(beside and beside[0] >= ready for _, beside in self._heads(layer)):
                return layer
        return self.n_layers
