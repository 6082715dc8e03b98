"""`FarSweep`: a patching map in the making whose model is on a server."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from tqdm.auto import tqdm

from scope_widgets.models.microscope import Microscope
from scope_widgets.models.remote_dispatch import remotable
from scope_widgets.patching.preparing import prepared
from scope_widgets.patching.result import Array, PatchingResult
from scope_widgets.patching.sweeps import Sweep
from scope_widgets.remote.errors import JobTimeoutError, NoWeightsError

#: requests for all cells at most (one more prepares them), and cells that are worth one
REQUESTS, ENOUGH = 4, 200
#: seconds between two looks at a request: at first, and at most
_SOON, _LATE = 0.05, 0.5


class FarSweep(Sweep):
    """A `Sweep` of a few large requests, each of which survives a lost connection and a restarted kernel.

    Attributes
    ----------
    news : JobStatus or None
        What is known of the request that is under way.
    """

    def __init__(
        self, scope: Microscope, clean: Any, corrupted: Any, options: Mapping[str, Any], estimate: bool
    ) -> None:
        self._scope: Any = scope
        self._asked = clean, corrupted, dict(options)
        try:
            self._start, self._order = laid_out(scope, *self._asked, estimate)
        except NoWeightsError:  # nor gradients: the map goes without an estimate
            if not estimate:
                raise
            self._start, self._order = laid_out(scope, *self._asked, False)
        self._per_prompt = self._start.per_prompt.copy()
        self._shape = self._per_prompt.shape[1:]
        self._message = self._start.message
        self.news: Any = None
        self._pause = _SOON

    @property
    def result(self) -> PatchingResult:
        """Give what has come so far; NaN where not run."""
        values = self._per_prompt.mean(0)
        return dataclasses.replace(
            self._start, values=values, per_prompt=self._per_prompt.copy(), message=self._message
        )

    def steps(self) -> Iterator[Array]:
        """Ask for what is left; each step gives the cells that have come, mostly none: it only looks once."""
        flat = self._per_prompt.reshape(len(self._per_prompt), -1)
        groups = np.array_split(self._order, min(REQUESTS, 1 + len(self._order) // ENOUGH))
        while groups:
            group = groups.pop(0)
            missing = group[np.isnan(flat[:, group]).any(0)]
            if not len(missing):
                continue
            steps = self._scope.far_steps(cells, (self._scope, *self._asked, missing), {})
            self._pause = _SOON
            try:
                while True:
                    self.news = next(steps)
                    yield missing[:0]
            except StopIteration as end:
                flat[:, missing], message = end.value
                self._message = message or self._message
            except JobTimeoutError:
                if len(missing) == 1:
                    raise
                groups[:0] = np.array_split(missing, 2)  # too much for the time that the server gives a request
                continue
            finally:
                self.news = None
            yield missing

    def pause(self) -> float:
        """Give the seconds after which looking again is worth it, more and more of them."""
        if self.news is None:
            return 0.0
        pause, self._pause = self._pause, min(1.3 * self._pause, _LATE)
        return pause


@remotable
def laid_out(
    scope: Microscope, clean: Any, corrupted: Any, options: Mapping[str, Any], estimate: bool
) -> tuple[PatchingResult, Array]:
    """Give the map before any cell is run, and its cells in the order in which to run them."""
    work = prepared(scope, clean, corrupted, options, estimate)
    return work.result, work.order()


@remotable
def cells(scope: Microscope, clean: Any, corrupted: Any, options: Mapping[str, Any], flat: Array) -> tuple[Array, str]:
    """Run some cells; gives their effects `[prompt, cell]` and what is to be said about them."""
    work = prepared(scope, clean, corrupted, options, False)
    work.only(flat)
    for _ in tqdm(work.steps(), desc="cells"):
        pass
    result = work.result
    return result.per_prompt.reshape(len(result.per_prompt), -1)[:, flat], result.message
