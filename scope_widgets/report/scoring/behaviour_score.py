"""`BehaviourScore`: how much of one behaviour the verified entries explain, with its null and its size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from scope_widgets._types import Array
from scope_widgets.circuits.evaluation.circuit_run import Mask
from scope_widgets.experiments.statistics.bootstrap import bootstrap_weights
from scope_widgets.experiments.statistics.rounding import share
from scope_widgets.experiments.task import Task
from scope_widgets.models.microscope import Microscope
from scope_widgets.report.entries.components import random_alike
from scope_widgets.report.scoring.recovery import ABLATIONS, DONORS, Recovered, RecoveryRun

#: random documentations of the same size, and which of them a documentation must beat
RANDOM: Final = 20
_PERCENTILE = 95


@dataclass(frozen=True)
class BehaviourScore:
    """What the verified entries of one behaviour explain of it.

    Attributes
    ----------
    behaviour : str
    weight : float
        In the total.
    value, low, high : float
        `T = kappa (1 - |C| / |all|)` and its 95 % interval, bootstrap over the prompts.
    R, N, kappa : float
        Recovery, the worst of three ablations; the 95th percentile of that of 20 random documentations with as many
        edges of each layer and kind; `max(0, (R - N) / (1 - N))`.
    f, h : dict of str to float
        By ablation: the share of the metric that is recovered, and of the divergence.
    n_edges, n_all : int
        Edges that are documented, and all.
    n_entries : int
        Verified ones.
    prompts, seed : int
        Held-out pairs, and their seed: a hash of the verified entries.
    reason : str
        Why it is 0 without having been measured; else empty.
    """

    behaviour: str
    weight: float
    value: float = 0.0
    low: float = 0.0
    high: float = 0.0
    R: float = 0.0
    N: float = 0.0
    kappa: float = 0.0
    f: dict[str, float] | None = None
    h: dict[str, float] | None = None
    n_edges: int = 0
    n_all: int = 0
    n_entries: int = 0
    prompts: int = 0
    seed: int = 0
    reason: str = ""


def score_edges(
    scope: Microscope, task: Task, mask: Mask, *, weight: float, n_entries: int, seed: int, draws: int = DONORS
) -> tuple[BehaviourScore, Array]:
    """Return the score of a set of edges on the pairs of a behaviour, and its values in the bootstrap, `[draw]`.

    Parameters
    ----------
    scope : Microscope
    task : Task
        Pairs that nothing was chosen on.
    mask : ndarray of bool [edge]
    weight : float
    n_entries : int
    seed : int
        Of random documentations, of "resample" and of the bootstrap.
    draws : int, default 4
        Of "resample", see `RecoveryRun`.
    """
    run = RecoveryRun(scope, task, seed, draws)
    graph = run.graph
    measured = run.measure(np.concatenate([mask[None], random_alike(graph, mask, RANDOM, seed)]))
    size = 1 - int(mask.sum()) / graph.n_edges
    R, N, kappa = above_chance(measured.R(), measured.rounding)
    drawn = above_chance(measured.R(bootstrap_weights(len(task), seed)), measured.rounding)[2] * size
    low, high = np.percentile(drawn, [2.5, 97.5])
    f, h = measured.f()[0], measured.h()[0]
    found = BehaviourScore(
        task.name,
        weight,
        value=float(kappa * size),
        low=float(low),
        high=float(high),
        R=float(R),
        N=float(N),
        kappa=float(kappa),
        f=_by_ablation(f),
        h=_by_ablation(h),
        n_edges=int(mask.sum()),
        n_all=graph.n_edges,
        n_entries=n_entries,
        prompts=len(task),
        seed=seed,
        reason=why_undefined(measured, task),
    )
    return found, np.asarray(drawn)


def above_chance(R: Array, floor: float) -> tuple[Array, Array, Array]:
    """Return R of a documentation, the N of the random ones beside it, and kappa; `R` is `[..., 1 + random]`.

    Of few random ones the percentile is the next larger of them, so that one more random one exceeds it in one of
    twenty cases at most. Where it is all, up to `floor`, nothing is above it, and kappa is 0.
    """
    own = R[..., 0]
    N = np.percentile(R[..., 1:], _PERCENTILE, axis=-1, method="higher")
    return own, N, np.maximum(0.0, np.nan_to_num(share(own - N, 1 - N, floor), nan=0.0))


def why_undefined(measured: Recovered, task: Task) -> str:
    """Return why nothing can be recovered; else empty."""
    if np.isfinite(measured.f()).all():
        return ""
    return f"The {task.metric_name} of the whole model is that of no edges, up to rounding: nothing to recover."


def _by_ablation(values: Array) -> dict[str, float]:
    return {name: float(one) for name, one in zip(ABLATIONS, np.nan_to_num(values, nan=0.0), strict=True)}
