"""Tasks made for a model: pairs of prompts in words that its tokenizer can carry.

All clean prompts of a task are different, templates take turns, and the same seed gives the same pairs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, TypeVar

import numpy as np

from scope_widgets.circuits.task_vocabulary import AGREEMENT, CAPITALS, CITIES, COMMON, EVENTS, LASTED, NOUNS, VERBS
from scope_widgets.circuits.tokenizer_words import knows, next_token, put_before, row_of, words_of, years_of
from scope_widgets.experiments.prompt_groups import groups_by_length
from scope_widgets.experiments.task import SUMMED, Task, TaskMetric
from scope_widgets.models.microscope import Microscope
from scope_widgets.models.tokens import token_texts

T = TypeVar("T")
_SLOT = re.compile(r"\{(\w+)\}")
_INSTEAD = "Make a task of words that it knows: Task.of(scope, clean, corrupted, answer, versus)."

#: words of the context, how many of them come again, and where among them these may begin
_CONTEXT, _AGAIN = 16, 3
_PLACES = (2, 4, 6, 8)


@dataclass(frozen=True)
class _Pair:
    """Texts or token ids of a pair, the tokens that are right and wrong, and its template."""

    clean: str | list[int]
    corrupted: str | list[int]
    answer: list[int]
    versus: list[int]
    template: int


def greater_than(scope: Microscope, n: int = 50, *, seed: int = 0) -> Task:
    """Years that come later: "The war lasted from the year 1732 to the year 17" goes on with more than 32.

    The metric is the probability of all later years less that of the others. A corrupted prompt starts in the year 01
    of its century, after which nearly all years are later. Where the tokenizer writes digits one by one, the next one
    decides: after 1739 the digits from 4 on are right, those to 3 wrong, and the corrupted year is 1709. Where it
    writes them by threes, the last one does: "from the year 1732 to the year 173", and 1730.

    Parameters
    ----------
    scope : Microscope
    n : int
        How many pairs, all different.
    seed : int

    Raises
    ------
    TypeError, ValueError
        When n is below 1 or more than there are, or the tokenizer lacks the words or writes years in no such way.

    References
    ----------
    Hanna, Liu, Variengien 2023, "How does GPT-2 compute greater-than?", arXiv:2305.00586. Their sentence and metric;
    the nouns are ours.
    """
    tokenizer, rng = _begin(scope, n, seed)
    events = [event for event in EVENTS if next_token(tokenizer, "The", f" {event}") is not None]
    if not events or not knows(tokenizer, _SLOT.split(LASTED)[::2]):
        _lacks("greater_than", f"the words of {LASTED!r} and a noun for its {{event}}, such as {EVENTS[0]!r}")
    years = years_of(tokenizer)
    if years is None:
        written = " | ".join(token_texts(tokenizer, row_of(tokenizer, "the year 1732")))
        raise ValueError(
            "The task 'greater_than' needs a tokenizer that writes years in pieces of two digits, of one, or of three "
            f"and one; this one makes {written}. {_INSTEAD}"
        )
    pairs = []
    for _, (event, (shown, piece)) in _draw("greater_than", n, rng, [list(product(events, years.starts))]):
        clean, corrupted = (
            LASTED.format(event=event, start=shown + first + years.rest, shown=shown) for first in (piece, years.low)
        )
        later = [token for other, token in years.tokens.items() if other > piece]
        earlier = [token for other, token in years.tokens.items() if other <= piece]
        pairs.append(_Pair(clean, corrupted, later, earlier, 0))
    return _task(scope, "greater_than", pairs, SUMMED)


def induction(scope: Microscope, n: int = 50, *, seed: int = 0) -> Task:
    """Random words that begin to come again: ".. X Y A B .. X Y A", so that B is next.

    The context has 16 different words, and three of them come again after it: after a single one a real model knows
    not yet that words repeat. The metric is the logit difference of B and another word of the context, drawn at
    random. In a corrupted prompt four other words stand in the place of the earlier X Y A B, so that nothing repeats.
    A group has them in one place. The words are common English ones of one token; where the tokenizer has too few of
    these, all words of its vocabulary.

    Parameters
    ----------
    scope : Microscope
    n : int
        How many pairs.
    seed : int

    Raises
    ------
    TypeError, ValueError
        When n is below 1, or the tokenizer has fewer than 20 words of one token.

    References
    ----------
    Olsson et al. 2022, "In-context learning and induction heads", arXiv:2209.11895.
    """
    tokenizer, rng = _begin(scope, n, seed)
    needed = _CONTEXT + _AGAIN + 1
    words = [token for word in COMMON if (token := next_token(tokenizer, "The", f" {word}")) is not None]
    if len(words) < needed:
        words = words_of(tokenizer)
    if len(words) < needed:
        raise ValueError(
            f"The task 'induction' needs {needed} words of one token each, and this tokenizer has {len(words)}. "
            f"{_INSTEAD}"
        )
    before = put_before(tokenizer)
    pairs = [_repeat(rng, words, needed, before, at % len(_PLACES)) for at in range(n)]
    return _task(scope, "induction", pairs, "logit_difference")


def agreement(scope: Microscope, n: int = 50, *, seed: int = 0) -> Task:
    """A verb in the number of its subject: "The keys near the cabinet" goes on with " are" rather than " is".

    Between subject and verb stands another noun, the attractor, in either number. In a corrupted prompt the subject is
    in the other number and all else the same. The verbs are is / are, was / were and has / have; the metric is their
    logit difference.

    Parameters
    ----------
    scope : Microscope
    n : int
        How many pairs, all different.
    seed : int

    Raises
    ------
    TypeError, ValueError
        When n is below 1 or more than there are, or the tokenizer lacks the words.

    References
    ----------
    Linzen, Dupoux, Goldberg 2016, "Assessing the ability of LSTMs to learn syntax-sensitive dependencies",
    arXiv:1611.01368, and Finlayson et al. 2021, "Causal analysis of syntactic agreement mechanisms in neural language
    models", arXiv:2106.06087. The sentences are ours.
    """
    tokenizer, rng = _begin(scope, n, seed)
    nouns = {kind: [noun for noun in some if _tokens(tokenizer, "The", noun)] for kind, some in NOUNS.items()}
    verbs = [tokens for verb in VERBS if (tokens := _tokens(tokenizer, "The dogs", verb))]
    templates = [template for template in AGREEMENT if knows(tokenizer, _SLOT.split(template)[::2])]
    phrases = [_phrases(template, nouns) for template in templates]
    if not verbs or not any(phrases):
        _lacks(
            "agreement",
            f"the words of a sentence such as {AGREEMENT[0]!r}, nouns that are one token in both numbers, such as "
            "'key' and 'keys', and the verbs 'is' and 'are'",
        )
    pairs = []
    for template, (subject, number, attractor) in _draw("agreement", n, rng, phrases):
        clean, corrupted = (_filled(templates[template], subject[form], attractor) for form in (number, 1 - number))
        verb = verbs[int(rng.integers(len(verbs)))]
        pairs.append(_Pair(clean, corrupted, [verb[number]], [verb[1 - number]], template))
    return _task(scope, "agreement", pairs, "logit_difference")


def capitals(scope: Microscope, n: int = 50, *, seed: int = 0) -> Task:
    """Capitals of countries: "The capital of France is the city of" goes on with " Paris".

    A corrupted prompt has another country of as many tokens, and the metric is the logit difference of the two
    capitals. Only capitals of one token are used (of Buenos Aires the first word).

    Parameters
    ----------
    scope : Microscope
    n : int
        How many pairs, all different.
    seed : int

    Raises
    ------
    TypeError, ValueError
        When n is below 1 or more than there are, or the tokenizer lacks the words.
    """
    tokenizer, rng = _begin(scope, n, seed)
    templates = [template for template in CITIES if knows(tokenizer, _SLOT.split(template)[::2])]
    choices = [_countries(tokenizer, template) for template in templates]
    if not any(choices):
        _lacks(
            "capitals",
            f"the words of a sentence such as {CITIES[0]!r} and two countries of as many tokens, such as 'France' and "
            "'Italy', with capitals of one token each",
        )
    pairs = []
    for template, (clean, answer, others) in _draw("capitals", n, rng, choices):
        corrupted, versus = others[int(rng.integers(len(others)))]
        pairs.append(_Pair(clean, corrupted, [answer], [versus], template))
    return _task(scope, "capitals", pairs, "logit_difference")


#: the tasks that are made by their name
TASKS: dict[str, Callable[..., Task]] = {
    "greater_than": greater_than,
    "induction": induction,
    "agreement": agreement,
    "capitals": capitals,
}


def task(scope: Microscope, name: str, n: int = 50, seed: int = 0) -> Task:
    """Make one of `TASKS` by its name.

    Raises
    ------
    TypeError, ValueError
        For a name that is not known, and as the task itself does.
    """
    if name == "ioi":
        raise ValueError(
            "The task 'ioi' is made of its prompts: scope_widgets.ioi.prompts(scope, n).task(). By name there are "
            f"{', '.join(TASKS)}."
        )
    if name not in TASKS:
        raise ValueError(f"There is no task {name!r}; there are {', '.join(TASKS)}, and ioi.prompts(scope, n).task().")
    return TASKS[name](scope, n, seed=seed)


# --- what they are made of ------------------------------------------------------------------------------------------


def _begin(scope: Microscope, n: int, seed: int) -> tuple[Any, np.random.Generator]:
    if isinstance(n, bool) or not hasattr(n, "__index__"):
        raise TypeError(f"n= is the number of pairs; got {n!r}.")
    if n < 1:
        raise ValueError(f"n={n} would be a task without pairs: ask for at least one.")
    put_before(scope.tokenizer)
    return scope.tokenizer, np.random.default_rng(seed)


def _lacks(name: str, words: str) -> None:
    raise ValueError(f"The task {name!r} needs {words}, and this tokenizer does not know them. {_INSTEAD}")


def _draw(name: str, n: int, rng: np.random.Generator, choices: Sequence[Sequence[T]]) -> list[tuple[int, T]]:
    """Draw `n` times a template and one of its choices, none twice; templates take turns as long as they have some."""
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


def _repeat(rng: np.random.Generator, words: Sequence[int], needed: int, before: list[int], template: int) -> _Pair:
    """Make a pair of the induction task."""
    drawn = [words[at] for at in rng.choice(len(words), needed, replace=False)]
    context, instead = drawn[:_CONTEXT], drawn[_CONTEXT:]
    start = _PLACES[template]
    end = start + _AGAIN
    again, answer = context[start:end], context[end]
    head, tail = context[:start], context[end + 1 :]
    versus = (head + tail)[int(rng.integers(len(head + tail)))]
    clean, corrupted = (before + head + middle + tail + again for middle in ([*again, answer], instead))
    return _Pair(clean, corrupted, [answer], [versus], template)


def _tokens(tokenizer: Any, text: str, words: tuple[str, str]) -> list[int]:
    """Give the tokens of a singular and a plural after a text, or none where they are not one each."""
    found = [token for word in words if (token := next_token(tokenizer, text, f" {word}")) is not None]
    return found if len(set(found)) == 2 else []


def _phrases(template: str, nouns: dict[str, list[tuple[str, str]]]) -> list[tuple[tuple[str, str], int, str]]:
    """Give all subjects, their numbers (0 for one, 1 for several) and attractors that fit a template."""
    subjects, others = (nouns[kind] for kind in _SLOT.findall(template))
    return [
        (subject, number, other[form])
        for subject, other, number, form in product(subjects, others, (0, 1), (0, 1))
        if subject != other
    ]


def _filled(template: str, *words: str) -> str:
    turn = iter(words)
    return _SLOT.sub(lambda _: next(turn), template)


def _countries(tokenizer: Any, template: str) -> list[tuple[str, int, list[tuple[str, int]]]]:
    """Give prompts with the token of the capital, and for each the same of all other countries of its length."""
    known = []
    for country, capital in CAPITALS:
        text = _filled(template, country)
        token = next_token(tokenizer, text, f" {capital}")
        if token is not None and knows(tokenizer, [f" {country}"]):
            known.append((text, token, len(row_of(tokenizer, text))))
    choices = [
        (text, token, [(other, versus) for other, versus, same in known if same == length and versus != token])
        for text, token, length in known
    ]
    return [choice for choice in choices if choice[2]]


def _task(scope: Microscope, name: str, pairs: Sequence[_Pair], metric: TaskMetric) -> Task:
    clean, corrupted = (
        [row_of(scope.tokenizer, text) if isinstance(text, str) else text for text in texts]
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
