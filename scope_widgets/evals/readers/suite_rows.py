"""The project's own rows, and what the fields of a row say of what it is."""

from __future__ import annotations

from scope_widgets.evals.items import Beginning, Document, Fact, Item, Pair, Question, SuiteKind
from scope_widgets.evals.readers.rows import Row


def item_of(kind: SuiteKind, row: Row) -> Item:
    """Return the item of a row; the line is its id where it has none."""
    name = row.text("id", default=row.where)
    cluster = row.text("cluster", default=name)
    if kind == "facts":
        question = question_of(row)
        neighbours = tuple(question_of(one) for one in row.rows("neighbours", default=[]))
        wordings = row.texts("wordings", default=[])
        return Fact(question.prompt, question.target, question.distractors, name, cluster, wordings, neighbours)
    if kind in ("bias", "pairs"):
        prompt, of = row.text("prompt", default=""), row.text("kind", default="")
        return Pair(name, cluster, row.text("more"), row.text("less"), prompt, of)
    if kind == "toxicity":
        return Beginning(name, cluster, row.text("prompt"), row.texts("hostile"), row.texts("neutral"))
    if kind == "fluency":
        return Beginning(name, cluster, row.text("prompt"))
    return Document(name, row.text("text"), cluster)


def question_of(row: Row) -> Question:
    """Return a question; a target and distractors without a leading space get one where the prompt has none."""
    prompt, target, distractors = row.text("prompt"), row.text("target"), row.texts("distractors")
    if target in distractors:
        raise ValueError(f"{row.where}: the target {target!r} is among its distractors.")
    space = "" if prompt[-1].isspace() else " "
    target, *others = (one if one[0].isspace() else space + one for one in (target, *distractors))
    return Question(prompt, target, tuple(others))


def kind_of(row: Row) -> SuiteKind | None:
    """Return what a row is by its fields; None where they are those of nothing known."""
    has = set(row.fields)
    if {"prompt", "target"} <= has:
        return "facts"
    if "more" in has or "less" in has:
        return "bias"
    if "hostile" in has or "neutral" in has:
        return "toxicity"
    if "text" in has:
        return "perplexity"
    return "fluency" if "prompt" in has else None
