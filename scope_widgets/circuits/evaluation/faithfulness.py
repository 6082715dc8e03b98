"""Faithfulness: how much of what the whole model does a circuit does by itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from scope_widgets._provenance import Provenance
from scope_widgets._result import Result
from scope_widgets.circuits.evaluation.circuit_run import Array, CircuitRun, Mask
from scope_widgets.circuits.evaluation.evaluation_run import EvaluationRun
from scope_widgets.experiments.statistics.rounding import vanishes
from scope_widgets.models.remote_dispatch import remotable

if TYPE_CHECKING:
    import pandas as pd

_RESAMPLES = 2000


@dataclass(frozen=True, eq=False, repr=False)
class Faithfulness(Result):
    """How much of what the whole model does a circuit does by itself.

    Attributes
    ----------
    value : float
        `(m(circuit) - m(empty)) / (m(model) - m(empty))` of the mean metrics; NaN where the denominator vanishes.
    low, high : float
        95 % interval, bootstrap over the pairs.
    random : ndarray [draw]
        The same of random circuits with as many edges.
    metric, full, empty : ndarray [pair]
        The metric of the circuit, of the whole model, and of no edges.
    n_edges, n_all : int
        Edges of the circuit and of the model.
    ablation : str
        What an edge that is out carries, as a sentence.
    provenance : Provenance
    message : str
        Why there is no share; else empty.
    pairs : str
        What it was measured on, in words.
    """

    plotted_by: ClassVar[str] = "scope_widgets.plots.circuit_evaluation:faithfulness"

    value: float
    low: float
    high: float
    random: Array
    metric: Array
    full: Array
    empty: Array
    n_edges: int
    n_all: int
    ablation: str
    provenance: Provenance
    message: str = ""
    pairs: str = ""

    @property
    def difference(self) -> float:
        """Wang et al.'s faithfulness, `|F(model) - F(circuit)|`: 0 is perfect, in units of the metric."""
        return float(abs(self.full.mean() - self.metric.mean()))

    def __repr__(self) -> str:
        """Say it in a line, with what it depends on."""
        at_random = f"{self.random.mean():.2f}" if len(self.random) else "not run"
        return (
            f"faithfulness {self.value:.3f} [{self.low:.3f}, {self.high:.3f}] of {self.n_edges:,} of {self.n_all:,} "
            f"edges, random circuits {at_random}, {self.pairs or f'{len(self.metric)} pairs'}; {self.ablation}"
            + (f". {self.message}" if self.message else "")
        )

    def to_dataframe(self) -> pd.DataFrame:
        """Return a table of one row: faithfulness, low, high, random (mean), difference, the mean metrics, n_edges."""
        import pandas as pd

        row = {
            "faithfulness": self.value,
            "low": self.low,
            "high": self.high,
            "random": self.random.mean() if len(self.random) else np.nan,
            "difference": self.difference,
            "metric": self.metric.mean(),
            "full": self.full.mean(),
            "empty": self.empty.mean(),
            "n_edges": self.n_edges,
            "n_all": self.n_all,
            "pairs": len(self.metric),
        }
        return pd.DataFrame([row])


@remotable
def measure_faithfulness(evaluated: EvaluationRun, draws: int) -> Faithfulness:
    """Return the faithfulness of a circuit, beside that of `draws` random circuits of its size."""
    run, circuit = evaluated.run, evaluated.circuit
    at_random = random_circuits(circuit.n_edges, run.graph.n_edges, draws, evaluated.seed)
    metric = evaluated.measure(np.concatenate([circuit.included[None], at_random]))
    shares = run.faithfulness(metric)
    low, high = interval(run, metric[0], evaluated.seed)
    return Faithfulness(
        value=float(shares[0]),
        low=low,
        high=high,
        random=shares[1:],
        metric=metric[0],
        full=run.full,
        empty=run.empty,
        n_edges=circuit.n_edges,
        n_all=run.graph.n_edges,
        ablation=run.sentence,
        provenance=evaluated.provenance,
        message=evaluated.run.message,
        pairs=evaluated.pairs,
    )


def interval(run: CircuitRun, metric: Array, seed: int) -> tuple[float, float]:
    """Return the 95 % interval of a faithfulness, bootstrap over the pairs of numerator and denominator together.

    NaN for a single pair, which says nothing of others.
    """
    rng = np.random.default_rng(seed)
    n = len(metric)
    weights = rng.multinomial(n, np.full(n, 1 / n), size=_RESAMPLES) / n
    above, below = weights @ (metric - run.empty), weights @ (run.full - run.empty)
    known = ~vanishes(below, run.floor)  # a share of nothing is no share
    if run.message or n < 2 or not known.any():
        return np.nan, np.nan
    low, high = np.percentile(above[known] / below[known], [2.5, 97.5])
    return float(low), float(high)


def random_circuits(n: int, n_all: int, draws: int, seed: int) -> Mask:
    """Return `draws` circuits of `n` of all edges, drawn at random, `[draw, edge]`."""
    rng = np.random.default_rng(seed)
    circuits = np.zeros((draws, n_all), dtype=bool)
    for row in circuits:
        row[rng.permutation(n_all)[:n]] = True
    return circuits
