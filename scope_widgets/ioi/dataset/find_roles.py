"""Who is who in the text of a sentence."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TypeAlias

#: capitalised only because a sentence begins with them; a word that is also a name (Will, May, Mark) is not here
_OPENERS = """
A About Above According Across After Afterwards Again Against All Along Already Also Although Always An And Another
Any Around As At Back Because Before Behind Below Beside Besides Between Both But By Despite During Each Early Either
Even Eventually Every Everyone Finally First For Friends From Given He Hence Her Here His How However I If In Inside
Instead It Its Last Late Lately Later Many Meanwhile Most My Near Neither Never Next Nobody No Not Now Occasionally Of
Off Often On Once One Only Or Originally Other Our Out Outside Over Perhaps Presently Recently Several She Shortly
Since So Some Somebody Someone Sometimes Somewhere Soon Still Suddenly That The Their Then There Therefore These They
This Those Though Through Throughout Thus To Today Together Tomorrow Tonight Two Under Unless Until Upon Usually We
What Whatever When Whenever Where Whereas Wherever Whether Which While Who Whose Why With Within Without Yesterday Yet
You Your
"""
_NEVER = "I Monday Tuesday Wednesday Thursday Friday Saturday Sunday"
OPENERS, NEVER_NAMES = frozenset(_OPENERS.split()), frozenset(_NEVER.split())

#: letters, with hyphens inside (Jean-Luc)
_WORD = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")
_ENDS_SENTENCE = re.compile(r"(?:^|[.!?:;])[\s\"'“”‘’()]*$")
GIVE_POSITIONS = "Give the positions yourself with IOISentence.from_positions()."


#: a word, where it begins, where it ends
Span: TypeAlias = tuple[str, int, int]


def find_roles(text: str) -> tuple[Span, Span, Span]:
    """Return indirect object, subject, and subject again.

    Raises
    ------
    ValueError
        When no name or more than one will do for a role.
    """
    spans_of: dict[str, list[Span]] = {}
    for found in _WORD.finditer(text):
        word, start = found[0], found.start()
        opens = bool(_ENDS_SENTENCE.search(text[:start]))
        if word[0].isupper() and word not in NEVER_NAMES and not (opens and word in OPENERS):
            spans_of.setdefault(word, []).append((word, start, found.end()))
    twice = [word for word, at in spans_of.items() if len(at) == 2]
    often = [word for word, at in spans_of.items() if len(at) > 2]
    if not twice or len(twice) > 1 or often:
        raise ValueError(_no_subject(text, spans_of, twice, often))
    s1, s2 = spans_of[twice[0]]
    once = [word for word, at in spans_of.items() if len(at) == 1 and at[0][1] < s2[1]]
    if not once:
        raise ValueError(
            f"The subject of {text!r} is {twice[0]!r}, which comes twice, but no other name comes before its second "
            f"time. Name the indirect object there. {GIVE_POSITIONS}"
        )
    if len(once) > 1:
        # "Mary and John went to Paris": who is named together with the subject
        once = [word for word in once if _joined(text, spans_of[word][0], s1)] or once
    if len(once) > 1:
        raise ValueError(
            f"The subject of {text!r} is {twice[0]!r}, which comes twice, but the indirect object may be "
            f"{_or(once)}: leave all but one out, or do not capitalise them. {GIVE_POSITIONS}"
        )
    return spans_of[once[0]][0], s1, s2


def _joined(text: str, one: Span, other: Span) -> bool:
    """Whether there is but "and" between two words."""
    first, second = sorted((one, other), key=lambda span: span[1])
    return text[first[2] : second[1]].split() == ["and"]


def _no_subject(text: str, spans_of: dict[str, list[Span]], twice: list[str], often: list[str]) -> str:
    """Say why no subject was found."""
    if often:
        why = f"{often[0]!r} comes {len(spans_of[often[0]])} times"
    elif twice:
        why = f"{' and '.join(map(repr, twice))} all do"
        last = max((spans_of[word][1] for word in twice), key=lambda span: span[2])
        if last[2] >= len(text.rstrip(".!?")):
            why += f": leave out {last[0]!r} at its end, which is the answer"
    else:
        why = (
            f"no name comes twice ({', '.join(map(repr, spans_of))} once)" if spans_of else "no word looks like a name"
        )
    return f"The subject is the one name that comes twice, and in {text!r} {why}. {GIVE_POSITIONS}"


def _or(words: Sequence[str]) -> str:
    return " or ".join([", ".join(map(repr, words[:-1])), repr(words[-1])])


def token_of(word_span: Span, spans: Sequence[tuple[int, int]], strings: Sequence[str]) -> int:
    """Return the position of the one token that a word is, or raise ValueError."""
    word, start, stop = word_span
    at = [i for i, (left, right) in enumerate(spans) if left < stop and right > start]
    # a token may hold the space before its word, and nothing else
    if len(at) != 1 or spans[at[0]][0] < start - 1 or spans[at[0]][1] > stop:
        pieces = " + ".join(repr(strings[i]) for i in at)
        raise ValueError(
            f"{word!r} must be one token, and at character {start} it is {pieces or 'none'} for this tokenizer. "
            "Choose a name that is one token."
        )
    return at[0]
