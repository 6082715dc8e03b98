"""`Question`: the pair of prompts that an experiment compares, so that a picture can show what was asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from scope_widgets.models.tokens import token_texts


@dataclass(frozen=True, repr=False)
class Question:
    """The first pair of prompts of an experiment, token by token, with the answers that its metric compares.

    Attributes
    ----------
    clean, corrupted : list of str
        Their tokens.
    answer, versus : list of str
        The tokens that are right for the clean prompt, and those that they are compared with; empty where the metric
        has none.
    same_for_all : bool
        Whether all pairs have these answers.
    """

    clean: list[str]
    corrupted: list[str]
    answer: list[str]
    versus: list[str]
    same_for_all: bool = True

    def __repr__(self) -> str:
        """Say what is compared, in a line."""
        return f"Question({len(self.clean)} tokens, answer={self.answer[:3]}, versus={self.versus[:3]})"


def question_of(
    tokenizer: Any,
    clean: Sequence[int],
    corrupted: Sequence[int],
    answers: Sequence[Sequence[int]],
    versus: Sequence[Sequence[int]],
) -> Question:
    """Return the question of token ids.

    Parameters
    ----------
    tokenizer
        The model's.
    clean, corrupted : sequence of int
        Of the first pair.
    answers, versus : sequence of (sequence of int)
        Of each pair.
    """
    sides = [[list(one) for one in some] for some in (answers, versus)]
    first = [side[0] if side else [] for side in sides]
    texts = [token_texts(tokenizer, row) for row in (clean, corrupted, *first)]
    return Question(texts[0], texts[1], texts[2], texts[3], all(one == side[0] for side in sides for one in side))
