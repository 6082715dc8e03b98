"""What an edge carries that is out of a circuit."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from scope_widgets.experiments.task import Task

#: ablation -> what an edge that is out carries, as a sentence says it
ABLATIONS = {
    "counterfactual": "what it carries on the pair's own corrupted prompt",
    "mean": "the mean over the corrupted prompts of the same template and length, at each position",
    "resample": "what it carries on another pair's corrupted prompt of the same template and length",
    "zero": "nothing (zero)",
}


def check(ablation: str) -> None:
    """Raise ValueError for an ablation that is not known."""
    if ablation not in ABLATIONS:
        raise ValueError(f"ablation= is one of {', '.join(ABLATIONS)}; got {ablation!r}.")


def kin(task: Task) -> list[list[int]]:
    """Give the pairs of the same template and length as each pair."""
    keys = list(zip(task.groups, map(len, task.clean), strict=True))
    return [[at for at, other in enumerate(keys) if other == key] for key in keys]


def replaced(ablation: str, corrupted: Tensor, pairs: Sequence[int], others: list[list[int]], seed: int) -> Tensor:
    """Give what edges carry that are out.

    Parameters
    ----------
    ablation : str
    corrupted : Tensor [sender, pair, position, d_model]
        What is written on all corrupted prompts.
    pairs : sequence of int
        Those wanted.
    others : list of list of int
        See `kin`.
    seed : int
        Of resampling.

    Returns
    -------
    Tensor [sender, wanted pair, position, d_model]
    """
    if ablation == "zero":
        return torch.zeros_like(corrupted[:, list(pairs)])
    if ablation == "mean":
        return torch.stack([corrupted[:, others[pair]].mean(1) for pair in pairs], 1)
    if ablation == "resample":
        rng = np.random.default_rng(seed)
        drawn = [rng.choice([other for other in some if other != at] or [at]) for at, some in enumerate(others)]
        pairs = [int(drawn[pair]) for pair in pairs]
    return corrupted[:, list(pairs)]
