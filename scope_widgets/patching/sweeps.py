"""`Sweep`: a patching map in the making; what is computed stays, whatever happens."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import numpy as np

from scope_widgets._job import Job, Steps, TooMuchAtOnceError
from scope_widgets._result import Shown, made_with
from scope_widgets._types import Array
from scope_widgets.patching.patching_experiment import Experiment, lay_out, run_cells_of
from scope_widgets.patching.result import PatchingResult

#: jobs for all cells at most (one more lays them out), and cells that are worth one
JOBS, ENOUGH = 4, 200


class Sweep(Shown):
    """All cells of one experiment, run in batches, the most promising first.

    Attributes
    ----------
    total, done : int
        Cells to run, and those that were: without those that are 0 by construction.
    result : PatchingResult
        As it stands.
    """

    view: ClassVar[str] = "scope_widgets.widgets.patching_map:PatchingMap"
    plotted_by: ClassVar[str] = "scope_widgets.plots.patching_effects:patching"

    def __init__(self, experiment: Experiment, *, estimate: bool = True) -> None:
        self._set(experiment, *lay_out(experiment, estimate))

    @classmethod
    def submit_new(cls, experiment: Experiment, *, estimate: bool = True) -> Job[Sweep]:
        """Return the job that makes a sweep, for who does not wait for the model's first runs.

        Parameters
        ----------
        experiment : Experiment
            What is patched, and how it is measured.
        estimate : bool, default True
            As in `patching.sweep`.
        """

        def made(laid_out: tuple[PatchingResult, Array]) -> Sweep:
            sweep = cls.__new__(cls)
            sweep._set(experiment, *laid_out)
            return sweep

        return experiment.scope.submit(lay_out, experiment, estimate).then(made)

    def _set(self, experiment: Experiment, start: PatchingResult, order: Array) -> None:
        self._experiment, self._start, self._order = experiment, start, order
        self._per_prompt = self._start.per_prompt.copy()
        self._unmeasured = 0

    @property
    def total(self) -> int:
        """Number of cells to run."""
        return int(self._start.to_run.sum())

    @property
    def done(self) -> int:
        """Number of cells that were run."""
        return self.result.done

    @property
    def result(self) -> PatchingResult:
        """What is computed so far; NaN where not run."""
        message = self._start.message
        if self._unmeasured:
            message = f"The metric gave no finite number in {self._unmeasured} cells; they count as not run."
        found = dataclasses.replace(
            self._start, values=self._per_prompt.mean(0), per_prompt=self._per_prompt.copy(), message=message
        )
        return made_with(found, self._experiment.scope)

    def submit(self) -> Job[PatchingResult]:
        """Return the job that runs what is left.

        The `partial` of each status holds the flat indices into `result.values` of the cells that came with it, or is
        None. The job can be left at any step; another one goes on with what is missing.
        """
        return Job(self._steps())

    def _steps(self) -> Steps[PatchingResult]:
        groups = np.array_split(self._order, min(JOBS, 1 + len(self._order) // ENOUGH))
        while groups:
            group = groups.pop(0)
            missing = group[np.isnan(self._flat[:, group]).any(0)]
            if not len(missing):
                continue
            job = self._experiment.scope.submit(run_cells_of, self._experiment, missing)
            try:
                in_parts = False
                for status in job:
                    in_parts = in_parts or status.partial is not None
                    yield status._replace(partial=None if status.partial is None else self._take(*status.partial))
                if not in_parts:
                    yield job.status._replace(partial=self._take(*job.result()))
            except TooMuchAtOnceError:
                if len(missing) == 1:
                    raise
                groups[:0] = np.array_split(missing, 2)
            finally:
                job.cancel()
        return self.result

    @property
    def _flat(self) -> Array:
        return self._per_prompt.reshape(len(self._per_prompt), -1)

    def _take(self, cells: Array, effects: Array) -> Array:
        """Keep effects `[prompt, cell]`; return the cells that were not there yet."""
        new = np.isnan(self._flat[:, cells]).any(0)
        self._flat[:, cells[new]] = effects[:, new]
        self._unmeasured += int((~np.isfinite(effects[:, new])).any(0).sum())
        return cells[new]

    def take_over(self, earlier: PatchingResult) -> None:
        """Keep the cells that an earlier, interrupted sweep of the same experiment has computed.

        Raises
        ------
        ValueError
            Where it was another experiment.
        """
        ours = self.result
        rounding = ours.floor * abs(float(ours.clean.mean() - ours.corrupted.mean()))  # half precision is coarse
        apart = max(1e-3, rounding) if np.isfinite(rounding) else 1e-3
        same = (
            earlier.per_prompt.shape == ours.per_prompt.shape
            and (earlier.over, earlier.direction, earlier.metric) == (ours.over, ours.direction, ours.metric)
            and earlier.positions == ours.positions
            and earlier.call == ours.call  # two positions may hold the same token
            and earlier.provenance.prompts == ours.provenance.prompts
            and earlier.provenance.model == ours.provenance.model
            and np.allclose(earlier.clean, ours.clean, atol=apart)
            and np.allclose(earlier.corrupted, ours.corrupted, atol=apart)
        )
        if not same or not earlier.exact:
            raise ValueError(
                "resume= is a result of another experiment (other model, prompts, metric, over= or positions=) or an "
                "estimate. Give the interrupted result of this very call, or leave it out."
            )
        self._per_prompt = np.where(np.isnan(self._per_prompt), earlier.per_prompt, self._per_prompt)
