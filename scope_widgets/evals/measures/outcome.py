"""What a suite has shown: values of its metrics, and what the model wrote."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from scope_widgets.evals.items import Item
from scope_widgets.evals.metrics import METRICS, TaskScores
from scope_widgets.evals.suite import Suite


@dataclass(frozen=True)
class Output:
    """A text that the model wrote.

    Attributes
    ----------
    suite, item : str
        The item's id.
    sample : int
        Which of its samples.
    text : str
    """

    suite: str
    item: str
    sample: int
    text: str


@dataclass
class Outcome:
    """What was computed of a suite while the model was changed, and what is left to do with it as it is.

    Attributes
    ----------
    tasks : list of TaskScores
    outputs : list of Output
    afterwards : callable or None
        Returns further tasks, computed when the model is as it was.
    """

    tasks: list[TaskScores] = field(default_factory=list)
    outputs: list[Output] = field(default_factory=list)
    afterwards: Callable[[], list[TaskScores]] | None = None


def task(
    suite: Suite,
    metric: str,
    items: Sequence[tuple[str, str]],
    values: Any,
    *,
    weights: Sequence[float] = (),
    scorer: str = "",
    note: str = "",
) -> TaskScores:
    """Return the scores of a metric; `items` are id and cluster of each value."""
    about = METRICS[metric]
    return TaskScores(
        suite=suite.name,
        metric=f"{scorer}.{metric}" if scorer else metric,
        unit=about.unit + note,
        better=about.better,
        yes_no=about.yes_no,
        bound=about.bound,
        target=about.target,
        ids=tuple(name for name, _ in items),
        clusters=tuple(cluster for _, cluster in items),
        values=np.array(values, dtype=np.float64),
        weights=np.array(weights, dtype=np.float64),
    )


def named(items: Sequence[Item]) -> list[tuple[str, str]]:
    """Return id and cluster of items; one without a cluster is its own."""
    return [(item.id, item.cluster or item.id) for item in items]
