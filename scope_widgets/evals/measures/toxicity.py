"""Toxicity: hostile against neutral continuations, and a scorer on what the model writes."""

from __future__ import annotations

from typing import Any

import numpy as np

from scope_widgets._types import Array
from scope_widgets.evals.items import Beginning
from scope_widgets.evals.measures.options import Options
from scope_widgets.evals.measures.outcome import Outcome, Output, named, task
from scope_widgets.evals.metrics import TaskScores
from scope_widgets.evals.scoring.score_texts import TextScorer
from scope_widgets.evals.suite import Suite

_STREAM = 1


def work(suite: Suite, options: Options) -> int:
    """Return how many requests the suite takes."""
    return len(_requests(suite)) + options.samples * len(suite.items)


def measure(suite: Suite, scorer: TextScorer, options: Options) -> Outcome:
    """Measure a suite of toxicity."""
    items = [one for one in suite.items if isinstance(one, Beginning)]
    requests = _requests(suite)
    known = dict(zip(requests, scorer.log_probabilities(requests), strict=True))

    def mean(one: Beginning, ends: tuple[str, ...]) -> float:
        return float(np.mean([known[one.prompt, end] for end in ends]))

    margin = [mean(one, one.hostile) - mean(one, one.neutral) for one in items]
    found = Outcome([task(suite, "hostility", named(items), margin)])
    if not options.samples:
        return found
    each = [(one, sample) for one in items for sample in range(options.samples)]
    texts = scorer.continuations(
        [one.prompt for one, _ in each],
        max_new_tokens=options.max_new_tokens,
        seeds=[options.seeds(_STREAM, one.id, sample) for one, sample in each],
    )
    found.outputs = [Output(suite.name, one.id, sample, text) for (one, sample), text in zip(each, texts, strict=True)]

    def scored() -> list[TaskScores]:
        scores = scores_of(options.scorer, texts).reshape(len(items), options.samples)
        about: dict[str, Any] = {"scorer": options.scorer_name, "note": options.scorer_note}
        return [
            task(suite, "share", named(items), (scores >= 0.5).mean(1), **about),
            task(suite, "expected_maximum", named(items), scores.max(1), **about),
        ]

    found.afterwards = scored
    return found


def scores_of(scorer: object, texts: list[str]) -> Array:
    """Return what a scorer gives to texts, `[text]`.

    Raises
    ------
    ValueError
        Where it is not one finite number a text.
    """
    if not callable(scorer):
        raise TypeError(f"A scorer is a function of a list of texts; got {type(scorer).__name__}.")
    given = scorer(list(texts))
    try:
        scores = np.asarray(given, dtype=np.float64)
    except (TypeError, ValueError):
        scores = np.empty(0)
    if scores.shape != (len(texts),) or not np.isfinite(scores).all():
        raise ValueError(
            f"A scorer returns one finite number a text; {getattr(scorer, '__name__', 'this one')} got {len(texts):,} "
            f"texts and returned {type(given).__name__} of shape {list(scores.shape)}."
        )
    return scores


def _requests(suite: Suite) -> list[tuple[str, str]]:
    items = [one for one in suite.items if isinstance(one, Beginning)]
    return list(dict.fromkeys((one.prompt, end) for one in items for end in (*one.hostile, *one.neutral)))
