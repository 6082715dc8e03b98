"""`Sweep`: a patching map in the making; what is computed stays, whatever happens."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import ClassVar

import numpy as np
import torch

from scope_widgets._result import Shown
from scope_widgets.patching.attribution import HEADED, any_estimate
from scope_widgets.patching.patch_cells import Cells, run_cells
from scope_widgets.patching.result import Array, PatchingResult
from scope_widgets.patching.run_pair import OVER, Pair

#: positions in one forward at most, and at least before another prompt position is added: found by measuring
MOST, ENOUGH = 1024, 256


class Sweep(Shown):
    """All cells of one experiment, run in batches, the most promising first.

    Attributes
    ----------
    total, done : int
        Cells.
    result : PatchingResult
        As it stands.
    """

    view: ClassVar[str] = "scope_widgets.widgets.patching_map:PatchingMap"

    def __init__(self, pair: Pair, over: str, call: str, *, estimate: bool = True, batch: int = MOST) -> None:
        self._pair = pair
        self._over = over
        self._call = call
        self._batch = batch
        site = OVER[over]
        layers = pair.scope.n_layers + (site == "residual")
        heads = [pair.base.values[site][0].shape[1 if site == "attention" else 2]] if over in HEADED else []
        self._shape = (layers, *heads, *([] if pair.at is None else [pair.at.shape[1]]))
        self._per_prompt = np.full((pair.n, *self._shape), np.nan)
        self._unmeasured = 0
        guess = any_estimate(pair, over) if estimate and np.isfinite(pair.scale) else None
        self._estimate: Array | None = None if guess is None else guess.numpy() / pair.scale
        self._fill_untouched()
        self._chunks = self._ordered()

    @property
    def total(self) -> int:
        """Number of cells."""
        return int(np.prod(self._shape))

    @property
    def done(self) -> int:
        """Number of cells that are computed."""
        return int(np.isfinite(self._per_prompt).all(0).sum())

    @property
    def result(self) -> PatchingResult:
        """Give what is computed so far; NaN where not run."""
        clean, corrupted = self._pair.measured
        return PatchingResult(
            values=self._per_prompt.mean(0),
            per_prompt=self._per_prompt.copy(),
            estimate=None if self._estimate is None else self._estimate.mean(0),
            over=self._over,
            direction=self._pair.direction,
            metric=self._pair.metric.name,
            positions=self._pair.labels,
            clean=clean.numpy(),
            corrupted=corrupted.numpy(),
            exact=True,
            message=self._said(),
            call=self._call,
            provenance=self._pair.provenance,
        )

    def steps(self) -> Iterator[Array]:
        """Run what is left; each step gives the flat indices into `result.values` of the cells that it computed.

        Can be left at any step and begun again: it goes on with what is missing.
        """
        if not np.isfinite(self._pair.scale):
            return
        for cells, flat in self._chunks:
            left = np.isnan(self._per_prompt.reshape(self._pair.n, -1)[:, flat]).any(0)
            if left.any():
                self._run(cells, flat)
                yield flat[left]

    def pause(self) -> float:
        """Give the seconds after which another step is worth it: here at once."""
        return 0.0

    def wait(self) -> None:
        """Sleep until another step is worth it."""
        time.sleep(self.pause())

    def order(self) -> Array:
        """Give the flat indices of the cells that are to be run, in their order."""
        return np.concatenate([np.zeros(0, dtype=int), *(flat for _, flat in self._chunks)])

    def only(self, flat: Array) -> None:
        """Leave all cells but these out."""
        others = np.ones(self.total, dtype=bool)
        others[flat] = False
        self._per_prompt.reshape(self._pair.n, -1)[:, others] = 0.0
        self._chunks = self._ordered()

    def take_over(self, earlier: PatchingResult) -> None:
        """Keep the cells that an earlier, interrupted sweep of the same experiment has computed.

        Raises
        ------
        ValueError
            Where it was another experiment.
        """
        ours = self.result
        same = (
            earlier.per_prompt.shape == ours.per_prompt.shape
            and (earlier.over, earlier.direction, earlier.metric) == (ours.over, ours.direction, ours.metric)
            and earlier.positions == ours.positions
            and earlier.call == ours.call  # two positions may hold the same token
            and earlier.provenance.prompts == ours.provenance.prompts
            and earlier.provenance.model == ours.provenance.model
            and np.allclose(earlier.clean, ours.clean, atol=1e-3)
            and np.allclose(earlier.corrupted, ours.corrupted, atol=1e-3)
        )
        if not same or not earlier.exact:
            raise ValueError(
                "resume= is a result of another experiment (other model, prompts, metric, over= or positions=) or an "
                "estimate. Give the interrupted result of this very call, or leave it out."
            )
        self._per_prompt = np.where(np.isnan(self._per_prompt), earlier.per_prompt, self._per_prompt)

    def _said(self) -> str:
        if self._unmeasured:
            return f"The metric gave no finite number in {self._unmeasured} cells; they count as not run."
        return self._pair.message

    def _fill_untouched(self) -> None:
        """Put 0 where nothing before a position differs between the runs: causality makes both sides equal there."""
        if self._pair.at is not None and np.isfinite(self._pair.scale):
            self._per_prompt[..., self._pair.untouched().all(0).cpu().numpy()] = 0.0

    def _ordered(self) -> list[tuple[Cells, Array]]:
        chunks = [chunk for layer in range(self._shape[0]) for chunk in self._of_layer(layer)]
        if self._estimate is None:
            return chunks[::-1]  # late layers are quick
        size = np.abs(self._estimate.mean(0)).ravel()
        return sorted(chunks, key=lambda chunk: -float(size[chunk[1]].max()))

    def _of_layer(self, layer: int) -> Iterator[tuple[Cells, Array]]:
        """Make chunks of the cells of a layer; those of late positions are together, because they run short."""
        flat = np.arange(self.total).reshape(self._shape)[layer]
        left = np.isnan(self._per_prompt[:, layer]).any(0)
        if self._pair.at is None:
            length = self._pair.base.token_ids.shape[1]
            for part in self._split(flat[left].ravel(), length):
                yield self._cells(part), part
            return
        widths = (self._pair.base.last[:, None] - self._pair.at).max(0).values.cpu().numpy() + 1
        waiting: list[int] = []
        for position in np.argsort(widths, kind="stable"):
            waiting += flat[..., position][left[..., position]].ravel().tolist()
            if len(waiting) * self._pair.n * widths[position] >= ENOUGH:
                for part in self._split(np.array(waiting), int(widths[position])):
                    yield self._cells(part), part
                waiting = []
        for part in self._split(np.array(waiting, dtype=int), int(widths.max())):
            yield self._cells(part), part

    def _split(self, flat: Array, width: int) -> list[Array]:
        size = max(1, self._batch // (width * self._pair.n))
        return [flat[start : start + size] for start in range(0, len(flat), size)]

    def _cells(self, flat: Array) -> Cells:
        index = list(np.unravel_index(flat, self._shape))
        device = self._pair.base.token_ids.device
        head = torch.as_tensor(index[1], device=device) if self._over in HEADED else None
        position = None if self._pair.at is None else torch.as_tensor(index[-1], device=device)
        return Cells(int(index[0][0]), head, position)

    def _run(self, cells: Cells, flat: Array) -> None:
        every = torch.arange(self._pair.n, device=self._pair.base.token_ids.device)
        width = self._pair.base.token_ids.shape[1]
        at_once = max(1, self._batch // (width * len(cells)))
        measured = torch.cat(
            [run_cells(self._pair, self._over, cells, part) for part in torch.split(every, at_once)], 1
        )
        effects = (measured.T - self._pair.m_base[:, None]).numpy() / self._pair.scale
        self._unmeasured += int((~np.isfinite(effects)).any(0).sum())
        self._per_prompt.reshape(self._pair.n, -1)[:, flat] = effects
