"""The two runs of an experiment: what is patched into, where from, at which positions, measured how."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
import torch
from torch import Tensor

from scope_widgets._choices import check_choice
from scope_widgets._provenance import Provenance
from scope_widgets._types import Positions, Prompts, Roles, Tokens
from scope_widgets.experiments.metric import Metric, MetricFunction, MetricName, metric_of
from scope_widgets.experiments.rounding import vanishes
from scope_widgets.models.execution.cached_run import CachedRun
from scope_widgets.models.microscope import Microscope, loaded
from scope_widgets.models.tokens import token_texts

#: what can be patched
Over: TypeAlias = Literal["residual", "attention_out", "mlp_out", "head", "q", "k", "v", "attention"]
#: clean into corrupted, or corrupted into clean
PatchingDirection: TypeAlias = Literal["denoising", "noising"]
#: what can be patched -> the quantity of a run
OVER: dict[str, str] = {
    "residual": "residual",
    "attention_out": "attention_out",
    "mlp_out": "mlp_out",
    "head": "z",
    "q": "q",
    "k": "k",
    "v": "v",
    "attention": "attention",
}


@dataclass(frozen=True)
class Pair:
    """Two runs and the metric between them.

    Attributes
    ----------
    base, source : CachedRun
        What is patched into, and where from.
    m_base, m_source : Tensor [prompt], float64
    at, source_at : Tensor of int [prompt, position], or None
        The positions to patch and where they are in the source; None for all at once.
    labels : list of str [position]
    floor : float
        The difference that rounding alone may make to the metric.
    """

    scope: Microscope
    base: CachedRun
    source: CachedRun
    metric: Metric
    m_base: Tensor
    m_source: Tensor
    direction: PatchingDirection
    at: Tensor | None
    source_at: Tensor | None
    labels: list[str]
    provenance: Provenance
    floor: float

    @property
    def n(self) -> int:
        """Number of prompts."""
        return len(self.base)

    @property
    def scale(self) -> float:
        """The denominator of an effect, NaN where it is nothing but rounding."""
        scale = float(self.m_source.mean() - self.m_base.mean())
        return np.nan if vanishes(scale, self.floor) else scale

    @property
    def effect_floor(self) -> float:
        """The difference that rounding alone may make to an effect; infinite where effects are undefined."""
        return self.floor / abs(self.scale) if np.isfinite(self.scale) else np.inf

    @property
    def message(self) -> str:
        """Say it where effects are undefined."""
        if np.isfinite(self.scale):
            return ""
        return (
            f"{self.metric.name} is {float(self.m_source.mean()):.4g} in both runs, up to rounding, so that an effect, "
            "which is a share of their difference, is not defined: every cell is NaN. Choose a corrupted prompt that "
            "changes it."
        )

    @property
    def measured(self) -> tuple[Tensor, Tensor]:
        """The metric of the clean and of the corrupted run, `[prompt]`."""
        return (self.m_source, self.m_base) if self.direction == "denoising" else (self.m_base, self.m_source)

    def untouched(self) -> Tensor:
        """Say which positions `[prompt, position]` are the same in both runs by causality: nothing before differs."""
        assert self.at is not None
        assert self.source_at is not None
        width = min(self.base.token_ids.shape[1], self.source.token_ids.shape[1])
        same = self.base.token_ids[:, :width] == self.source.token_ids[:, :width]
        shared = same.long().cumprod(1).sum(1)  # positions before the first that differs
        return (self.at == self.source_at) & (self.at < shared[:, None])


def pair(
    scope: Microscope,
    clean: Prompts,
    corrupted: Prompts,
    *,
    answer: Tokens | None,
    versus: Tokens | None,
    metric: MetricName | MetricFunction | None,
    direction: PatchingDirection,
    positions: Positions,
    roles: Roles | None,
    corrupted_roles: Roles | None,
    capture: Sequence[str],
) -> Pair:
    """Run both prompts and check that they fit together.

    Raises
    ------
    ValueError
        For prompts of different number or length without roles, positions or roles that are not there, an unknown
        direction or metric, a metric that is not finite.
    """
    check_choice("direction", direction, PatchingDirection)
    for what, prompts in (("clean", clean), ("corrupted", corrupted)):
        if not isinstance(prompts, str) and hasattr(prompts, "__len__") and len(prompts) == 0:
            raise ValueError(f"{what}= is an empty set of prompts: give at least one.")
    runs = [loaded(scope).run(prompts, capture) for prompts in (clean, corrupted)]
    _check_lengths(runs[0], runs[1], corrupted_roles is not None, positions)
    at, labels = _positions(scope, runs[0], positions, roles, "roles")
    other_roles = roles if corrupted_roles is None else corrupted_roles
    other = at if other_roles is roles else _positions(scope, runs[1], positions, other_roles, "corrupted_roles")[0]
    if "attention" in capture:
        _check_patterns(runs[0], runs[1], at, other)
    if direction == "denoising":
        (source, source_at), (base, base_at) = (runs[0], at), (runs[1], other)
    else:
        (base, base_at), (source, source_at) = (runs[0], at), (runs[1], other)
    measure = metric_of(metric, scope.tokenizer, answer, versus, len(base), runs[0].logits)
    names = ("corrupted", "clean") if direction == "denoising" else ("clean", "corrupted")
    floor = max(measure.floor(scope, run.logits) for run in runs)
    return Pair(
        scope=scope,
        base=base,
        source=source,
        metric=measure,
        m_base=measure.checked(base.logits, names[0]),
        m_source=measure.checked(source.logits, names[1]),
        direction=direction,
        at=base_at,
        source_at=source_at,
        labels=labels,
        provenance=Provenance(
            model=scope.model_id,
            revision=scope.revision,
            prompts=(*texts(scope, runs[0]), *texts(scope, runs[1])),
            note=f"{len(base)} clean prompts, then {len(base)} corrupted; {direction}, {measure.name}",
        ),
        floor=floor,
    )


def texts(scope: Microscope, run: CachedRun) -> list[str]:
    """Give the prompts of a run as text."""
    rows = zip(run.token_ids.tolist(), run.lengths.tolist(), strict=True)
    return [str(scope.tokenizer.decode(row[:length], skip_special_tokens=True)) for row, length in rows]


def _check_lengths(clean: CachedRun, corrupted: CachedRun, aligned: bool, positions: Any) -> None:
    if len(clean) != len(corrupted):
        raise ValueError(f"There are {len(clean)} clean and {len(corrupted)} corrupted prompts: each needs its other.")
    different = (clean.lengths != corrupted.lengths).nonzero().flatten().tolist()
    if not different or (aligned and not _is_all(positions)):
        return
    first = different[0]
    raise ValueError(
        f"Prompt {first} has {int(clean.lengths[first])} tokens clean and {int(corrupted.lengths[first])} corrupted, "
        "so positions do not correspond. Give prompts of equal length, or say which positions do: roles= and "
        "corrupted_roles=, such as roles={'subject': [4]}, corrupted_roles={'subject': [5]}."
    )


def _check_patterns(clean: CachedRun, corrupted: CachedRun, at: Tensor | None, other: Tensor | None) -> None:
    """Refuse patterns that would be put elsewhere: a row is over the keys of its own prompt up to its own position."""
    different = clean.lengths != corrupted.lengths
    if at is not None and other is not None:
        different = different | (at != other).any(1)
    if bool(different.any()):
        raise ValueError(
            "over='attention' puts in rows of a pattern, each over the keys of its own prompt up to its own position: "
            "both prompts of a pair need the same length and the same positions, and those of pair "
            f"{int(different.int().argmax())} have not. Give prompts that correspond token by token, or patch "
            "something else, such as q or k."
        )


def listed(positions: Any) -> list[Any]:
    """Give positions and roles as a list, one by itself as a list of one.

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


