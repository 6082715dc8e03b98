"""What IOI loses without some heads, beside what it loses without as many others."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from scope_widgets.ioi.detection_runs import Head, Stages, check_prompts
from scope_widgets.ioi.prompts import IOIPrompts
from scope_widgets.models.microscope import Microscope
from scope_widgets.models.remote_dispatch import remotable


@dataclass(frozen=True, eq=False)
class HeadAblation:
    """Shares of the mean logit difference that are lost.

    Attributes
    ----------
    heads : list of (layer, head)
    lost : float
        With these heads knocked out together.
    lost_at_random : ndarray [draw]
        With as many random other heads of the same layers, or of the nearest where those have too few; empty where the
        model has.
    """

    heads: list[Head]
    lost: float
    lost_at_random: np.ndarray[Any, Any]


@remotable
def ablate_heads(
    scope: Microscope,
    prompts: IOIPrompts,
    heads: Sequence[Head],
    *,
    avoid: Iterable[Head] = (),
    draws: int = 10,
    seed: int = 0,
) -> HeadAblation:
    """Knock heads out at the last position of IOI prompts, where name movers act.

    Their output there is replaced by its mean over 4 ABC versions of the same prompt.

    Parameters
    ----------
    scope : Microscope
    prompts : IOIPrompts
    heads : list of (layer, head)
    avoid : list of (layer, head)
        Heads that the random draws leave alone beside these, such as all that a detection found.
    draws : int
    seed : int

    Raises
    ------
    TypeError, ValueError
        For a head that the model lacks; for prompts that are corrupted or made for another model.
    """
    check_prompts(scope, prompts, "ablate_heads()")
    try:
        heads = [(int(layer), int(head)) for layer, head in heads]
    except (TypeError, ValueError):
        raise ValueError(f"heads= is a list of (layer, head) such as [(9, 6)]; got {heads!r}.") from None
    for layer, head in heads:
        if not (0 <= layer < scope.n_layers and 0 <= head < scope.n_heads):
            raise ValueError(
                f"There is no head {layer}.{head}: {scope.model_id} has layers 0 to {scope.n_layers - 1} of heads 0 to "
                f"{scope.n_heads - 1}."
            )
    return knocked_out(Stages(scope, prompts, seed), list(heads), {*heads, *avoid}, draws, seed)


def knocked_out(stages: Stages, heads: list[Head], avoid: set[Head], draws: int, seed: int) -> HeadAblation:
    """As `ablate_heads`, on runs that are there already."""
    before = stages.m_clean.mean()

    def lost(some: list[Head]) -> float:
        return float(1 - stages.difference(stages.without(some)).mean() / before)

    rng = np.random.default_rng(seed)
    at_random = []
    for _ in range(draws):
        others = _others(heads, avoid, stages, rng)
        if others is not None:
            at_random.append(lost(others))
    return HeadAblation(heads, lost(heads), np.array(at_random))


def _others(heads: Sequence[Head], avoid: set[Head], stages: Stages, rng: np.random.Generator) -> list[Head] | None:
    """Draw as many other heads, each of the layer of one of these or the nearest that has any left; None: too few."""
    left = {
        (layer, head)
        for layer in range(stages.scope.n_layers)
        for head in range(stages.scope.n_heads)
        if (layer, head) not in avoid
    }
    drawn: list[Head] = []
    for layer, _ in heads:
        if not left:
            return None
        nearest = min(abs(other - layer) for other, _ in left)
        choice = sorted(one for one in left if abs(one[0] - layer) == nearest)
        drawn.append(choice[int(rng.integers(len(choice)))])
        left.discard(drawn[-1])
    return drawn
