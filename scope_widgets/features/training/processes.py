"""Processes that train together, each with its part of every batch: `Processes` of Lightning Fabric, or one alone."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from scope_widgets._untrusted import opening
from scope_widgets.features.training.steps.objective import Fired, strongest_of_all


class Processes:
    """Processes that hold the same weights, and take steps by the gradients of all of them.

    What a batch decides, it decides as a whole: what fires, what is dead, the scale of a penalty. So the steps are
    those of one process that has the whole batch, but for the order in which numbers are added.

    Parameters
    ----------
    fabric : lightning_fabric.Fabric, optional
        Launched; without one this process is alone, and nothing here costs anything.
    """

    def __init__(self, fabric: Any = None) -> None:
        if fabric is not None and (isinstance(fabric, type) or not hasattr(fabric, "all_reduce")):
            raise TypeError(f"fabric= is a launched lightning_fabric.Fabric; got {opening(fabric)}.")
        self._fabric: Any = fabric
        self.number: int = 1 if fabric is None else fabric.world_size
        self.is_first: bool = fabric is None or fabric.is_global_zero

    def check_batch(self, batch: int) -> None:
        """Raise ValueError where processes would not have parts of one size."""
        if batch % self.number:
            raise ValueError(
                f"batch={batch} rows do not part into {self.number} processes: give a multiple of {self.number}."
            )

    def part(self, x: Tensor) -> Tensor:
        """Return this process's rows of a batch."""
        return x if self.number == 1 else x.chunk(self.number)[self._fabric.global_rank]

    def parts(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Return this process's rows of inputs and of what is to be made of them, which may be the same."""
        own = self.part(x)
        return own, own if y is x else self.part(y)

    def wait(self) -> None:
        """Go on when all have come here."""
        if self.number > 1:
            self._fabric.barrier()

    def average(self, tensors: list[Tensor]) -> None:
        """Write the mean over the processes in place of each tensor."""
        if self.number > 1:
            for one in tensors:
                one.copy_(self._fabric.all_reduce(one, reduce_op="mean"))

    def mean(self, value: float) -> float:
        """Return the mean of a number over the processes."""
        if self.number == 1:
            return value
        given = torch.tensor(value, dtype=torch.float64, device=self._fabric.device)
        return float(self._fabric.all_reduce(given, reduce_op="mean"))

    def least(self, of: Tensor) -> Tensor:
        """Return the smallest over the processes of each number."""
        if self.number == 1:
            return of
        least: Tensor = self._fabric.all_reduce(of, reduce_op="min")
        return least

    def joined(self, rows: Tensor) -> Tensor:
        """Return the rows of all processes, in the order of the batch."""
        if self.number == 1:
            return rows
        joined: Tensor = self._fabric.all_gather(rows).flatten(0, 1)
        return joined

    def variance(self, x: Tensor) -> float:
        """Return the variance of the rows of the whole batch, summed over the columns."""
        if self.number == 1:
            return float(x.var(0, correction=0).sum())
        mean = x.mean(0)
        self.average([mean])
        return self.mean(float((x - mean).square().mean(0).sum()))

    def strongest_of_batch(self, p: Tensor, k: int, guess: float) -> tuple[Fired, float]:
        """Return what `strongest_of_all` returns of the whole batch, this process's part of it; and the smallest value.

        Where several of the batch are as large as the smallest, all are kept. Without any the smallest is infinity.
        """
        if self.number == 1:
            fired = strongest_of_all(p, k, guess)
            return fired, float(fired.values.min()) if len(fired.values) else math.inf
        wanted = k * len(p) * self.number
        fires = p > max(guess, 0.0)
        if guess > 0 and self.mean(int(fires.sum())) * self.number < wanted:
            fires = p > 0
        rows, latents = fires.nonzero(as_tuple=True)
        values = p[rows, latents]
        own = values.topk(min(wanted, len(values)), sorted=False).values
        of_all = self.joined(functional.pad(own, (0, wanted - len(own))))
        of_all = of_all.topk(wanted).values
        kept = values >= of_all[-1]
        found = of_all[of_all > 0]
        return Fired(rows, latents, values).where(kept), float(found[-1]) if len(found) else math.inf
