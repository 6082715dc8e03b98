"""CounterFact (Meng et al. 2022): edits of facts, as JSON."""

from __future__ import annotations

from scope_widgets.evals.items import Fact, Question
from scope_widgets.evals.readers.rows import Row


def counterfact(rows: list[Row]) -> list[Fact]:
    """Return the facts: the true object against the new one, paraphrases, and neighbours by the same two objects."""
    return [_fact(row) for row in rows]


def _fact(row: Row) -> Fact:
    asked = row.inner("requested_rewrite")
    true, new = (f" {asked.inner(name).text('str').strip()}" for name in ("target_true", "target_new"))
    if true == new:
        raise ValueError(f"{row.where}: target_true and target_new are both {true!r}.")
    template, subject = asked.text("prompt"), asked.text("subject")
    prompt = template.replace("{}", subject)
    name = row.fields.get("case_id", row.where)
    return Fact(
        prompt,
        true,
        (new,),
        id=str(name),
        cluster=asked.text("relation_id", default=template),
        wordings=tuple(one.rstrip() for one in row.texts("paraphrase_prompts", default=[])),
        neighbours=tuple(Question(one.rstrip(), true, (new,)) for one in row.texts("neighborhood_prompts", default=[])),
    )
