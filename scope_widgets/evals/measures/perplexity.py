"""Perplexity: nats a token and bits a byte of documents."""

from __future__ import annotations

import math

from scope_widgets.evals.items import Document
from scope_widgets.evals.measures.options import Options
from scope_widgets.evals.measures.outcome import Outcome, named, task
from scope_widgets.evals.scoring.score_texts import TextScorer
from scope_widgets.evals.suite import Suite


def work(suite: Suite, options: Options) -> int:
    """Return how many requests the suite takes, about: a document longer than the context is several."""
    return len({one.text for one in suite.items if isinstance(one, Document)})


def measure(suite: Suite, scorer: TextScorer, options: Options) -> Outcome:
    """Measure a suite of documents."""
    items = [one for one in suite.items if isinstance(one, Document)]
    found = scorer.documents([one.text for one in items])
    n_bytes = [len(one.text.encode("utf-8")) for one in items]
    a_token = [-log_p / n for log_p, n in found]
    a_byte = [-log_p / n / math.log(2) for (log_p, _), n in zip(found, n_bytes, strict=True)]
    tokens = [n for _, n in found]
    return Outcome(
        [
            task(suite, "nats_per_token", named(items), a_token, weights=tokens),
            task(suite, "bits_per_byte", named(items), a_byte, weights=n_bytes),
        ]
    )
