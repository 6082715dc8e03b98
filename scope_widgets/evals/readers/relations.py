"""Relations (Hernandez et al. 2023): templates and pairs of subject and object, a relation a JSON file."""

from __future__ import annotations

import random
import re

from scope_widgets.evals.items import Fact
from scope_widgets.evals.readers.rows import Row

_DISTRACTORS = 4
#: strings that were escaped twice: `Bras\\u00edlia`
_ESCAPED = re.compile(r"\\u([0-9a-fA-F]{4})")


def relation(row: Row, seed: int = 0) -> list[Fact]:
    """Return the facts of a relation: other objects of it are the distractors, drawn by the seed.

    A subject that has several objects is asked about by its first, and none of its objects is a distractor.
    """
    name = row.text("name")
    templates = row.texts("prompt_templates")
    if wrong := [one for one in templates if "{}" not in one]:
        raise ValueError(f"{row.where}: a template has {{}} where the subject stands; got {wrong[0]!r}.")
    known: dict[str, list[str]] = {}
    for sample in row.rows("samples"):
        subject, answer = (unescaped(sample.text(part)).strip() for part in ("subject", "object"))
        known.setdefault(subject, []).append(answer)
    objects = list(dict.fromkeys(one for of in known.values() for one in of))
    if len(objects) < 2:
        raise ValueError(f"{row.where}: all objects are {objects[0]!r}; there are distractors from two on.")
    chooser, facts = random.Random(seed), []
    for subject, answers in known.items():
        others = [one for one in objects if one not in answers]
        if not others:
            continue
        chosen = chooser.sample(others, min(_DISTRACTORS, len(others)))
        first, *wordings = (one.replace("{}", subject) for one in templates)
        distractors = tuple(f" {one}" for one in chosen)
        facts.append(Fact(first, f" {answers[0]}", distractors, f"{name}: {subject}", name, tuple(wordings)))
    return facts


def unescaped(text: str) -> str:
    r"""Return a text whose `\u00ed` that stands in it literally is the character."""
    found = _ESCAPED.sub(lambda one: chr(int(one[1], 16)), text)
    # halves of a character that were escaped one by one
    return found.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
