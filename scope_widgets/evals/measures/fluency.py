"""Fluency: how varied continuations are, how often they repeat themselves, and how surprising they are."""

from __future__ import annotations

import re

from scope_widgets.evals.items import Beginning
from scope_widgets.evals.measures.options import Options
from scope_widgets.evals.measures.outcome import Outcome, Output, named, task
from scope_widgets.evals.metrics import TaskScores
from scope_widgets.evals.scoring.score_texts import TextScorer
from scope_widgets.evals.suite import Suite

_STREAM = 2
_RUN = 4
_WORD = re.compile(r"\w+|[^\w\s]")


def work(suite: Suite, options: Options) -> int:
    """Return how many requests the suite takes."""
    return 2 * len(suite.items)


def measure(suite: Suite, scorer: TextScorer, options: Options, unedited: TextScorer) -> Outcome:
    """Measure a suite of beginnings; `unedited` scores what was written when the model is as it was."""
    items = [one for one in suite.items if isinstance(one, Beginning)]
    texts = scorer.continuations(
        [one.prompt for one in items],
        max_new_tokens=2 * options.max_new_tokens,
        seeds=[options.seeds(_STREAM, one.id) for one in items],
    )
    found = Outcome(outputs=[Output(suite.name, one.id, 0, text) for one, text in zip(items, texts, strict=True)])
    words = [_WORD.findall(text) for text in texts]
    for metric, values in (
        ("distinct_1", [distinct(one, 1) for one in words]),
        ("distinct_2", [distinct(one, 2) for one in words]),
        ("repetition", [repetition(one) for one in words]),
    ):
        found.tasks.append(_known(suite, metric, items, values))

    def surprise() -> list[TaskScores]:
        asked = [i for i, text in enumerate(texts) if text.strip()]
        splits = [unedited.texts.split(items[i].prompt, texts[i]) for i in asked]
        values: list[float | None] = [None] * len(texts)
        for i, log_p in zip(asked, unedited.of_tokens(splits), strict=True):
            values[i] = float(-log_p.mean())
        return [_known(suite, "output_nats", items, values)]

    found.afterwards = surprise
    return found


def _known(suite: Suite, metric: str, items: list[Beginning], values: list[float | None]) -> TaskScores:
    """Return the scores of the items that have one: of an empty text nothing is known."""
    kept = [(one, value) for one, value in zip(named(items), values, strict=True) if value is not None]
    return task(suite, metric, [one for one, _ in kept], [value for _, value in kept])


def distinct(words: list[str], n: int) -> float | None:
    """Return the share of runs of `n` words that are different ones (Li et al. 2016); None without any.

    Examples
    --------
    >>> distinct("a b a b".split(), 1), distinct("a b a b".split(), 2)
    (0.5, 0.6666666666666666)
    """
    runs = [tuple(words[i : i + n]) for i in range(len(words) - n + 1)]
    return len(set(runs)) / len(runs) if runs else None


def repetition(words: list[str]) -> float | None:
    """Return the share of runs of four words that stood in the text before (Welleck et al. 2020); None without any.

    Examples
    --------
    >>> repetition("a b c d a b c d".split())
    0.2
    """
    once = distinct(words, _RUN)
    return None if once is None else round(1 - once, 12)
