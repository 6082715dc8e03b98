"""The question that a picture answers: the first pair of prompts in two rows, and what is compared."""

from __future__ import annotations

from itertools import groupby, zip_longest
from typing import Any

import numpy as np

from scope_widgets.experiments.question import Question

_WIDTH = 92
_LONGEST = 40
#: tokens that are kept beside those that differ where there are many more
_AROUND = 16


def asked(question: Question | None, metric: str, n_pairs: int, facts: str = "") -> dict[str, Any]:
    """Return the trait `question` of a view; empty where the pair is not known.

    Parameters
    ----------
    question : Question, optional
    metric : str
        Its name in words.
    n_pairs : int
    facts : str, default ""
        What the metric is on clean and corrupted prompts, or what else the caption says.
    """
    if question is None:
        return {}
    return {
        "pairs": _pairs(question),
        "answer": list(question.answer),
        "versus": list(question.versus),
        "same_for_all": question.same_for_all,
        "metric": metric,
        "n_pairs": n_pairs,
        "facts": facts,
    }


def question_text(asked: dict[str, Any]) -> str:
    """Return the question as lines of a monospaced font: the clean tokens, and below them those that differ."""
    if not asked:
        return ""
    pairs = [
        (f" (… {one} tokens that are the same …) ", "") if isinstance(one, int) else (*map(_seen, one), "")[:2]
        for one in asked["pairs"]
    ]
    gap = _between(asked["pairs"])
    lines: list[str] = []
    rows = ["", ""]
    for one, other in pairs:
        width = max(len(one), len(other))
        if rows[0] and len(rows[0]) + width > _WIDTH:
            lines, rows = [*lines, *rows], ["", ""]
        rows = [rows[0] + one.ljust(width) + gap, rows[1] + other.ljust(width) + gap]
    names = ["clean     ", "corrupted "] * (1 + len(lines) // 2)
    written = [f"{name}{row}".rstrip() for name, row in zip(names, [*lines, *rows], strict=True)]
    return "\n".join([*written, caption(asked)])


def caption(asked: dict[str, Any]) -> str:
    """Return what is compared, in words: "logit difference ·Mary − ·John, ..."."""
    compared = " − ".join(
        ", ".join(map(_seen, side[:3])) + (f" and {len(side) - 3} more" if len(side) > 3 else "")
        for side in (asked["answer"], asked["versus"])
        if side
    )
    n_pairs = asked["n_pairs"]
    own = "" if asked["same_for_all"] or not compared else " (each pair has its own)"
    first = f"; above: the first of {n_pairs:,} pairs" if n_pairs > 1 else ""
    facts = f": {asked['facts']}" if asked["facts"] else ""
    return f"{asked['metric']} {compared}".rstrip() + f"{own}{facts}{first}"


def mean_text(values: Any) -> str:
    """Return a mean over pairs with its 95 % interval, as text; of one pair the value."""
    numbers = np.asarray(values, dtype=float)
    mean = f"{numbers.mean():#.3g}"
    if len(numbers) > 1:
        reach = 1.96 * numbers.std(ddof=1) / np.sqrt(len(numbers))
        mean += f" [{numbers.mean() - reach:#.3g}, {numbers.mean() + reach:#.3g}]"
    return mean.replace("-", "−")


def _pairs(question: Question) -> list[list[str] | int]:
    """Return [token] where both prompts have the same, [clean, corrupted] where not, and how many are left out."""
    sides = zip_longest(question.clean, question.corrupted, fillvalue="")
    found: list[list[str] | int] = []
    for same, run in groupby(sides, key=lambda pair: pair[0] == pair[1]):
        tokens: list[list[str] | int] = [[one] if same else [one, other] for one, other in run]
        if same and len(tokens) > 3 * _AROUND:
            tokens[_AROUND:-_AROUND] = [len(tokens) - 2 * _AROUND]
        found += tokens
    return found


def _between(pairs: list[list[str] | int]) -> str:
    """Return what stands between two tokens: a tokenizer of words leaves spaces out (js/src/core/prompt_text.ts)."""
    tokens = [token for pair in pairs if not isinstance(pair, int) for token in pair]
    return "" if any(token.startswith(" ") for token in tokens[1:]) else " "


def _seen(token: str) -> str:
    seen = token.replace(" ", "·").replace("\n", "⏎")
    return seen if len(seen) <= _LONGEST else f"{seen[: _LONGEST - 1]}…"
