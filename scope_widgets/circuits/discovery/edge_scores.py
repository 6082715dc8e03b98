"""What each edge does: estimated by a gradient, or measured by taking it out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch

from scope_widgets._partial_result import Interrupted
from scope_widgets._progress import tqdm
from scope_widgets._types import Array
from scope_widgets.circuits.evaluation.circuit_run import CircuitRun
from scope_widgets.models.edges.component_outputs import ComponentOutputs
from scope_widgets.models.edges.edge_gradients import EdgeGradients

_EDGES_AT_ONCE = 128


def score_by_gradient(run: CircuitRun, steps: int, bar: tqdm[Any], positions: torch.Tensor | None = None) -> Array:
    """Return an estimate of how much of the metric is lost when each edge is out, `[edge]`, the mean over the pairs.

    Interrupted (Ctrl-C): the mean over the pairs that were done, as `run.interrupted` says; where none was, an
    interrupt without a result is raised.

    EAP (Syed et al. 2023): `(replaced - clean written) . d(-metric)/d(input)`, at the clean run. With `steps` (EAP-IG,
    inputs; Hanna et al. 2024) the gradient is the mean over that many embeddings on the line from replaced to clean.

    Parameters
    ----------
    run : CircuitRun
    steps : int
        0: EAP.
    bar : tqdm
        Updated after each layer of a forward and of a backward.
    positions : Tensor of int [pair, k], optional
        Score each of these positions by itself: `[edge, k]`.
    """
    gradients = EdgeGradients(run.scope, run.graph)
    found = torch.zeros(
        *run.graph.upstream.shape, *(() if positions is None else positions.shape[1:]), dtype=torch.float64
    )
    done = 0
    for part, clean, replaced in run.parts():
        changes = replaced - clean.of
        rows = torch.tensor(part, device=changes.device)

        def lost(logits: torch.Tensor, rows: torch.Tensor = rows) -> torch.Tensor:
            return -run.metric.of(logits, rows)

        part_positions = None if positions is None else positions[part].to(changes.device)
        sums = torch.zeros_like(found)
        try:
            for embeddings in _embeddings(clean, changes[0], steps):
                sums += gradients.scores(clean, changes, embeddings, lost, part_positions, bar.update).double().cpu()
        except KeyboardInterrupt:
            if not done:
                said = (
                    f"Interrupted before the gradients of the first {len(part)} of {len(run.task)} pairs were done: no "
                    "edge has a score yet, so there is nothing to return."
                )
                raise Interrupted(said, None) from None
            run.interrupted = f"Interrupted: the scores are of {done} of {len(run.task)} pairs."
            break
        found += sums / max(1, steps)
        done += len(part)
    scores: Array = found.numpy()[run.graph.upstream] / done
    return scores


def gradient_layers(run: CircuitRun, steps: int) -> int:
    """Return the number of layers in the forward and backward passes of `score_by_gradient`."""
    return 2 * run.layers * max(1, steps)


def _embeddings(clean: ComponentOutputs, change: torch.Tensor, steps: int) -> Iterable[torch.Tensor]:
    if not steps:
        yield clean.of[0]
    for step in range(1, steps + 1):
        yield clean.of[0] + (1 - step / steps) * change


def score_by_ablation(run: CircuitRun, edges: Array, bar: tqdm[Any]) -> Array:
    """Return how much of the metric is lost when each of some edges is out and all others are in, `[edge, pair]`.

    NaN where a Ctrl-C came before.
    """
    found = np.full((len(edges), len(run.task)), np.nan)
    try:
        for start in range(0, len(edges), _EDGES_AT_ONCE):
            some = edges[start : start + _EDGES_AT_ONCE]
            included = np.ones((len(some), run.graph.n_edges), dtype=bool)
            included[np.arange(len(some)), some] = False
            found[start : start + len(some)] = run.full - run.measure(included)
            bar.update(len(some) * run.layers)
    except KeyboardInterrupt:
        run.interrupted = f"Interrupted: {np.isfinite(found[:, 0]).sum():,} of {len(edges):,} edges were measured."
    return found
