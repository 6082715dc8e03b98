"""The pictures of all heads of a prompt, or of two, which come layer by layer."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from scope_widgets._job import Job, JobStatus, Steps
from scope_widgets.heads.thumbnails import thumbnails
from scope_widgets.models.remote_dispatch import submit

FIRST_MESSAGE_BYTES = 1_200_000


class Thumbnails:
    """Pictures of the heads of traces of as many tokens, layers and heads.

    Attributes
    ----------
    pictures : ndarray of uint8 [side, layer, head, row, column]
    finished : int
        How many layers are drawn.
    """

    def __init__(self, traces: Mapping[Any, Any]) -> None:
        (first, *_) = self._traces = list(traces.values())
        cells = first.n_layers * first.n_heads
        size = next((size for size in (32, 16) if len(self._traces) * cells * size**2 <= FIRST_MESSAGE_BYTES), 8)
        self.size = min(size, len(first.tokens))
        shape = len(self._traces), first.n_layers, first.n_heads, self.size, self.size
        self.pictures: npt.NDArray[np.uint8] = np.zeros(shape, np.uint8)
        self.finished = 0
        self._job = Job(self._draw())

    @property
    def n_layers(self) -> int:
        """Of the model."""
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
        ready = [0] * len(jobs)
        while min(ready) < self.n_layers:
            for row, job in enumerate(jobs):
                status = next(job, None)
                if status is None:
                    self.pictures[row], ready[row] = job.result(), self.n_layers
                elif status.partial is not None:
                    self.pictures[row, ready[row]] = status.partial
                    ready[row] += 1
            self.finished = min(ready)
            slowest = max((job.status for job in jobs), key=lambda status: status.pause)
            yield slowest if slowest.pause else slowest._replace(text="")  # of work here there is nothing to say
