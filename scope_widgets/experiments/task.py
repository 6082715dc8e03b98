"""`Task`: something that a model does, as pairs of prompts and a number that says how well."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

import torch
from torch import Tensor

from scope_widgets._check_choice import check_choice
from scope_widgets._reproducing_calls import python_call
from scope_widgets._types import Prompts, Token, Tokens
from scope_widgets.experiments.answer_tokens import answer_ids
from scope_widgets.experiments.metric import Metric, MetricFunction, MetricName, metric_of
from scope_widgets.models.tokens import encode, token_texts

if TYPE_CHECKING:
    from scope_widgets.models.microscope import Microscope

#: beside those of `MetricName`: the probability of all right answers less that of all wrong ones
TaskMetric: TypeAlias = Literal[MetricName, "probability_difference"]
SUMMED: Final = "probability_difference"


@dataclass(frozen=True, eq=False)
class Task:
    """Pairs of clean and corrupted prompts with the answers that are right and wrong for the clean ones.

    Attributes
    ----------
    name : str
    clean, corrupted : list of list of int
        Token ids, pair by pair of the same length.
    answer, versus : list of list of int
        Token ids that are right for each clean prompt, and those that they are compared with. One of each for
        "logit_difference" and its kin, any number for "probability_difference".
    metric : str or callable
        "logit_difference", "probability_difference", "logit", "probability", "log_probability", "kl" (from the clean
        run), or a function of the logits `[vocabulary]` of one prompt's last position.
    model_id : str
        The model whose tokens these are.
    groups : list of int
        The template of each pair, over whose prompts a mean is taken; prompts of one template have one length.
    seed : int or None
        Of pairs that were drawn by the task's name (`circuits.task`): others can be drawn of the same kind.
    """

    name: str
    clean: list[list[int]]
    corrupted: list[list[int]]
    answer: list[list[int]]
    versus: list[list[int]]
    metric: TaskMetric | MetricFunction
    model_id: str
    groups: list[int] = field(default_factory=list)
    seed: int | None = None

    @classmethod
    def of(
        cls,
        scope: Microscope,
        clean: Prompts,
        corrupted: Prompts,
        answer: Tokens | Sequence[Sequence[Token]] | None = None,
        versus: Tokens | Sequence[Sequence[Token]] | None = None,
        *,
        metric: TaskMetric | MetricFunction | None = None,
        name: str = "task",
        groups: Sequence[int] | None = None,
    ) -> Task:
        """Make a task of texts or token ids.

        Parameters
        ----------
        scope : Microscope
        clean, corrupted : str, list of str, or token ids
        answer, versus : token, list of one token a pair, or list of a list of tokens a pair
            Texts with their space (" Mary") or token ids.
        metric : str or callable, optional
            By default the logit difference, or with several answers a pair the probability difference.
        name : str, default "task"
        groups : sequence of int, optional

        Raises
        ------
        ValueError
            For pairs of different length or number, none at all, answers that are no single tokens, or an unknown
            metric.
        """
        rows = [_rows(scope, prompts, what) for prompts, what in ((clean, "clean"), (corrupted, "corrupted"))]
        _check_pairs(*rows)
        n = len(rows[0])
        sets = [_sets(scope.tokenizer, tokens, n, what) for tokens, what in ((answer, "answer"), (versus, "versus"))]
        for at, (right, wrong) in enumerate(zip(*sets, strict=True)):
            if both := set(right) & set(wrong):
                text = token_texts(scope.tokenizer, [min(both)])[0]
                raise ValueError(
                    f"Pair {at}: {text!r} (id {min(both)}) stands in answer= and in versus=: give it in one."
                )
        several = any(len(one) > 1 for some in sets for one in some)
        if metric is not None and not callable(metric):
            check_choice("metric", metric, TaskMetric, "a function of the logits")
        if groups is not None and len(groups) != n:
            raise ValueError(f"groups= has {len(groups)} entries for {n} pairs: give the template of each pair.")
        return cls(
            name=name,
            clean=rows[0],
            corrupted=rows[1],
            answer=sets[0],
            versus=sets[1],
            metric=metric or (SUMMED if several else "logit_difference" if any(sets[1]) else "log_probability"),
            model_id=scope.model_id,
            groups=[0] * n if groups is None else [int(group) for group in groups],
        )

    def __len__(self) -> int:
        """Return the number of pairs."""
        return len(self.clean)

    def __repr__(self) -> str:
        """Say what it is and how many pairs there are."""
        return f"Task({self.name}: {len(self)} pairs for {self.model_id}, {self.metric_name})"

    def __getitem__(self, some: slice) -> Task:
        """Return the task with some of the pairs."""
        return self.only(range(len(self))[some])

    def only(self, pairs: Iterable[int]) -> Task:
        """Return the task with these pairs, by their numbers."""
        columns = ("clean", "corrupted", "answer", "versus", "groups")
        kept = list(pairs)
        rows: dict[str, Any] = {name: [getattr(self, name)[at] for at in kept] for name in columns}
        return replace(self, **rows)

    @property
    def metric_name(self) -> str:
        """Name of the metric."""
        return self.metric if isinstance(self.metric, str) else getattr(self.metric, "__name__", "a function")

    @property
    def calls(self) -> tuple[str, ...]:
        """The Python call that makes it again, its pairs written out."""
        return (python_call("circuits.Task", **{one.name: getattr(self, one.name) for one in fields(self)}),)

    def measure(self, scope: Microscope, clean_logits: Tensor) -> Metric:
        """Return what is measured on the logits of the last positions; "kl": from `clean_logits` [pair, vocabulary]."""
        if self.metric == SUMMED:
            return Metric(SUMMED, self._summed)
        answer, versus = (self._single(some) for some in (self.answer, self.versus))
        return metric_of(self.metric, scope.tokenizer, answer, versus, len(self), clean_logits)

    def check(self, scope: Microscope) -> None:
        """Raise ValueError where this was made for another model."""
        highest = max(max(row) for row in (*self.clean, *self.corrupted))
        if self.model_id != scope.model_id or highest >= scope.anatomy.d_vocab:
            raise ValueError(
                f"The task {self.name!r} was made for {self.model_id}, whose tokens may be others than those of "
                f"{scope.model_id}: make it again with this model."
            )

    def _summed(self, logits: Tensor, rows: Tensor) -> Tensor:
        p = logits.float().softmax(-1)
        weights = torch.zeros_like(p)
        for at, pair in enumerate(rows.tolist()):
            weights[at, self.answer[pair]] = 1.0
            weights[at, self.versus[pair]] = -1.0
        return (p * weights).sum(-1)

    def _single(self, sets: list[list[int]]) -> list[int] | None:
        if not any(sets) or callable(self.metric):
            return None
        if any(len(one) != 1 for one in sets):
            raise ValueError(f"The metric {self.metric_name} takes one answer a pair; {SUMMED!r} takes several.")
        return [one[0] for one in sets]


def _rows(scope: Microscope, prompts: Any, what: str) -> list[list[int]]:
    if not isinstance(prompts, str) and len(prompts) == 0:
        raise ValueError(f"{what}= is an empty set of prompts: give at least one.")
    return encode(scope.tokenizer, prompts, None)[0]


def _check_pairs(clean: list[list[int]], corrupted: list[list[int]]) -> None:
    if len(clean) != len(corrupted):
        raise ValueError(f"There are {len(clean)} clean and {len(corrupted)} corrupted prompts: each needs its other.")
    for at, (one, other) in enumerate(zip(clean, corrupted, strict=True)):
        if len(one) != len(other):
            raise ValueError(
                f"Pair {at} has {len(one)} tokens clean and {len(other)} corrupted, so positions do not correspond: "
                "word the corrupted prompt so that it has as many tokens."
            )


def _sets(tokenizer: Any, tokens: Any, n: int, what: str) -> list[list[int]]:
    if tokens is None:
        return [[] for _ in range(n)]
    tokens = tokens.tolist() if hasattr(tokens, "tolist") else tokens
    if isinstance(tokens, list | tuple) and any(isinstance(one, list | tuple) for one in tokens):
        if len(tokens) != n:
            raise ValueError(f"{what}= has {len(tokens)} sets for {n} pairs: give one a pair.")
        return [answer_ids(tokenizer, list(one), len(one), what).tolist() for one in tokens]
    return [[one] for one in answer_ids(tokenizer, tokens, n, what).tolist()]
