"""What the pages of a documentation say in the same words: numbers, tables of evidence, of scores and of facts."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from scope_widgets.report.claims.claim import said
from scope_widgets.report.entries.entry import Entry, Evidence

if TYPE_CHECKING:
    from scope_widgets.report.documentation import Documentation

#: what each test asks
TESTS = {
    "ablation": "share of the behaviour that is lost without it",
    "agree": "share of the effect that activations of prompts that agree on the claim keep",
    "disagree": "how far activations of prompts that do not agree move it, as a share of the effect",
    "attention": "mean attention",
    "logit": "by how much the logit moves as the claim says",
    "leave one out": "by how much R falls without it",
    "firing": "AUC of the claim on held-out tokens",
}
#: of a feature the ablation's effect is no share
WITHOUT_LATENT = "by how much the loss of a prompt's tokens rises without it, in nats"
SCORES = ("behaviour", "T", "95 %", "R", "N", "edges", "entries", "why")
FACTS = ("", "value", "configuration", "how it was checked")
EVIDENCE = ("test", "", "effect", "95 %", "p", "q", "null", "prompts", "")


def number(value: float) -> str:
    """Return a number as a table shows it; nothing where it is none.

    Examples
    --------
    >>> from scope_widgets.report.pages.table_rows import number
    >>> number(0.12345), number(float("nan")), number(1e-12)
    ('0.123', '', '1e-12')
    """
    if math.isnan(value):
        return ""
    return f"{value:.3f}" if value == 0 or 0.001 <= abs(value) < 1000 else f"{value:.2g}"


def interval(low: float, high: float) -> str:
    """Return an interval; nothing where there is none."""
    return "" if math.isnan(low) or math.isnan(high) else f"{number(low)} to {number(high)}"


def headline(documentation: Documentation) -> str:
    """Return the score in a sentence."""
    score = documentation.score
    if score is None:
        return "Not verified: nothing here has been tested."
    does = [one for one in score.behaviours if one.n_entries]
    mean = sum(one.value for one in does) / len(does) if does else 0.0
    return (
        f"Transparency {number(score.value)}: the lower end of the 95 % interval ({interval(score.value, score.high)}) "
        f"of the total {number(score.total)} over the {len(score.behaviours)} behaviours of suite {score.suite}. "
        f"{len(does)} of them {'is' if len(does) == 1 else 'are'} documented, {number(mean)} on average; the others "
        "count 0. Single behaviours reach 0.8; the total of a real model is far lower."
    )


def scores(documentation: Documentation) -> list[tuple[str, ...]]:
    """Return the rows of the table of scores."""
    if documentation.score is None:
        return []
    return [
        (
            one.behaviour,
            number(one.value),
            interval(one.low, one.high) if one.n_entries else "",
            number(one.R) if one.n_entries else "",
            number(one.N) if one.n_entries else "",
            f"{one.n_edges:,} of {one.n_all:,}",
            str(one.n_entries),
            one.reason,
        )
        for one in documentation.score.behaviours
    ]


def facts(documentation: Documentation) -> list[tuple[str, ...]]:
    """Return the rows of the table of facts."""
    if documentation.architecture is None:
        return []
    return [
        (fact.name, fact.value, fact.config, fact.how if fact.checked else f"not checked: {fact.how}")
        for fact in documentation.architecture.facts
    ]


def evidence(entry: Entry) -> list[tuple[str, ...]]:
    """Return the rows of the table of an entry's evidence."""
    return [_row(one, WITHOUT_LATENT if entry.kind == "feature" else TESTS["ablation"]) for one in entry.evidence]


def components(entry: Entry) -> str:
    """Return the components of an entry, the first ones of many."""
    shown = ", ".join(entry.components[:8])
    more = len(entry.components) - 8
    return f"{shown} and {more:,} more" if more > 0 else shown


def claim(entry: Entry) -> str:
    """Return what an entry claims, in a sentence."""
    return f"{components(entry)}: {said(entry.claim)}"


def _row(one: Evidence, of_ablation: str) -> tuple[str, ...]:
    return (
        one.test,
        of_ablation if one.test == "ablation" else TESTS[one.test],
        number(one.effect),
        interval(one.low, one.high),
        number(one.p),
        number(one.q),
        number(one.null),
        str(one.prompts),
        "passed" if one.passed else "failed",
    )
