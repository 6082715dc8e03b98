"""The capitals task: the capital of a country."""

from __future__ import annotations

from typing import Any

import numpy as np

from scope_widgets._aliases import former_options
from scope_widgets._seeds import seed_of
from scope_widgets.circuits.tasks.pairs import SLOT, Pair, check_task_size, draw, fill, raise_unknown_words, task_of
from scope_widgets.circuits.tasks.vocabulary import CAPITALS, CITIES
from scope_widgets.circuits.tasks.word_tokens import in_vocabulary, next_token, prompt_ids
from scope_widgets.experiments.task import Task
from scope_widgets.models.microscope import Microscope


@former_options("n")
def capitals(scope: Microscope, *, n: int = 50, seed: int | None = 0) -> Task:
    """Make pairs of capitals of countries: "The capital of France is the city of" goes on with " Paris".

    A corrupted prompt has another country of as many tokens, and the metric is the logit difference of the two
    capitals. Only capitals of one token are used (of Buenos Aires the first word).

    Parameters
    ----------
    scope : Microscope
    n : int, default 50
        Number of pairs, all different.
    seed : int or None, default 0
        The same seed makes the same pairs.

    Returns
    -------
    Task
        With the metric "logit_difference".

    Raises
    ------
    TypeError, ValueError
        When n is below 1 or more than there are, or the tokenizer lacks the words.

    Examples
    --------
    The demo model's tokenizer has no countries; GPT-2's has.

    >>> from scope_widgets import Microscope, circuits
    >>> gpt2 = Microscope.load("openai-community/gpt2")  # doctest: +SKIP
    >>> circuits.capitals(gpt2, n=20)  # doctest: +SKIP
    Task(capitals: 20 pairs for openai-community/gpt2, logit_difference)
    """
    seed = seed_of(seed)
    check_task_size(scope, n)
    tokenizer, rng = scope.tokenizer, np.random.default_rng(seed)
    templates = [template for template in CITIES if in_vocabulary(tokenizer, SLOT.split(template)[::2])]
    choices = [_countries(tokenizer, template) for template in templates]
    if not any(choices):
        raise_unknown_words(
            "capitals",
            f"the words of a sentence such as {CITIES[0]!r} and two countries of as many tokens, such as 'France' and "
            "'Italy', with capitals of one token each",
        )
    pairs = []
    for template, (clean, answer, others) in draw("capitals", n, rng, choices):
        corrupted, versus = others[int(rng.integers(len(others)))]
        pairs.append(Pair(clean, corrupted, [answer], [versus], template))
    return task_of(scope, "capitals", pairs, "logit_difference")


def _countries(tokenizer: Any, template: str) -> list[tuple[str, int, list[tuple[str, int]]]]:
    """Return prompts with the token of the capital, and for each the same of all other countries of its length."""
    known = []
    for country, capital in CAPITALS:
        text = fill(template, country)
        token = next_token(tokenizer, text, f" {capital}")
        if token is not None and in_vocabulary(tokenizer, [f" {country}"]):
            known.append((text, token, len(prompt_ids(tokenizer, text))))
    choices = [
        (text, token, [(other, versus) for other, versus, same in known if same == length and versus != token])
        for text, token, length in known
    ]
    return [choice for choice in choices if choice[2]]
