"""Interventions as the edits of a forward, in the order in which it reaches them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import groupby

import torch
from torch import Tensor

from scope_widgets._untrusted import opening
from scope_widgets.models.execution.activation_edits import Edits, HookPoint
from scope_widgets.models.execution.prompt_positions import Needed
from scope_widgets.models.microscope import Microscope
from scope_widgets.steering.intervention import Change, Intervention, SteeredPositions

#: the order in which a forward reaches them within a block
STEERABLE_SITES = ("residual", "attention", "z", "attention_out", "mlp_in", "neurons", "mlp_out")


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
    changes: dict[HookPoint, list[Change]] = {}
    read: dict[HookPoint, list[list[Tensor]]] = {}
    for i in in_order(interventions):
        one = interventions[i]
        change = Change(one, strengths[:, i], is_steered(one.positions, positions, lengths), [])
        changes.setdefault((one.site, one.layer), []).append(change)
        if one.reads != one.site:
            changes.setdefault((one.reads, one.layer), [])
            read.setdefault((one.reads, one.layer), []).append(change.read)
    return {point: _in_turn(those, read.get(point, []), positions) for point, those in changes.items()}


def points_of(interventions: Iterable[Intervention]) -> list[HookPoint]:
    """Return where interventions change or read something."""
    return [(site, one.layer) for one in interventions for site in dict.fromkeys((one.reads, one.site))]


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


def _in_turn(changes: list[Change], read: list[list[Tensor]], positions: Tensor) -> Callable[[Tensor], Tensor]:
    # latents of one autoencoder that follow each other are read from one value
    groups = [list(those) for _, those in groupby(changes, key=lambda one: one.intervention.together or id(one))]

    def all_of_them(value: Tensor) -> Tensor:
        for group in groups:
            value = group[0].intervention.change_together(value, group, positions)
        for kept in read:
            kept[:] = [value]
        return value

    return all_of_them
