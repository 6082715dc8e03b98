"""Interventions as the edits of a forward, in the order in which it reaches them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

from scope_widgets._untrusted import opening
from scope_widgets.models.execution.activation_edits import Edits, HookPoint
from scope_widgets.models.execution.prompt_positions import Needed
from scope_widgets.models.microscope import Microscope
from scope_widgets.steering.intervention import Intervention, SteeredPositions

#: the order in which a forward reaches them within a block
STEERABLE_SITES = ("residual", "attention", "z", "neurons", "mlp_out")


def in_order(interventions: Sequence[Intervention]) -> list[int]:
    """Return the indices of interventions in the order in which a forward reaches them; of equal ones as given."""
    return sorted(
        range(len(interventions)), key=lambda i: (interventions[i].layer, STEERABLE_SITES.index(interventions[i].site))
    )


def edits_of(interventions: Sequence[Intervention], strengths: Tensor, positions: Tensor, lengths: Tensor) -> Edits:
    """Return the edits that do all of these, for `Microscope.logits` and `CachedRun.again`.

    Parameters
    ----------
    interventions : sequence of Intervention
    strengths : Tensor [row, intervention]
    positions : Tensor of int [row, position]
        The index in its prompt of each position that is run.
    lengths : Tensor of int [row]
        Tokens of each row's prompt.
    """
    changes: dict[HookPoint, list[Callable[[Tensor], Tensor]]] = {}
    for i in in_order(interventions):
        one, strength = interventions[i], strengths[:, i]
        where = is_steered(one.positions, positions, lengths)

        def change(value: Tensor, one: Any = one, strength: Any = strength, where: Any = where) -> Tensor:
            changed: Tensor = one.change(value, strength, where, positions)
            return changed

        changes.setdefault((one.site, one.layer), []).append(change)
    return {point: _in_turn(those) for point, those in changes.items()}


def is_steered(steered: SteeredPositions, positions: Tensor, lengths: Tensor) -> Tensor:
    """Return which positions `[row, position]` of prompts of these lengths `[row]` are steered."""
    if isinstance(steered, str):
        return positions >= (0 if steered == "all" else lengths[:, None] - 1)
    start, stop = steered
    inside: Tensor = (positions >= _from_end(start, lengths)) & (positions >= 0)
    if stop is None:
        return inside
    return inside & (positions < _from_end(stop, lengths).minimum(lengths[:, None]))  # what is generated is not in it


def needed_by(interventions: Sequence[Intervention]) -> Needed:
    """Return what interventions depend on: on where prompts end where they count from there, or stop there."""
    steered = [one.positions for one in interventions]
    if any(at == "last" if isinstance(at, str) else at[0] < 0 or at[1] is not None for at in steered):
        return "ends"
    # rows and columns of a pattern, and rows of values, are positions
    placed = any(one.kind in ("swap", "patch") for one in interventions)
    return "positions" if placed or any(at != "all" for at in steered) else "nothing"


def _from_end(bound: int, lengths: Tensor) -> Tensor:
    """Return a bound for each row `[row, 1]`, counted from the end of its prompt where it is negative."""
    return torch.full_like(lengths, bound)[:, None] if bound >= 0 else lengths[:, None] + bound


def checked_interventions(
    scope: Microscope, interventions: Intervention | Sequence[Intervention]
) -> list[Intervention]:
    """Return interventions, or one, as a list.

    Raises
    ------
    TypeError, ValueError
        For something else, or for one that this model cannot have.
    """
    listed = list(interventions) if isinstance(interventions, Iterable) else [interventions]
    for one in listed:
        if not isinstance(one, Intervention):
            raise TypeError(f"Expected interventions such as steering.AddDirection(...), got {opening(one)}.")
        one.check(scope)
    return listed


def _in_turn(changes: list[Callable[[Tensor], Tensor]]) -> Callable[[Tensor], Tensor]:
    def all_of_them(value: Tensor) -> Tensor:
        for change in changes:
            value = change(value)
        return value

    return all_of_them
