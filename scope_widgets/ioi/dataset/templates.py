"""The sentences that IOI prompts are made of, and what stands in their slots."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from scope_widgets.ioi.dataset.first_names import bare_ids

#: each ends where the indirect object comes next; `{subject}` stands twice, `{io}` once before its second time
TEMPLATES: tuple[str, ...] = (
    "When {io} and {subject} went to the {place}, {subject} gave a {object} to",
    "After {io} and {subject} left the {place}, {subject} handed a {object} to",
    "While {io} and {subject} were waiting at the {place}, {subject} showed a {object} to",
    "Then {io} and {subject} sat down near the {place}, and {subject} offered a {object} to",
    "Yesterday {io} met {subject} at the {place}. Later, {subject} sent a {object} to",
    "One morning {io} and {subject} were standing outside the {place}, and {subject} gave a {object} to",
    "Because {io} and {subject} worked at the same {place}, {subject} often lent a {object} to",
    "In the evening, {io} and {subject} were talking at the {place}. Soon {subject} passed the {object} to",
    "It was early when {io} and {subject} arrived at the {place}, and {subject} offered a {object} to",
    "Before {io} and {subject} left the {place}, {subject} gave a {object} to",
    "There was a {object} in the {place} when {io} and {subject} came in, and {subject} wanted to show it to",
    "After a busy day at the {place}, {io} and {subject} had a long talk, and {subject} gave a {object} to",
    "The night was cold, so {io} and {subject} stayed inside the {place}, and {subject} lent a {object} to",
    "At the {place}, {io} and {subject} found a {object} under a chair, and {subject} decided to give it to",
    "As {io} and {subject} were walking to the {place}, {subject} passed the {object} to",
    "Although {io} and {subject} were tired after a day at the {place}, {subject} showed a {object} to",
    "Soon after {io} and {subject} came to the {place}, {subject} offered a {object} to",
    "While {io} was looking for {subject} in the {place}, {subject} wrote a letter to",
    "Once the concert at the {place} was over, {io} and {subject} shook hands, and {subject} gave a {object} to",
    "The guests had already left the {place} when {io} and {subject} sat down, and {subject} handed a {object} to",
    "During the long drive back from the {place}, {io} argued with {subject}, but in the end {subject} apologized to",
    "According to the report, {io} and {subject} were seen outside the {place}, where {subject} handed a {object} to",
    "Last weekend {io} and {subject} visited the {place} together, and {subject} picked out a {object} for",
)

_PLACES = """
store school library museum restaurant hospital station office church theater bakery hotel market cafe bank factory
castle shop
"""
_OBJECTS = """
book ball ring bag hat box pencil pen camera basket blanket lamp map mirror toy watch scarf towel newspaper necklace
guitar bottle cup plate jacket card phone
"""

#: words that fit all templates: places with a door, and things that begin with a consonant
FILLERS: dict[str, tuple[str, ...]] = {"place": tuple(_PLACES.split()), "object": tuple(_OBJECTS.split())}

_SLOT = re.compile(r"\{(io|subject|place|object)\}")


def fill(frame: str, names: Sequence[str] = (), words: Mapping[str, str] | None = None) -> str:
    """Put words into the slots that they are for, and names, where there are some, into the name slots in turn."""
    turn = iter(names)

    def word(slot: re.Match[str]) -> str:
        if slot[1] in ("io", "subject"):
            return next(turn, slot[0])
        return (words or {}).get(slot[1], slot[0])

    return _SLOT.sub(word, frame)


def slots(frame: str) -> list[str]:
    """Return the names of the slots in their order."""
    return _SLOT.findall(frame)


def name_slots(frame: str) -> list[str]:
    """Return the slots that are for names in their order, such as io, subject, subject."""
    return [slot for slot in slots(frame) if slot in ("io", "subject")]


def in_order(template: str, order: str) -> str:
    """Return a template in the order ABBA (the indirect object is named first) or BABA."""
    first, second = ("{io}", "{subject}") if order == "ABBA" else ("{subject}", "{io}")
    return fill(template, (first, second, "{subject}"))


def known_fillers(tokenizer: Any) -> dict[str, tuple[str, ...]]:
    """Return the words for each slot that the tokenizer knows, all of one number of tokens.

    So all prompts of a template have the same length, and a position means the same in all of them.
    """
    found: dict[str, tuple[str, ...]] = {}
    for slot, words in FILLERS.items():
        by_length: dict[int, list[str]] = {}
        for word in words:
            ids = bare_ids(tokenizer, f" {word}")
            if not _unknown(tokenizer, ids):
                by_length.setdefault(len(ids), []).append(word)
        largest: list[str] = max(by_length.values(), key=len, default=[])
        found[slot] = tuple(largest)
    return found


def known_templates(
    tokenizer: Any, fillers: Mapping[str, Sequence[str]], templates: Sequence[str] | None = None
) -> tuple[str, ...]:
    """Return the templates whose words the tokenizer knows, in the order ABBA.

    Parameters
    ----------
    tokenizer
        The model's.
    fillers : dict of slot to words
        As from `known_fillers`.
    templates : sequence of str, optional
        All of these, or an error; by default those of `TEMPLATES` that will do.

    Raises
    ------
    TypeError, ValueError
        When a given template lacks a slot or has a word that the tokenizer does not know; when none is left.
    """
    given = TEMPLATES if templates is None else _given(templates)
    known = []
    for template in given:
        wrong = [piece for piece in _SLOT.split(template)[::2] if _unknown(tokenizer, bare_ids(tokenizer, piece))]
        wrong += [f"{{{slot}}}" for slot in set(slots(template)) if not fillers.get(slot, " ")]
        if wrong and templates is not None:
            raise ValueError(
                f"The template {template!r} has words that this tokenizer does not know, in {wrong[0].strip()!r}. "
                "Write it with words of its vocabulary."
            )
        if not wrong:
            known.append(template)
    if not known:
        raise ValueError(
            f"This tokenizer knows the words of none of the {len(given)} templates. Give templates= of its own words, "
            f"such as {TEMPLATES[0]!r}."
        )
    return tuple(known)


def _given(templates: Sequence[str]) -> tuple[str, ...]:
    if isinstance(templates, str) or not all(isinstance(template, str) for template in templates):
        raise TypeError(f"templates= is a list of texts such as {TEMPLATES[0]!r}; got {templates!r}.")
    for template in templates:
        names = name_slots(template)
        other = re.findall(r"\{[^}]*\}?", _SLOT.sub("", template))
        if other or sorted(names) != ["io", "subject", "subject"] or names[-1] != "subject":
            what = f"it has {other[0]!r}" if other else f"its names are {', '.join(names) or 'missing'}"
            raise ValueError(
                "A template has {io} once and {subject} twice, the last of them {subject}, and may have {place} and "
                f"{{object}}, such as {TEMPLATES[0]!r}; {template!r} will not do: {what}."
            )
        if template != template.strip() or template.endswith("}") or template.startswith(("{io}", "{subject}")):
            raise ValueError(
                f"A template begins and ends with a word of its own, so that each name has a space before it and the "
                f"answer comes after a word: {template!r} will not do."
            )
    # both orders of one sentence are one template
    return tuple(dict.fromkeys(in_order(template, "ABBA") for template in templates))


def _unknown(tokenizer: Any, ids: list[int]) -> bool:
    return not set(ids).isdisjoint(tokenizer.all_special_ids)
