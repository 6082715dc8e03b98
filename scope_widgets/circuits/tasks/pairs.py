"""Pairs of prompts for a task: drawn, filled into templates, and made a `Task`.

All clean prompts of a task are different, templates take turns, and the same seed gives the same pairs.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn, TypeVar

import numpy as np

from scope_widgets.circuits.tasks.word_tokens import leading_tokens, prompt_ids
from scope_widgets.experiments.statistics.prompt_groups import groups_by_length
from scope_widgets.experiments.task import Task, TaskMetric
from scope_widgets.models.microscope import Microscope

T = TypeVar("T")
#: a slot of a template, such as "{thing}"
SLOT = re.compile(r"\{(\w+)\}")
#: what to do where the tokenizer cannot carry a task
INSTEAD = "Make a task of words that it knows: Task.of(scope, clean, corrupted, answer, versus)."


@dataclass(frozen=True)
class Pair:
    """Texts or token ids of a pair, the tokens that are right and wrong, and its template."""

    clean: str | list[int]
    corrupted: str | list[int]
    answer: list[int]
    versus: list[int]
    template: int


def check_task_size(scope: Microscope, n: int) -> None:
    """Raise where no task of `n` pairs can be made.

    Raises
    ------
    TypeError
        When `n` is no whole number.
    ValueError
        When it is below 1, or the tokenizer puts tokens after a text.
    """
    if isinstance(n, bool) or not hasattr(n, "__index__"):
        raise TypeError(f"n= is the number of pairs; got {n!r}.")
    if n < 1:
        raise ValueError(f"n={n} would be a task without pairs: ask for at least one.")
    leading_tokens(scope.tokenizer)


def raise_unknown_words(name: str, needed: str) -> NoReturn:
    """Raise the ValueError of a tokenizer that lacks what a task is made of."""
    raise ValueError(f"The task {name!r} needs {needed}, and this tokenizer does not know them. {INSTEAD}")


def draw(name: str, n: int, rng: np.random.Generator, choices: Sequence[Sequence[T]]) -> list[tuple[int, T]]:
    """Draw `n` times a template and one of its choices, none twice; templates take turns as long as they have some.

    Raises
    ------
    ValueError
        When `n` is more than there are.
    """
    total = sum(map(len, choices))
    if n > total:
        raise ValueError(
            f"n={n} pairs of the task {name!r} are more than the {total} different ones that can be made for this "
            "tokenizer: ask for fewer."
        )
    shuffled = [rng.permutation(len(some))[:n] for some in choices]
    first = rng.permutation(len(choices))
    rounds = range(max(map(len, shuffled)))
    turns = ((int(one), turn) for turn in rounds for one in first if turn < len(shuffled[one]))
    drawn = [(template, choices[template][shuffled[template][turn]]) for template, turn in turns]
    return drawn[:n]


def fill(template: str, *fillers: str) -> str:
    """Return a template with its slots filled in turn."""
    turn = iter(fillers)
    return SLOT.sub(lambda _: next(turn), template)


def task_of(scope: Microscope, name: str, pairs: Sequence[Pair], metric: TaskMetric) -> Task:
    """Return the task that these pairs are."""
    clean, corrupted = (
        [prompt_ids(scope.tokenizer, text) if isinstance(text, str) else text for text in texts]
        for texts in ([pair.clean for pair in pairs], [pair.corrupted for pair in pairs])
    )
    return Task.of(
        scope,
        clean,
        corrupted,
        [pair.answer for pair in pairs],
        [pair.versus for pair in pairs],
        metric=metric,
        name=name,
        groups=groups_by_length([pair.template for pair in pairs], clean),
    )
