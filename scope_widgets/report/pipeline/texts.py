"""The texts that a pipeline records: a file's, or those that the package has; random tokens where it knows no words."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

import numpy as np

from scope_widgets.evals.suite import load
from scope_widgets.features.recording.texts import texts_of
from scope_widgets.ioi.dataset.draw_prompts import prompts
from scope_widgets.models.microscope import Microscope
from scope_widgets.models.tokens import encode
from scope_widgets.report.pipeline.settings import Settings
from scope_widgets.report.text_task import SENTENCES

#: share of unknown tokens from which on a tokenizer does not know the texts of the package
_UNKNOWN = 0.3
#: tokens of a random text
_LENGTH = 32


def recorded_texts(scope: Microscope, settings: Settings) -> tuple[list[str] | list[list[int]], list[str]]:
    """Return the texts to record, and notes on them."""
    n = settings.num_samples
    if settings.texts is not None:
        found = list(islice(texts_of(settings.texts, settings.column), n))
        return found, [] if len(found) == n else [f"{settings.texts} has {len(found):,} texts."]  # type: ignore[return-value]
    # those of a language before those of a task, of which there are as many as one asks for
    plain = [*SENTENCES, *(one.text for one in load("perplexity").items)]  # type: ignore[union-attr]
    plain = [one for one in plain if _knows(scope, [one])][: n // 2]
    try:
        drawn = [one.text for one in prompts(scope, n=n - len(plain), seed=settings.seed)]
    except ValueError:  # it lacks the words
        drawn = []
    if len(plain) + len(drawn) >= min(n, 8):
        return [*plain, *drawn], []
    ordinary = np.setdiff1d(np.arange(len(scope.tokenizer)), scope.tokenizer.all_special_ids)
    ordinary = ordinary[ordinary < scope.anatomy.d_vocab]
    length = min(_LENGTH, scope.anatomy.context - 1)
    rows = np.random.default_rng(settings.seed).choice(ordinary, (n, length))
    note = "The tokenizer lacks the words of the package's texts: random tokens were recorded. Give texts, --texts."
    return rows.tolist(), [note]


def _knows(scope: Microscope, texts: Sequence[str]) -> bool:
    unknown = getattr(scope.tokenizer, "unk_token_id", None)
    rows = encode(scope.tokenizer, list(texts), None)[0]
    tokens = [one for row in rows for one in row]
    return bool(tokens) and sum(one == unknown for one in tokens) < _UNKNOWN * len(tokens)
