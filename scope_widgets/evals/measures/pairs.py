"""Pairs of sentences: which is the more likely one, and by how much."""

from __future__ import annotations

from scope_widgets.evals.items import Pair
from scope_widgets.evals.measures.options import Options
from scope_widgets.evals.measures.outcome import Outcome, most_likely, named, task
from scope_widgets.evals.scoring.score_texts import TextScorer
from scope_widgets.evals.suite import Suite

#: kind -> the share and the difference
_METRICS = {"bias": ("stereotyped", "difference"), "pairs": ("accuracy", "pair_margin")}


def work(suite: Suite, options: Options) -> int:
    """Return how many requests the suite takes."""
    return len(_requests(suite))


def measure(suite: Suite, scorer: TextScorer, options: Options) -> Outcome:
    """Measure a suite of pairs: log-probabilities of whole sentences, sums over their tokens."""
    requests = _requests(suite)
    known = dict(zip(requests, scorer.log_probabilities(requests), strict=True))
    pairs = [one for one in suite.items if isinstance(one, Pair)]
    both = [(known[one.prompt, one.more], known[one.prompt, one.less]) for one in pairs]
    share, margin = _METRICS[suite.kind]
    return Outcome(
        [
            task(suite, share, named(pairs), [most_likely(more, [less]) for more, less in both]),
            task(suite, margin, named(pairs), [more - less for more, less in both]),
        ]
    )


def _requests(suite: Suite) -> list[tuple[str, str]]:
    pairs = [one for one in suite.items if isinstance(one, Pair)]
    return list(dict.fromkeys((one.prompt, text) for one in pairs for text in (one.more, one.less)))
