"""`curve`: faithfulness against the number of edges kept, beside random circuits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from tqdm.auto import tqdm

from scope_widgets._provenance import Provenance
from scope_widgets._result import Result
from scope_widgets.circuits.circuit import Circuit
from scope_widgets.circuits.circuit_run import CircuitRun
from scope_widgets.circuits.evaluation import circuit_run, interval, provenance
from scope_widgets.experiments.task import Task
from scope_widgets.models.microscope import Microscope
from scope_widgets.models.remote_dispatch import remotable

Array = np.ndarray[Any, Any]
#: shares of all edges at which MIB (Mueller et al. 2025) measures
SHARES = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)


@dataclass(frozen=True, eq=False)
class Curve(Result):
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
        What an edge carries that is out, as a sentence.
    provenance : Provenance
    """

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

    @property
    def cpr(self) -> float:
        """MIB's circuit performance ratio: the integral of faithfulness over the shares; larger is better."""
        return float(np.trapezoid(self.faithfulness, self.shares))

    @property
    def cmd(self) -> float:
        """MIB's circuit-model distance: the integral of faithfulness's distance to 1; smaller is better."""
        return float(np.trapezoid(np.abs(1 - self.faithfulness), self.shares))

    def to_dataframe(self) -> Any:
        """Make a table, one row a point: n_edges, share, faithfulness, low, high, metric, random (mean, if any)."""
        import pandas as pd

        names = ("faithfulness", "low", "high", "metric")
        columns = {"n_edges": self.n_edges, "share": self.shares} | {name: getattr(self, name) for name in names}
        return pd.DataFrame(columns | ({"random": self.random.mean(0)} if len(self.random) else {}))

    def __repr__(self) -> str:
        """Show the table, with CPR and CMD."""
        table = self.to_dataframe().to_string(index=False, float_format="{:.3f}".format)
        return f"{table}\nCPR {self.cpr:.3f}, CMD {self.cmd:.3f}; {self.ablation}"

    def _repr_mimebundle_(self, **options: Any) -> Any:
        return {"text/plain": repr(self)}


@remotable
def curve(
    scope: Microscope,
    circuit: Circuit,
    shares: Sequence[float] = SHARES,
    *,
    task: Task | None = None,
    ablation: str | None = None,
    signed: bool = False,
    draws: int = 3,
    seed: int = 0,
) -> Curve:
    """Measure faithfulness against the share of edges kept, by the circuit's scores.

    Parameters
    ----------
    scope : Microscope
    circuit : Circuit
        Its scores count, not which of its edges are in.
    shares : sequence of float
        Rising, of all edges.
    signed : bool
        See `Circuit.keep`.
    task, ablation, draws, seed
        As in `faithfulness`.

    Raises
    ------
    ValueError
        For shares that are not between 0 and 1, or do not rise.
    """
    wanted = np.asarray(shares, dtype=float)
    if wanted.ndim != 1 or not len(wanted) or wanted.min() < 0 or wanted.max() > 1 or (np.diff(wanted) <= 0).any():
        raise ValueError(f"shares= are rising numbers from 0 to 1; got {list(shares)}.")
    trial = circuit_run(scope, circuit, task, ablation, seed)
    steps = points(trial, circuit, np.rint(wanted * trial.graph.n_edges).astype(int), draws, seed, signed)
    with tqdm(steps, total=len(wanted), desc="Faithfulness", unit="circuit", leave=False) as bar:
        rows = list(bar)
    metric = np.stack([row[0] for row in rows])
    bounds = np.array([interval(trial, one, seed) for one in metric])
    return Curve(
        n_edges=np.rint(wanted * trial.graph.n_edges).astype(int),
        shares=wanted,
        faithfulness=trial.faithfulness(metric),
        low=bounds[:, 0],
        high=bounds[:, 1],
        metric=metric.mean(-1),
        random=np.stack([trial.faithfulness(row[1:]) for row in rows], 1),
        full=float(trial.full.mean()),
        empty=float(trial.empty.mean()),
        ablation=trial.sentence,
        provenance=provenance(trial, circuit, seed),
    )


def points(
    trial: CircuitRun, circuit: Circuit, n_edges: Sequence[int] | Array, draws: int, seed: int, signed: bool = False
) -> Iterator[Array]:
    """Measure circuit after circuit, and random ones beside each: `[1 + draw, pair]` of the metric."""
    rng = np.random.default_rng(seed)
    orders = [rng.permutation(trial.graph.n_edges) for _ in range(draws)]  # random circuits grow as the real one does
    for n in n_edges:
        circuits = np.zeros((1 + draws, trial.graph.n_edges), dtype=bool)
        circuits[0] = circuit.keep(int(n), signed=signed).included
        for row, order in zip(circuits[1:], orders, strict=True):
            row[order[:n]] = True
        yield trial.measure(circuits)
