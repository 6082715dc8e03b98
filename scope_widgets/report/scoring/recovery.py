"""`Recovery`: how much of a behaviour a set of edges does by itself, the worst of three ablations.

    f = (m(C) - m(none)) / (m(model) - m(none))      h = 1 - sum KL(model || C) / sum KL(model || none)
    R = clip(min(1 - |1 - f|, h), 0, 1)

m is the mean metric over the pairs, KL that of the next-token distributions at their last positions. f alone can be
above 1 where what works against the behaviour is left out, hence 1 - |1 - f|; and a mean hides errors of single
prompts that cancel, hence h.
"""

from __future__ import annotations

import hashlib
from functools import cached_property
from typing import Final

import numpy as np

from scope_widgets._types import Array
from scope_widgets.circuits.evaluation.circuit_run import CircuitRun, Mask
from scope_widgets.experiments.circuit.circuit_ablation import CircuitAblation
from scope_widgets.experiments.statistics.rounding import share
from scope_widgets.experiments.task import Task
from scope_widgets.models.edges.find_edges import graph_of
from scope_widgets.models.edges.graph import Graph
from scope_widgets.models.microscope import Microscope

#: R is the worst of these; zero ablation alone flatters what never sees zeros
ABLATIONS: Final[tuple[CircuitAblation, ...]] = ("counterfactual", "resample", "mean")
#: what counts as nothing of a recovery, at least: rounding of sums over pairs and draws
_LEAST: Final = 1e-6
#: resampling is an expectation: the mean over so many prompts that give a pair their activations, at most, by default
DONORS: Final = 4
#: edges of a large model
LARGE: Final = 20_000
#: pairs of a forward of a small and of a large model: of a small one each forward costs more than its products, of a
#: large one what is computed of padding costs more
_AT_ONCE: Final = 64, 8


def at_once(scope: Microscope) -> int:
    """Return how many pairs run in one forward."""
    return _AT_ONCE[graph_of(scope).n_edges > LARGE]


class RecoveryRun:
    """A model on the pairs of a behaviour, in which sets of edges are run by themselves.

    Parameters
    ----------
    scope : Microscope
    task : Task
    seed : int
        Of "resample".
    draws : int, default 4
        Of "resample": over how many prompts that give a pair their activations the mean is, at most.

    Attributes
    ----------
    runs : list of CircuitRun
        One for each of `ABLATIONS`.
    """

    def __init__(self, scope: Microscope, task: Task, seed: int, draws: int = DONORS) -> None:
        self.task = task
        first = CircuitRun(scope, task, ABLATIONS[0], seed, at_once=at_once(scope))
        others = (
            CircuitRun(scope, task, ablation, seed, draws=draws, at_once=at_once(scope), like=first)
            for ablation in ABLATIONS[1:]
        )
        self.runs = [first, *others]
        self._known: dict[bytes, Array] = {}
        nothing = np.zeros(self.graph.n_edges, dtype=bool)
        #: [ablation, metric and divergence, pair]
        self._empty = self._values(nothing[None])[0]

    @property
    def graph(self) -> Graph:
        """The edges of the model."""
        return self.runs[0].graph

    @property
    def sentence(self) -> str:
        """What edges that are out carry, in words."""
        return "; ".join(run.sentence for run in self.runs)

    def measure(self, masks: Mask) -> Recovered:
        """Run sets of edges `[set, edge]` by themselves; none runs twice."""
        values = self._values(np.atleast_2d(masks))
        run = self.runs[0]
        return Recovered(values[:, :, 0], values[:, :, 1], run.full, self._empty, run.floor, run.divergence_floor)

    def _values(self, masks: Mask) -> Array:
        """Return `[set, ablation, metric and divergence, pair]`."""
        names = [hashlib.sha256(np.packbits(mask).tobytes()).digest() for mask in masks]
        new = {name: at for at, name in enumerate(names) if name not in self._known}
        if new:
            some = masks[list(new.values())]
            found = np.stack([run.measure_with(some, (run.metric, run.divergence)) for run in self.runs])
            self._known |= zip(new, found.transpose(2, 0, 1, 3), strict=True)
        return np.stack([self._known[name] for name in names])


class Recovered:
    """What sets of edges recover.

    Parameters
    ----------
    metric, divergence : ndarray [set, ablation, pair]
    full : ndarray [pair]
    empty : ndarray [ablation, metric and divergence, pair]
        Of no edges.
    floor, divergence_floor : float
        The difference that rounding alone may make to the metric, and to the divergence.
    """

    def __init__(
        self, metric: Array, divergence: Array, full: Array, empty: Array, floor: float, divergence_floor: float
    ) -> None:
        self.metric, self.divergence, self.full, self.empty = metric, divergence, full, empty
        self.floor, self.divergence_floor = floor, divergence_floor

    def f(self, weights: Array | None = None) -> Array:
        """Return the share of the metric that each recovers, `[set, ablation]`.

        Under `weights [draw, pair]` of the pairs `[draw, set, ablation]`. NaN where there is nothing to recover.
        """
        mean = _mean(weights, len(self.full))
        none = mean(self.empty[:, 0])
        whole = mean(self.full)[..., None] - none
        part = mean(self.metric) - none[..., None, :]
        return np.asarray(share(part, whole[..., None, :], self.floor))

    def h(self, weights: Array | None = None) -> Array:
        """Return one less the share of the divergence that is left, as `f`."""
        mean = _mean(weights, len(self.full))
        none = mean(self.empty[:, 1])[..., None, :]
        return np.asarray(1 - share(mean(self.divergence), none, self.divergence_floor))

    @cached_property
    def rounding(self) -> float:
        """The difference that rounding alone may make to R: that of the metric as a share of what is recovered."""
        shares = share(self.floor, np.abs(self.full.mean() - self.empty[:, 0].mean(-1)), self.floor)
        return float(np.nan_to_num(shares, nan=0.0).max(initial=_LEAST))

    def R(self, weights: Array | None = None) -> Array:
        """Return the recovery of each set, the worst of the ablations, `[set]` or `[draw, set]`; 0 where undefined."""
        both = np.minimum(1 - np.abs(1 - self.f(weights)), self.h(weights))
        worst: Array = np.clip(np.nan_to_num(both, nan=0.0), 0.0, 1.0).min(-1)
        return worst


def _mean(weights: Array | None, n: int):  # type: ignore[no-untyped-def]
    """Return the function that takes the mean of `[..., pair]` over the pairs, or of each sample before all axes."""
    if weights is None:
        return lambda values: values.mean(-1)
    return lambda values: np.moveaxis(values @ weights.T, -1, 0)
