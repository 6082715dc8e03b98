"""The two runs of an experiment: what is patched into, where from, at which positions, measured how."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from torch import Tensor

from scope_widgets._check_choice import check_choice
from scope_widgets._provenance import Provenance
from scope_widgets._types import Positions, Prompts, Roles, Tokens
from scope_widgets.experiments.answer_tokens import answer_ids
from scope_widgets.experiments.metric import Metric, MetricFunction, MetricName, metric_of
from scope_widgets.experiments.question import Question, question_of
from scope_widgets.experiments.statistics.rounding import vanishes
from scope_widgets.models.execution.cached_run import CachedRun
from scope_widgets.models.microscope import Microscope, loaded
from scope_widgets.patching.positions import is_all, resolve_positions

#: what can be patched
Over: TypeAlias = Literal["residual", "attention_out", "mlp_out", "head", "q", "k", "v", "attention"]
#: clean into corrupted, or corrupted into clean
PatchingDirection: TypeAlias = Literal["denoising", "noising"]
#: what has a head axis
WITH_HEADS = ("head", "q", "k", "v", "attention")
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
class RunPair:
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
    question : Question
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
    question: Question

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


def run_pair(
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
) -> RunPair:
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
    at, labels = resolve_positions(scope, runs[0], positions, roles, "roles")
    other = at
    if corrupted_roles is not None:
        other, _ = resolve_positions(scope, runs[1], positions, corrupted_roles, "corrupted_roles")
    if "attention" in capture:
        _check_patterns(runs[0], runs[1], at, other)
    if direction == "denoising":
        (source, source_at), (base, base_at) = (runs[0], at), (runs[1], other)
    else:
        (base, base_at), (source, source_at) = (runs[0], at), (runs[1], other)
    measure = metric_of(metric, scope.tokenizer, answer, versus, len(base), runs[0].logits)
    names = ("corrupted", "clean") if direction == "denoising" else ("clean", "corrupted")
    floor = max(measure.floor(scope, run.logits) for run in runs)
    return RunPair(
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
            prompts=(*prompt_texts(scope, runs[0]), *prompt_texts(scope, runs[1])),
            note=f"{len(base)} clean prompt{'s' * (len(base) != 1)}, then {len(base)} corrupted; "
            f"{direction}, {measure.name}",
            calls=scope.calls,
        ),
        floor=floor,
        question=_question(scope, runs[0], runs[1], answer, versus),
    )


def _question(
    scope: Microscope, clean: CachedRun, corrupted: CachedRun, answer: Tokens | None, versus: Tokens | None
) -> Question:
    first = [run.token_ids[0, : int(run.lengths[0])].tolist() for run in (clean, corrupted)]
    sides = [
        [] if side is None else answer_ids(scope.tokenizer, side, len(clean))[:, None].tolist()
        for side in (answer, versus)
    ]
    return question_of(scope.tokenizer, *first, *sides)


def prompt_texts(scope: Microscope, run: CachedRun) -> list[str]:
    """Return the prompts of a run as text."""
    rows = zip(run.token_ids.tolist(), run.lengths.tolist(), strict=True)
    return [str(scope.tokenizer.decode(row[:length], skip_special_tokens=True)) for row, length in rows]


def _check_lengths(clean: CachedRun, corrupted: CachedRun, aligned: bool, positions: Any) -> None:
    if len(clean) != len(corrupted):
        raise ValueError(f"There are {len(clean)} clean and {len(corrupted)} corrupted prompts: each needs its other.")
    different = (clean.lengths != corrupted.lengths).nonzero().flatten().tolist()
    if not different or (aligned and not is_all(positions)):
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
