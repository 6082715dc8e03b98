"""What an edge that is out of a circuit carries."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor

from scope_widgets.experiments.circuit.circuit_ablation import CircuitAblation
from scope_widgets.experiments.task import Task

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]

#: ablation -> what an edge that is out carries, as a sentence says it
ABLATIONS: dict[CircuitAblation, str] = {
    "counterfactual": "what it carries on the pair's own corrupted prompt",
    "mean": "the mean over the corrupted prompts of the same template and length, at each position",
    "resample": "what it carries on another pair's corrupted prompt of the same template and length",
    "zero": "nothing (zero)",
}


def same_group(task: Task) -> list[list[int]]:
    """Return the pairs of the same template and length as each pair, itself among them."""
    groups = list(zip(task.groups, map(len, task.clean), strict=True))
    return [[at for at, other in enumerate(groups) if other == group] for group in groups]


def donors_of(groups: list[list[int]], draws: int, seed: int) -> Array:
    """Return whose corrupted prompts each pair is given under "resample", `[draw, pair]` of int.

    Each other pair of its group comes before one comes again, and there are no more draws than the largest group has
    others; `draw_weights` leaves out what comes again in the smaller ones. A pair that is alone gives to itself.
    """
    rng = np.random.default_rng(seed)
    others = [[other for other in group if other != at] or [at] for at, group in enumerate(groups)]
    first = [rng.choice(some) for some in others]
    draws = max(1, min(draws, max(map(len, others))))
    rows = [
        [one, *rng.permutation([other for other in some if other != one])]
        for one, some in zip(first, others, strict=True)
    ]
    return np.array([np.resize(row, draws) for row in rows], dtype=int).T


def draw_weights(groups: list[list[int]], draws: int) -> Array:
    """Return how much each draw of `donors_of` counts for a pair, `[draw, pair]`, 1 together.

    Equal for each other pair that gives; 0 once all of a group gave, lest the first of them count twice.
    """
    sizes = np.array([min(draws, max(1, len(group) - 1)) for group in groups])
    return np.where(np.arange(draws)[:, None] < sizes, 1 / sizes, 0.0)


def replacement_values(
    ablation: CircuitAblation, corrupted: Tensor, pairs: Sequence[int], groups: list[list[int]], donors: Array
) -> Tensor:
    """Return what edges that are out carry.

    Parameters
    ----------
    ablation : str
    corrupted : Tensor [sender, pair, position, d_model]
        What is written on all corrupted prompts.
    pairs : sequence of int
        The pairs whose replacement is returned.
    groups : list of list of int
        The pairs that each pair is averaged over: see `same_group`.
    donors : ndarray of int [pair]
        Of "resample": one draw of `donors_of`.

    Returns
    -------
    Tensor [sender, returned pair, position, d_model]
    """
    if ablation == "zero":
        return torch.zeros_like(corrupted[:, list(pairs)])
    if ablation == "mean":
        return torch.stack([corrupted[:, groups[pair]].mean(1) for pair in pairs], 1)
    if ablation == "resample":
        pairs = [int(donors[pair]) for pair in pairs]
    return corrupted[:, list(pairs)]
