"""What a suite has shown: values of its metrics, and what the model wrote."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from scope_widgets.evals.items import Item
from scope_widgets.evals.metrics import METRICS, TaskScores
from scope_widgets.evals.suite import Suite

#: share of a log-probability that rounding may move it by
_ROUNDING = 1e-5


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


def most_likely(right: float, others: Sequence[float]) -> float:
    """Return whether one log-probability is above all others: 1 or 0, of a tie its share, a half of two.

    What is no further apart than rounding is a tie. As a "no" it would lower a share that has .5 as its aim.

    Examples
    --------
    >>> most_likely(-1.0, [-2.0]), most_likely(-2.0, [-1.0]), most_likely(-2.0, [-2.0])
    (1.0, 0.0, 0.5)
    """
    floor = _ROUNDING * max(map(abs, (right, *others)))
    above = [other - right for other in others]
    if max(above) > floor:
        return 0.0
    return 1 / (1 + sum(one >= -floor for one in above))
