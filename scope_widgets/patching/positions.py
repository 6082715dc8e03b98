"""Positions and roles that a caller names, as positions of each prompt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from scope_widgets._types import Position, Positions, Roles
from scope_widgets.models.execution.cached_run import CachedRun
from scope_widgets.models.microscope import Microscope
from scope_widgets.models.tokens import token_texts


def position_list(positions: Positions) -> list[Any]:
    """Return positions and roles as a list, one by itself as a list of one.

    Raises
    ------
    ValueError
        Where there is none, or something that is neither.
    """
    given = positions.tolist() if hasattr(positions, "tolist") else positions
    given = [given] if isinstance(given, str) or hasattr(given, "__index__") else given
    known = isinstance(given, Sequence) and all(isinstance(one, str) or hasattr(one, "__index__") for one in given)
    if not known or not given:
        raise ValueError(
            f"positions= is a position, a role, a list of these, or a word such as 'all'; got {positions!r}."
        )
    return list(given)


def is_all(positions: Positions) -> bool:
    """Return whether all positions are meant at once."""
    return isinstance(positions, str) and positions == "all"


def resolve_positions(
    scope: Microscope, run: CachedRun, positions: Positions, roles: Roles | None, what: str
) -> tuple[Tensor | None, list[str]]:
    """Return positions `[prompt, position]` and what they stand for: tokens of the first prompt, or roles.

    Parameters
    ----------
    scope : Microscope
    run : CachedRun
    positions : "each", "all", or a list of positions or roles
        None and no labels for "all".
    roles : mapping of role to position of each prompt, or None
    what : str
        What `roles` is called in errors.

    Raises
    ------
    ValueError
        For positions or roles that are not there, and prompts of several lengths without roles.
    """
    if is_all(positions):
        return None, []
    each = isinstance(positions, str) and positions == "each"
    wanted: Sequence[Any] = [] if each else position_list(positions)
    if roles is not None:
        return _from_roles(run, list(roles) if each else wanted, roles, what)
    lengths = sorted(set(run.lengths.tolist()))
    if len(lengths) > 1:
        raise ValueError(
            f"The prompts have {', '.join(map(str, lengths))} tokens, so a position means something else in each. Give "
            "roles=, such as prompts.positions, or positions='all'."
        )
    wanted = range(lengths[0]) if each else wanted
    for position in wanted:
        if isinstance(position, str):
            raise ValueError(f"positions= asks for the role {position!r} but there are no roles=.")
        if not -lengths[0] <= int(position) < lengths[0]:
            raise ValueError(f"Position {position} is out of range: the prompts have {lengths[0]} tokens, 0 to -1.")
    at = torch.tensor([int(position) % lengths[0] for position in wanted], device=run.token_ids.device)
    tokens = token_texts(scope.tokenizer, run.token_ids[0, at].tolist())
    return at.expand(len(run), -1), tokens


def _from_roles(run: CachedRun, wanted: Sequence[Any], roles: Roles, what: str) -> tuple[Tensor, list[str]]:
    for role in wanted:
        if role not in roles:
            raise ValueError(f"These prompts have no role {role!r}; {what}= has {', '.join(map(str, roles))}.")
    if not wanted:
        raise ValueError(f"{what}= is empty: give the position of at least one role in each prompt, or leave it out.")
    columns = []
    for role in wanted:
        at = torch.as_tensor(np.asarray(roles[role])).long().reshape(-1)
        if len(at) != len(run):
            raise ValueError(f"Role {role!r} has {len(at)} positions for {len(run)} prompts: give one a prompt.")
        wrong = ((at < 0) | (at >= run.lengths.cpu())).nonzero().flatten().tolist()
        if wrong:
            raise ValueError(
                f"Role {role!r} is at position {int(at[wrong[0]])} of prompt {wrong[0]}, which has "
                f"{int(run.lengths[wrong[0]])} tokens."
            )
        columns.append(at)
    return torch.stack(columns, 1).to(run.token_ids.device), [str(role) for role in wanted]


def positions_of(run: CachedRun, position: Position, roles: Roles | None) -> Tensor:
    """Return the position `[prompt]` of a role, or of a number counted from either end of each prompt.

    Raises
    ------
    ValueError
        Where a prompt has no such position or role.
    """
    if isinstance(position, str):
        if roles is None:
            raise ValueError(f"The role {position!r} was asked for, but there are no roles=: give them, or a position.")
        return _from_roles(run, [position], roles, "roles")[0][:, 0]
    shortest = int(run.lengths.min())
    if not -shortest <= int(position) < shortest:
        raise ValueError(f"Position {position} is out of range: the shortest prompt has {shortest} tokens, 0 to -1.")
    return run.lengths + int(position) if position < 0 else torch.full_like(run.lengths, int(position))
