"""`EvalResult`: the metrics of a model on suites, with intervals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from scope_widgets._provenance import Provenance
from scope_widgets._result import Result
from scope_widgets._types import Array
from scope_widgets.evals.measures.outcome import Output
from scope_widgets.evals.metrics import TaskScores, hardly_vary
from scope_widgets.experiments.statistics.bca import bca_interval, cluster_sums
from scope_widgets.experiments.statistics.paired_tests import effective_size
from scope_widgets.experiments.statistics.wilson_interval import wilson

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False, repr=False)
class EvalResult(Result):
    """The metrics of a model on suites.

    Attributes
    ----------
    what : str
        What the model was changed by; "none" for the model as it is.
    tasks : tuple of TaskScores
        Each metric of each suite, item by item.
    low, high : ndarray [task]
        95 % interval: BCa bootstrap of 10,000 draws over clusters; Wilson's of a share of which fewer than five
        clusters are exceptions. NaN of one cluster.
    outputs : tuple of Output
        What the model wrote.
    provenance : Provenance

    Examples
    --------
    >>> found = evals.run(scope, "perplexity", n=6)
    >>> found["perplexity.nats_per_token"].value > 0
    True
    >>> found.to_dataframe().columns.tolist()
    ['suite', 'metric', 'value', 'low', 'high', 'unit', 'better', 'target', 'n', 'clusters']
    """

    plotted_by: ClassVar[str] = "scope_widgets.plots.evals:eval_result"

    what: str
    tasks: tuple[TaskScores, ...]
    low: Array
    high: Array
    outputs: tuple[Output, ...]
    provenance: Provenance

    def __getitem__(self, name: str) -> TaskScores:
        """Return a metric by the names of suite and metric, "facts.efficacy"."""
        for one in self.tasks:
            if one.name == name:
                return one
        raise KeyError(f"There is no {name!r}; there are {', '.join(one.name for one in self.tasks)}.")

    def _said(self) -> str:
        some = ", ".join(f"{one.name} {one.value:.4g}" for one in self.tasks[:4])
        return f"{some}{', ...' if len(self.tasks) > 4 else ''}; intervention: {self.what}"

    def to_dataframe(self) -> pd.DataFrame:
        """Return a table, a row a metric: suite, metric, value, low, high, unit, better, target, n, clusters."""
        import pandas as pd

        columns = ("suite", "metric", "value", "low", "high", "unit", "better", "target", "n", "clusters")
        rows = [
            (
                one.suite,
                one.metric,
                one.value,
                low,
                high,
                one.unit,
                one.better,
                one.target,
                len(one.values),
                one.n_clusters,
            )
            for one, low, high in zip(self.tasks, self.low.tolist(), self.high.tolist(), strict=True)
        ]
        return pd.DataFrame(rows, columns=list(columns))


def intervals(tasks: tuple[TaskScores, ...], seed: int) -> tuple[Array, Array]:
    """Return the 95 % interval of each metric, `[task]` each."""
    found = [_interval(one, seed) for one in tasks]
    low, high = zip(*found, strict=True) if found else ((), ())
    return np.array(low, dtype=np.float64), np.array(high, dtype=np.float64)


def _interval(one: TaskScores, seed: int) -> tuple[float, float]:
    if one.n_clusters < 2:
        return float("nan"), float("nan")
    if (
        one.is_share and 0 <= one.value <= 1 and hardly_vary(one.values, one.clusters)
    ):  # the bootstrap knows of no exceptions but these
        sizes = cluster_sums(one.values, one.weights, one.clusters)[1]
        return wilson(one.value, effective_size(sizes))
    return bca_interval(one.values, weights=one.weights, clusters=one.clusters, seed=seed)
