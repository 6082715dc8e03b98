"""The agreement task: a verb in the number of its subject."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np

from scope_widgets._aliases import former_options
from scope_widgets._seeds import seed_of
from scope_widgets.circuits.tasks.pairs import SLOT, Pair, check_task_size, draw, fill, raise_unknown_words, task_of
from scope_widgets.circuits.tasks.vocabulary import AGREEMENT, NOUNS, VERBS
from scope_widgets.circuits.tasks.word_tokens import in_vocabulary, next_token
from scope_widgets.experiments.task import Task
from scope_widgets.models.microscope import Microscope


@former_options("n")
def agreement(scope: Microscope, *, n: int = 50, seed: int | None = 0) -> Task:
    """Make pairs of a verb in the number of its subject: "The keys near the cabinet" goes on with " are", not " is".

    Between subject and verb stands another noun, the attractor, in either number. In a corrupted prompt the subject is
    in the other number and all else the same. The verbs are is / are, was / were and has / have; the metric is their
    logit difference.

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

    References
    ----------
    Linzen, Dupoux, Goldberg 2016, "Assessing the ability of LSTMs to learn syntax-sensitive dependencies",
    arXiv:1611.01368, and Finlayson et al. 2021, "Causal analysis of syntactic agreement mechanisms in neural language
    models", arXiv:2106.06087. The sentences are ours.

    Examples
    --------
    >>> from scope_widgets import Microscope, circuits
    >>> scope = Microscope.load("demo")
    >>> task = circuits.agreement(scope, n=10)
    >>> len(task), task.metric
    (10, 'logit_difference')
    """
    seed = seed_of(seed)
    check_task_size(scope, n)
    tokenizer, rng = scope.tokenizer, np.random.default_rng(seed)
    nouns = {kind: [noun for noun in some if _tokens(tokenizer, "The", noun)] for kind, some in NOUNS.items()}
    verbs = [tokens for verb in VERBS if (tokens := _tokens(tokenizer, "The dogs", verb))]
    templates = [template for template in AGREEMENT if in_vocabulary(tokenizer, SLOT.split(template)[::2])]
    phrases = [_phrases(template, nouns) for template in templates]
    if not verbs or not any(phrases):
        raise_unknown_words(
            "agreement",
            f"the words of a sentence such as {AGREEMENT[0]!r}, nouns that are one token in both numbers, such as "
            "'key' and 'keys', and the verbs 'is' and 'are'",
        )
    pairs = []
    for template, (subject, number, attractor) in draw("agreement", n, rng, phrases):
        clean, corrupted = (fill(templates[template], subject[form], attractor) for form in (number, 1 - number))
        verb = verbs[int(rng.integers(len(verbs)))]
        pairs.append(Pair(clean, corrupted, [verb[number]], [verb[1 - number]], template))
    return task_of(scope, "agreement", pairs, "logit_difference")


def _tokens(tokenizer: Any, text: str, words: tuple[str, str]) -> list[int]:
    """Return the tokens of a singular and a plural after a text, or none where they are not one each."""
    found = [token for word in words if (token := next_token(tokenizer, text, f" {word}")) is not None]
    return found if len(set(found)) == 2 else []


def _phrases(template: str, nouns: dict[str, list[tuple[str, str]]]) -> list[tuple[tuple[str, str], int, str]]:
    """Return all subjects, their numbers (0 for one, 1 for several) and attractors that fit a template."""
    subjects, others = (nouns[kind] for kind in SLOT.findall(template))
    return [
        (subject, number, other[form])
        for subject, other, number, form in product(subjects, others, (0, 1), (0, 1))
        if subject != other
    ]
