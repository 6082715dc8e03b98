"""The induction task: random words that begin to come again."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from scope_widgets._aliases import former_options
from scope_widgets._seeds import seed_of
from scope_widgets.circuits.tasks.pairs import INSTEAD, Pair, check_task_size, task_of
from scope_widgets.circuits.tasks.vocabulary import COMMON
from scope_widgets.circuits.tasks.word_tokens import leading_tokens, next_token, word_tokens
from scope_widgets.experiments.task import Task
from scope_widgets.models.microscope import Microscope

#: words of the context, how many of them come again, and where among them these may begin
_CONTEXT, _AGAIN = 16, 3
_STARTS = (2, 4, 6, 8)


@former_options("n")
def induction(scope: Microscope, *, n: int = 50, seed: int | None = 0) -> Task:
    """Make pairs of random words that begin to come again: ".. X Y A B .. X Y A", so that B is next.

    The context has 16 different words, and three of them come again after it: after a single one a real model knows
    not yet that words repeat. The metric is the logit difference of B and another word of the context, drawn at
    random. In a corrupted prompt four other words replace the earlier X Y A B, so that nothing repeats. A group has
    them at one position. The words are common English ones of one token; where the tokenizer has too few of
    these, all words of its vocabulary.

    Parameters
    ----------
    scope : Microscope
    n : int, default 50
        Number of pairs.
    seed : int or None, default 0
        The same seed makes the same pairs.

    Returns
    -------
    Task
        With the metric "logit_difference".

    Raises
    ------
    TypeError, ValueError
        When n is below 1, or the tokenizer has fewer than 20 words of one token.

    References
    ----------
    Olsson et al. 2022, "In-context learning and induction heads", arXiv:2209.11895.

    Examples
    --------
    >>> from scope_widgets import Microscope, circuits
    >>> scope = Microscope.load("demo")
    >>> circuits.induction(scope, n=20)
    Task(induction: 20 pairs for demo, logit_difference)
    """
    seed = seed_of(seed)
    check_task_size(scope, n)
    tokenizer, rng = scope.tokenizer, np.random.default_rng(seed)
    needed = _CONTEXT + _AGAIN + 1
    words = [token for word in COMMON if (token := next_token(tokenizer, "The", f" {word}")) is not None]
    if len(words) < needed:
        words = word_tokens(tokenizer)
    if len(words) < needed:
        raise ValueError(
            f"The task 'induction' needs {needed} words of one token each, and this tokenizer has {len(words)}. "
            f"{INSTEAD}"
        )
    before = leading_tokens(tokenizer)
    pairs = [_repeat(rng, words, needed, before, at % len(_STARTS)) for at in range(n)]
    return task_of(scope, "induction", pairs, "logit_difference")


def _repeat(rng: np.random.Generator, words: Sequence[int], needed: int, before: list[int], template: int) -> Pair:
    """Return a pair whose words begin to come again after `_STARTS[template]` others."""
    drawn = [words[at] for at in rng.choice(len(words), needed, replace=False)]
    context, instead = drawn[:_CONTEXT], drawn[_CONTEXT:]
    start = _STARTS[template]
    end = start + _AGAIN
    again, answer = context[start:end], context[end]
    head, tail = context[:start], context[end + 1 :]
    versus = (head + tail)[int(rng.integers(len(head + tail)))]
    clean, corrupted = (before + head + middle + tail + again for middle in ([*again, answer], instead))
    return Pair(clean, corrupted, [answer], [versus], template)
