"""One measured figure: what it is, what it should be, and whether it is."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Figure:
    """A figure of `benchmarks/results.json`.

    `value` is compared with `target` by `better` ("lower", "higher"; "none" where nothing was promised).
    """

    name: str
    value: float
    unit: str
    target: float | None = None
    better: str = "none"
    detail: dict[str, Any] = field(default_factory=dict)

    @property
    def met(self) -> bool | None:
        """Whether the target is met, None where there is none."""
        if self.target is None:
            return None
        return self.value <= self.target if self.better == "lower" else self.value >= self.target

    def line(self) -> str:
        """Say the figure in one line."""
        sign = {"lower": "<=", "higher": ">="}.get(self.better, "")
        verdict = {True: "met", False: "MISSED", None: ""}[self.met]
        target = "" if self.target is None else f"(target {sign} {self.target:g} {self.unit}: {verdict})"
        return f"{self.name}: {self.value:.3g} {self.unit} {target}".rstrip()


def side_by_side(*jobs: Callable[[], object], rounds: int = 7) -> list[float]:
    """Median seconds of each job, run in turn A B A B ... after one warm-up, so that drift hits all alike."""
    times: list[list[float]] = [[] for _ in jobs]
    for job in jobs:
        job()
    for _ in range(rounds):
        for slot, job in zip(times, jobs, strict=True):
            start = time.perf_counter()
            job()
            slot.append(time.perf_counter() - start)
    return [statistics.median(slot) for slot in times]
