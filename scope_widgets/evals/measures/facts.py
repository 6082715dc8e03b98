"""Facts: objects against distractors, other wordings, neighbours, and what the model writes."""

from __future__ import annotations

import re
from collections.abc import Sequence

from scope_widgets.evals.items import Fact, Question
from scope_widgets.evals.measures.options import Options
from scope_widgets.evals.measures.outcome import Outcome, Output, most_likely, named, task
from scope_widgets.evals.scoring.score_texts import TextScorer
from scope_widgets.evals.suite import Suite

#: tokens that a model may write before the object is to have come
_WRITTEN = 8


def work(suite: Suite, options: Options) -> int:
    """Return how many requests the suite takes."""
    asked = [question for _, _, question in _questions(suite, "all")]
    return len(_requests(asked)) + len(suite.items)


def measure(suite: Suite, scorer: TextScorer, options: Options) -> Outcome:
    """Measure a suite of facts."""
    facts = [one for one in suite.items if isinstance(one, Fact)]
    requests = _requests([question for _, _, question in _questions(suite, "all")])
    known = dict(zip(requests, scorer.log_probabilities(requests), strict=True))

    def right(questions: Sequence[Question]) -> list[float]:
        return [
            most_likely(known[one.prompt, one.target], [known[one.prompt, wrong] for wrong in one.distractors])
            for one in questions
        ]

    margins = [
        known[one.prompt, one.target] - max(known[one.prompt, wrong] for wrong in one.distractors) for one in facts
    ]
    found = Outcome([task(suite, "efficacy", named(facts), right(facts)), task(suite, "margin", named(facts), margins)])
    for part in ("wordings", "neighbours"):
        asked = _questions(suite, part)
        if asked:
            items = [(name, cluster) for name, cluster, _ in asked]
            found.tasks.append(task(suite, part, items, right([question for *_, question in asked])))
    written = scorer.continuations([one.prompt for one in facts], max_new_tokens=_WRITTEN, seeds=None)
    found.outputs = [Output(suite.name, one.id, 0, text) for one, text in zip(facts, written, strict=True)]
    said = [says(text, one.target) for one, text in zip(facts, written, strict=True)]
    found.tasks.append(task(suite, "generation", named(facts), said))
    return found


def says(text: str, target: str) -> bool:
    """Return whether the target stands in a text as words of its own."""
    return re.search(rf"(?<!\w){re.escape(target.strip())}(?!\w)", text) is not None


def _questions(suite: Suite, part: str) -> list[tuple[str, str, Question]]:
    """Return id, cluster and question of the wordings, the neighbours, or all; a neighbour of several facts once."""
    found: dict[tuple[str, str], tuple[str, str, Question]] = {}
    for fact in suite.items:
        assert isinstance(fact, Fact)
        cluster = fact.cluster or fact.id
        if part == "all":
            found[fact.id, ""] = (fact.id, cluster, fact)
        if part in ("wordings", "all"):
            for at, prompt in enumerate(fact.wordings):
                name = f"{fact.id}, wording {at + 1}"
                found[name, ""] = (name, cluster, Question(prompt, fact.target, fact.distractors))
        if part in ("neighbours", "all"):
            for at, one in enumerate(fact.neighbours):
                found.setdefault((one.prompt, one.target), (f"{fact.id}, neighbour {at + 1}", cluster, one))
    return list(found.values())


def _requests(questions: Sequence[Question]) -> list[tuple[str, str]]:
    return list(dict.fromkeys((one.prompt, end) for one in questions for end in (one.target, *one.distractors)))
