"""Rules: what a token and those around it are, as words that are read again."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np

from scope_widgets._types import Array
from scope_widgets.features.labelling.passages import FORMS, Passages, Vocabulary

#: one condition on a token: fields of `Passages`, and what each of them is
Rule: TypeAlias = tuple[tuple[str, int], ...]

_QUOTED = r"'(?:[^'\\\n]|\\.)*'|\"(?:[^\"\\\n]|\\.)*\""
_TOKEN = rf"(?:{_QUOTED}|the beginning)"
_RULE = re.compile(
    rf"(?P<on>{_QUOTED})?(?P<form>{'|'.join(map(re.escape, FORMS))})?(?: ?(?P<again>said before))?"
    rf"(?: ?after (?P<after>{_TOKEN}(?: {_TOKEN})?))?(?: ?before (?P<next>{_QUOTED}))?"
)
_FORMS = list(FORMS)
#: characters of a label that are read as rules
_LONGEST = 10_000


def fires_by(rules: Sequence[Rule], passages: Passages) -> Array:
    """Return where one of the rules holds, bool `[passage, scored]`."""
    found = np.zeros(passages.fires.shape, dtype=bool)
    for rule in rules:
        holds = passages.there.copy()
        for field, value in rule:
            holds &= passages.fields[field] == value
        found |= holds
    return found


def words_of(rules: Sequence[Rule], vocabulary: Vocabulary) -> str:
    """Return rules as a label, such as `'book' after 'a' or digits`."""
    return " or ".join(_words(dict(rule), vocabulary) for rule in rules)


def _words(rule: dict[str, int], vocabulary: Vocabulary) -> str:
    said = []
    if "on" in rule:
        said.append(repr(vocabulary.texts[rule["on"]]))
    if "form" in rule:
        said.append(_FORMS[rule["form"] - 1])
    if "again" in rule:
        said.append("said before")
    if "last" in rule:
        before = [rule[field] for field in ("second", "last") if field in rule]
        said.append("after " + " ".join(repr(vocabulary.texts[one]) if one else "the beginning" for one in before))
    if "next" in rule:
        said.append(f"before {vocabulary.texts[rule['next']]!r}")
    return " ".join(said)


def rules_of(label: str, vocabulary: Vocabulary) -> list[Rule] | None:
    """Return the rules that `words_of` wrote; None where a label is in other words."""
    rules, at = [], 0
    while at < len(label) <= _LONGEST:
        found = _RULE.match(label, at)
        if found is None or found.end() == at:
            return None
        rules.append(_rule(found.groupdict(), vocabulary))
        at = found.end()
        if at < len(label):
            if not label.startswith(" or ", at):
                return None
            at += len(" or ")
    return rules or None


def _rule(said: dict[str, str | None], vocabulary: Vocabulary) -> Rule:
    fields: dict[str, int] = {}
    if said["on"]:
        fields["on"] = _number(said["on"], vocabulary)
    if said["form"]:
        fields["form"] = _FORMS.index(said["form"]) + 1
    if said["again"]:
        fields["again"] = 1
    if said["after"]:
        before = re.findall(_TOKEN, said["after"])
        for field, token in zip(("last", "second"), before[::-1], strict=False):
            fields[field] = _number(token, vocabulary)
    if said["next"]:
        fields["next"] = _number(said["next"], vocabulary)
    return tuple(fields.items())


def _number(token: str, vocabulary: Vocabulary) -> int:
    if token == "the beginning":
        return 0
    try:
        return vocabulary.number_of(ast.literal_eval(token))
    except (SyntaxError, ValueError):  # an escape that is none
        return vocabulary.number_of(token[1:-1])