def _is_all(positions: Any) -> bool:
    return isinstance(positions, str) and positions == "all"


def _positions(
    scope: Microscope, run: CachedRun, positions: Any, roles: Roles | None, what: str
) -> tuple[Tensor | None, list[str]]:
    if _is_all(positions):
        return None, []
    each = isinstance(positions, str) and positions == "each"
    wanted: Sequence[Any] = [] if each else listed(positions)
    if roles is not None:
        return _from_roles(run, list(roles) if each else wanted, roles, what)
    lengths = sorted(set(run.lengths.tolist()))
    if len(lengths) > 1:
        raise ValueError(
            f"The prompts have {', '.join(map(str, lengths))} tokens, so a position means another place in each. Give "
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
        places = torch.as_tensor(np.asarray(roles[role])).long().reshape(-1)
        if len(places) != len(run):
            raise ValueError(f"Role {role!r} has {len(places)} positions for {len(run)} prompts: give one a prompt.")
        wrong = ((places < 0) | (places >= run.lengths.cpu())).nonzero().flatten().tolist()
        if wrong:
            raise ValueError(
                f"Role {role!r} is at position {int(places[wrong[0]])} of prompt {wrong[0]}, which has "
                f"{int(run.lengths[wrong[0]])} tokens."
            )
        columns.append(places)
    return torch.stack(columns, 1).to(run.token_ids.device), [str(role) for role in wanted]


def places(run: CachedRun, where: Any, roles: Roles | None) -> Tensor:
    """Give the position `[prompt]` of a role, or of a number counted from either end of each prompt.

    Raises
    ------
    ValueError
        Where a prompt has no such position or role.
    """
    if isinstance(where, str):
        if roles is None:
            raise ValueError(f"The role {where!r} was asked for, but there are no roles=: give them, or a position.")
        return _from_roles(run, [where], roles, "roles")[0][:, 0]
    shortest = int(run.lengths.min())
    if not -shortest <= int(where) < shortest:
        raise ValueError(f"Position {where} is out of range: the shortest prompt has {shortest} tokens, 0 to -1.")
    return run.lengths + int(where) if where < 0 else torch.full_like(run.lengths, int(where))
