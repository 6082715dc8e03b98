"""Notes that a person writes on heads: short lines of text, kept with a `Selection`."""

from __future__ import annotations

import operator
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from pathlib import Path
from typing import Any

import traitlets

from scope_widgets._files import write_text
from scope_widgets._untrusted import MOST_COUNT, check_text, json_text, opening, parse_json, read_text, reading

Head = tuple[int, int]

#: characters of a note, as in js/src/core/note_text.ts, and notes of a selection
MOST_CHARACTERS, MOST_NOTES = 300, 5000
#: notes that a caption says; the others it counts
_IN_CAPTION = 12
#: they turn text around, so that it reads as another one
_TURNING = re.compile("[\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_NAME = re.compile(r"(\d{1,6})\.(\d{1,6})", re.ASCII)


class HeadNotes(MutableMapping[Head, str]):
    """The notes of a selection: from (layer, head) to text.

    A note that is written or deleted here is written in all views. An empty text deletes.
    """

    def __init__(self, held: Mapping[Head, str], put: Callable[[Any], HeadNotes]) -> None:
        self._held, self._put = dict(held), put

    def __getitem__(self, head: Head) -> str:
        return self._held[head]

    def __iter__(self) -> Iterator[Head]:
        return iter(self._held)

    def __len__(self) -> int:
        return len(self._held)

    def __setitem__(self, head: Head, text: str) -> None:
        self._held = dict(self._put([*self.items(), (head, text)]))

    def __delitem__(self, head: Head) -> None:
        rest = dict(self._held)
        del rest[head]
        self._held = dict(self._put(rest))

    def __repr__(self) -> str:
        return repr(self._held)


def as_notes(value: object) -> dict[Head, str]:
    """Check and tidy notes, in the order of their heads; empty ones are left out, of two on a head the later stays.

    Parameters
    ----------
    value : mapping of (layer, head) to str, or list of ((layer, head), str) or of (layer, head, str)

    Raises
    ------
    traitlets.TraitError
        With a sentence, for anything else, for a text that is too long or holds characters that cannot be seen, and
        for too many notes.
    """
    items = value.items() if isinstance(value, Mapping) else value
    if isinstance(items, (str, bytes)) or not isinstance(items, Iterable):
        raise traitlets.TraitError(f"Notes are given as {{(3, 1): 'moves the name'}}, not as {opening(value)}.")
    notes: dict[Head, str] = {}
    for item in items:
        try:
            *head, text = item
            head = head[0] if len(head) == 1 else head
            layer, index = (operator.index(part) for part in head)
        except (TypeError, ValueError):
            raise traitlets.TraitError(
                f"A note is on a head, a pair (layer, head) of integers, not on {opening(item)}."
            ) from None
        if not (0 <= layer <= MOST_COUNT and 0 <= index <= MOST_COUNT):
            raise traitlets.TraitError(
                f"Layers and heads count from 0, and to {MOST_COUNT:,} at most, so ({opening(layer)}, "
                f"{opening(index)}) names no head."
            )
        notes[layer, index] = _text(text, f"{layer}.{index}")
    notes = {head: notes[head] for head in sorted(notes) if notes[head]}
    if len(notes) > MOST_NOTES:
        raise traitlets.TraitError(f"A selection keeps {MOST_NOTES:,} notes at most, not {len(notes):,}.")
    return notes


def triples(notes: Mapping[Head, str]) -> list[list[Any]]:
    """Return notes as the browser has them: [layer, head, text] each."""
    return [[*head, text] for head, text in notes.items()]


def said(notes: Mapping[Head, str]) -> str:
    """Return what a caption says of notes, after a space; "" where there are none."""
    if not notes:
        return ""
    lines = [f"{layer}.{head}, {text.rstrip('.;,')}" for (layer, head), text in notes.items()]
    more = [f"and {len(lines) - _IN_CAPTION} more"] if len(lines) > _IN_CAPTION else []
    return f" Notes: {'; '.join([*lines[:_IN_CAPTION], *more])}."


def write_notes(notes: Mapping[Head, str], path: str | Path) -> Path:
    """Write notes as JSON, ``{"3.1": "moves the name"}``, in place of what was there."""
    named = {f"{layer}.{head}": text for (layer, head), text in notes.items()}
    text = json_text(named, "These notes", "Keep fewer.", ensure_ascii=False, indent=1)
    return write_text(path, f"{text}\n")


def read_notes(path: str | Path) -> dict[Head, str]:
    """Return the notes of a file that `write_notes` wrote, or that was written by hand in the same form.

    Raises
    ------
    FileNotFoundError, ValueError
        Where there is no such file, or it holds something else.
    """
    text = read_text(path)
    with reading(f"The notes in {str(path)[:200]!r}"):
        found = parse_json(text)
        if not isinstance(found, dict):
            raise ValueError(f'it is no object such as {{"3.1": "moves the name"}}, but {opening(found)}')
        notes = []
        for name, note in found.items():
            if not (head := _NAME.fullmatch(name)):
                raise ValueError(f"{opening(name)} names no head: 3.1 is layer 3, head 1")
            notes.append((int(head[1]), int(head[2]), note))
        try:
            return as_notes(notes)
        except traitlets.TraitError as refusal:
            raise ValueError(str(refusal)) from None


def _text(given: Any, head: str) -> str:
    """Return the text of a note in one line."""
    if not isinstance(given, str):
        raise traitlets.TraitError(f"The note on {head} is a text, not {opening(given)}.")
    try:
        text = " ".join(check_text(given).split())
    except ValueError as refusal:
        raise traitlets.TraitError(str(refusal)) from None
    if len(text) > MOST_CHARACTERS:
        raise traitlets.TraitError(
            f"A note has {MOST_CHARACTERS} characters at most, and that on {head} has {len(text):,}: shorten it."
        )
    for char in text:
        if unicodedata.category(char) == "Cc" or _TURNING.match(char):
            raise traitlets.TraitError(
                f"The note on {head} holds a character that cannot be seen (U+{ord(char):04X}): take it out."
            )
    return text
