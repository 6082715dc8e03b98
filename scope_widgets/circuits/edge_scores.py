"""What each edge does: estimated by a gradient, or measured by cutting it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from tqdm.auto import tqdm

from scope_widgets.circuits.circuit_run import CircuitRun
from scope_widgets.models.edges.component_outputs import Writes
from scope_widgets.models.edges.edge_attribution import EdgeGradients

Array = np.ndarray[Any, Any]
_EDGES_AT_ONCE = 128


def by_gradient(trial: CircuitRun, steps: int, bar: tqdm[Any], at: torch.Tensor | None = None) -> Array:
    """Estimate how much of the metric is lost when each edge is out, `[edge]`, the mean over the pairs.

    EAP (Syed et al. 2023): `(replaced - clean written) . d(-metric)/d(input)`, at the clean run. With `steps` (EAP-IG,
    inputs; Hanna et al. 2024) the gradient is the mean over that many embeddings on the line from replaced to clean.

    Parameters
    ----------
    trial : CircuitRun
    steps : int
        0: EAP.
    bar : tqdm
        Told of each pass.
    at : Tensor of int [pair, place], optional
        Score each of these positions by itself: `[edge, place]`.
    """
    gradients = EdgeGradients(trial.scope, trial.graph)
    found = torch.zeros(*trial.graph.upstream.shape, *(() if at is None else at.shape[1:]), dtype=torch.float64)
    for part, clean, replaced in trial.parts():
        changes = replaced - clean.of
        rows = torch.tensor(part, device=changes.device)

        def lost(logits: torch.Tensor, rows: torch.Tensor = rows) -> torch.Tensor:
            return -trial.metric.of(logits, rows)

        for embeddings in _embeddings(clean, changes[0], steps):
            here = None if at is None else at[part].to(changes.device)
            found += gradients.scores(clean, changes, embeddings, lost, here).double().cpu() / max(1, steps)
            bar.update()
    scores: Array = found.numpy()[trial.graph.upstream] / len(trial.task)
    return scores


def passes(trial: CircuitRun, steps: int) -> int:
    """Give the number of forward and backward passes of `by_gradient`."""
    return len(list(trial.parts())) * max(1, steps)


def _embeddings(clean: Writes, change: torch.Tensor, steps: int) -> Iterable[torch.Tensor]:
    if not steps:
        yield clean.of[0]
    for step in range(1, steps + 1):
        yield clean.of[0] + (1 - step / steps) * change


def by_cutting(trial: CircuitRun, edges: Array, bar: tqdm[Any]) -> Array:
    """Measure how much of the metric is lost when each of some edges is out and all others are in, `[edge, pair]`.

    NaN where a Ctrl-C came before.
    """
    found = np.full((len(edges), len(trial.task)), np.nan)
    try:
        for start in range(0, len(edges), _EDGES_AT_ONCE):
            some = edges[start : start + _EDGES_AT_ONCE]
            included = np.ones((len(some), trial.graph.n_edges), dtype=bool)
            included[np.arange(len(some)), some] = False
            found[start : start + len(some)] = trial.full - trial.measure(included)
            bar.update(len(some))
    except KeyboardInterrupt:
        tqdm.write(f"Interrupted after {np.isfinite(found[:, 0]).sum():,} of {len(edges):,} edges.")
    return found
