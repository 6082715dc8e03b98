"""The curve of a circuit: faithfulness against the number of edges kept, beside random circuits, point by point."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from scope_widgets._chart import Charted
from scope_widgets._job import JobStatus, Steps
from scope_widgets._provenance import Provenance
from scope_widgets.circuits.evaluation.circuit_run import Array
from scope_widgets.circuits.evaluation.evaluation_run import EvaluationRun
from scope_widgets.circuits.evaluation.faithfulness import interval
from scope_widgets.models.remote_dispatch import stepwise

if TYPE_CHECKING:
    import pandas as pd

#: shares of all edges at which MIB (Mueller et al. 2025) measures
SHARES = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)


@dataclass(frozen=True, eq=False)
class CurvePoint:
    """A point of the curve: the circuit that keeps so many of the edges with the largest scores.

    Attributes
    ----------
    n_edges : int
    share : float
        Of all edges.
    faithfulness, low, high : float
        With its 95 % interval, bootstrap over the pairs.
    metric : float
        Mean metric.
    random : ndarray [draw]
        Faithfulness of random circuits of the same size.
    full, empty : float
        Mean metric of the whole model and of no edges; the same at every point.
    """

    n_edges: int
    share: float
    faithfulness: float
    low: float
    high: float
    metric: float
    random: Array
    full: float
    empty: float


@dataclass(frozen=True, eq=False, repr=False)
class Curve(Charted):
    """Faithfulness of the circuits that keep more and more of the edges with the largest scores.

    Attributes
    ----------
    n_edges : ndarray of int [point]
    shares : ndarray [point]
        Of all edges.
    faithfulness, low, high : ndarray [point]
        With its 95 % interval, bootstrap over the pairs.
    metric : ndarray [point]
        Mean metric.
    random : ndarray [draw, point]
        Faithfulness of random circuits of the same size.
    full, empty : float
        Mean metric of the whole model and of no edges.
    ablation : str
        What an edge that is out carries, as a sentence.
    provenance : Provenance
    message : str
        Why there is no share; else empty.
    pairs : str
        What it was measured on, in words.
    """

    chart: ClassVar[str] = "scope_widgets.widgets.figures.charts:CurveChart"
    plotted_by: ClassVar[str] = "scope_widgets.plots.circuit_evaluation:faithfulness_curve"
    n_edges: Array
    shares: Array
    faithfulness: Array
    low: Array
    high: Array
    metric: Array
    random: Array
    full: float
    empty: float
    ablation: str
    provenance: Provenance
    message: str = ""
    pairs: str = ""

    @property
    def cpr(self) -> float:
        """MIB's circuit performance ratio: the integral of faithfulness over the shares; larger is better."""
        return _integral(self.faithfulness, self.shares)

    @property
    def cmd(self) -> float:
        """MIB's circuit-model distance: the integral of faithfulness's distance to 1; smaller is better."""
        return _integral(np.abs(1 - self.faithfulness), self.shares)

    def to_dataframe(self) -> pd.DataFrame:
        """Return a table, one row a point: n_edges, share, faithfulness, low, high, metric, random (mean, if any)."""
        import pandas as pd

        names = ("faithfulness", "low", "high", "metric")
        columns = {"n_edges": self.n_edges, "share": self.shares} | {name: getattr(self, name) for name in names}
        return pd.DataFrame(columns | ({"random": self.random.mean(0)} if len(self.random) else {}))

    def __repr__(self) -> str:
        """Show the table, with CPR and CMD."""
        table = self.to_dataframe().to_string(index=False, float_format="{:.3f}".format)
        why = f". {self.message}" if self.message else ""
        return f"{table}\nCPR {self.cpr:.3f}, CMD {self.cmd:.3f} on {self.pairs or 'its pairs'}; {self.ablation}{why}"


def curve_point_by_point(
    evaluated: EvaluationRun, shares: Sequence[float], signed: bool, draws: int
) -> Generator[CurvePoint, None, Curve]:
    """Measure circuit after circuit, and random ones beside each: yields each point, returns the whole curve.

    Raises
    ------
    ValueError
        For shares that are not between 0 and 1, or do not rise.
    """
    wanted = np.asarray(shares, dtype=float)
    if wanted.ndim != 1 or not len(wanted) or wanted.min() < 0 or wanted.max() > 1 or (np.diff(wanted) <= 0).any():
        raise ValueError(f"shares= are rising numbers from 0 to 1; got {list(shares)}.")
    run, circuit, n_all = evaluated.run, evaluated.circuit, evaluated.circuit.graph.n_edges
    rng = np.random.default_rng(evaluated.seed)
    orders = [rng.permutation(n_all) for _ in range(draws)]  # random circuits grow as the real one does
    points: list[CurvePoint] = []
    for share in wanted.tolist():
        kept = circuit.keep(round(share * n_all), signed=signed)  # fewer where fewer have scores
        circuits = np.zeros((1 + draws, n_all), dtype=bool)
        circuits[0] = kept.included
        for row, order in zip(circuits[1:], orders, strict=True):
            row[order[: kept.n_edges]] = True
        metric = evaluated.measure(circuits)
        faithfulness = run.faithfulness(metric)
        low, high = interval(run, metric[0], evaluated.seed)
        points.append(
            CurvePoint(
                n_edges=kept.n_edges,
                share=share,
                faithfulness=float(faithfulness[0]),
                low=low,
                high=high,
                metric=float(metric[0].mean()),
                random=faithfulness[1:],
                full=float(run.full.mean()),
                empty=float(run.empty.mean()),
            )
        )
        yield points[-1]
    return Curve(
        n_edges=np.array([point.n_edges for point in points]),
        shares=wanted,
        **{
            name: np.array([getattr(point, name) for point in points])
            for name in ("faithfulness", "low", "high", "metric")
        },
        random=np.stack([point.random for point in points], 1),
        full=points[0].full,
        empty=points[0].empty,
        ablation=run.sentence,
        provenance=evaluated.provenance,
        message=evaluated.run.message,
        pairs=evaluated.pairs,
    )


@stepwise
def measure_curve(evaluated: EvaluationRun, shares: Sequence[float], signed: bool, draws: int) -> Steps[Curve]:
    """Return the curve of a circuit; a step a point, whose status carries the points so far, a tuple of CurvePoint."""
    return (yield from curve_steps(evaluated, shares, signed, draws))


def curve_steps(evaluated: EvaluationRun, shares: Sequence[float], signed: bool, draws: int) -> Steps[Curve]:
    """Go through the points of a curve as the steps of a job do."""
    points = curve_point_by_point(evaluated, shares, signed, draws)
    done: tuple[CurvePoint, ...] = ()
    while True:
        try:
            done = (*done, next(points))
        except StopIteration as end:
            curve: Curve = end.value
            return curve
        yield JobStatus("running", f"{done[-1].n_edges:,} edges", len(done), len(shares), partial=done)


def _integral(values: Array, over: Array) -> float:
    return float((np.diff(over) * (values[1:] + values[:-1]) / 2).sum())
