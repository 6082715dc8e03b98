"""Who is who in a sentence of the user's own."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from scope_widgets.experiments.answer_tokens import answer_ids
from scope_widgets.models.tokens import token_texts

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
_GIVE_POSITIONS = "Give the positions yourself with IOISentence.from_positions()."


@dataclass(frozen=True)
class IOISentence:
    """A sentence in which the indirect object comes next, with the position of each role.

    Make one with `IOISentence.parse` or `IOISentence.from_positions`; both are of the task of Wang et al. 2022.

    Attributes
    ----------
    tokens : tuple of int
        Token ids, as the tokenizer gives them.
    token_strings : tuple of str
    io, s1, s2, end : int
        Positions of the indirect object, the subject's two places, and the last token.
    correct_answer, distractor : int
        Token ids of the indirect object and of the subject as they would come next.
    text : str
        Empty where only positions were given; not compared.
    """

    tokens: tuple[int, ...]
    token_strings: tuple[str, ...]
    io: int
    s1: int
    s2: int
    end: int
    correct_answer: int
    distractor: int
    text: str = field(default="", compare=False)

    @classmethod
    def parse(cls, text: str, tokenizer: Any) -> IOISentence:
        """Find the roles in a sentence such as "When John and Mary went to the store, Mary gave a bottle of milk to".

        Names are capitalised words other than those that begin a sentence only (When, After, Then, ...). The one that
        comes twice is the subject, and the one that comes once before its second place is the indirect object; of
        several, the one that is joined to the subject ("Mary and John went to Paris").

        Parameters
        ----------
        text : str
            It ends where the indirect object comes next.
        tokenizer
            A fast Hugging Face tokenizer, one that knows where its tokens are in the text.

        Raises
        ------
        TypeError, ValueError
            When no name or more than one will do for a role, or a name is not one token.
        """
        if not isinstance(text, str):
            raise TypeError(f"IOISentence.parse() takes one text; got {type(text).__name__}.")
        if text != text.rstrip():
            raise ValueError("The text ends with a space, which would be a token of its own: leave it out.")
        if not getattr(tokenizer, "is_fast", False):
            raise TypeError(
                f"{type(tokenizer).__name__} does not say where its tokens are in a text. {_GIVE_POSITIONS}"
            )
        encoding = tokenizer(text, return_offsets_mapping=True)
        ids, spans = list(encoding["input_ids"]), list(encoding["offset_mapping"])
        io, s1, s2 = _roles(text)
        strings = token_texts(tokenizer, ids)
        end = max(at for at, (start, stop) in enumerate(spans) if start < stop)
        return cls.from_positions(
            tokens=ids,
            token_strings=strings,
            subject_positions=[_token_at(s1, spans, strings)],
            io_position=_token_at(io, spans, strings),
            subject2_position=_token_at(s2, spans, strings),
            end_position=end,
            correct_answer=int(answer_ids(tokenizer, f" {io[0]}", 1, "correct_answer")[0]),
            distractor=int(answer_ids(tokenizer, f" {s2[0]}", 1, "distractor")[0]),
            text=text,
        )

    @classmethod
    def from_positions(
        cls,
        tokens: Sequence[int],
        token_strings: Sequence[str],
        subject_positions: int | Sequence[int],
        io_position: int,
        subject2_position: int,
        end_position: int,
        correct_answer: int | str,
        distractor: int | str,
        text: str = "",
    ) -> IOISentence:
        """Make a sentence of positions that are known.

        Parameters
        ----------
        tokens : sequence of int
            Token ids.
        token_strings : sequence of str
            Their texts.
        subject_positions : int or sequence of int
            Where the subject is; the second place may be among them.
        io_position, subject2_position, end_position : int
        correct_answer, distractor : int or str
            The tokens to compare at the end: ids, or texts of tokens of this sentence.
        text : str, optional

        Raises
        ------
        ValueError
            When a position is not in the sentence, they contradict one another, or an answer is no token of it.
        """
        ids, strings = tuple(int(i) for i in tokens), tuple(str(one) for one in token_strings)
        if len(ids) != len(strings):
            raise ValueError(f"tokens has {len(ids)} entries and token_strings {len(strings)}: give one text a token.")
        given = [subject_positions] if hasattr(subject_positions, "__index__") else list(subject_positions)
        first = sorted({int(at) for at in given} - {int(subject2_position)})
        if len(first) != 1:
            raise ValueError(
                f"The subject has one place before its second at {subject2_position}; got subject_positions={given}."
            )
        places = {"S1": first[0], "IO": int(io_position), "S2": int(subject2_position), "END": int(end_position)}
        for role, at in places.items():
            if not 0 <= at < len(ids):
                raise ValueError(f"{role} is at {at} and the sentence has positions 0 to {len(ids) - 1}.")
        if not max(places["S1"], places["IO"]) < places["S2"] <= places["END"] or places["S1"] == places["IO"]:
            said = ", ".join(f"{role} {at}" for role, at in places.items())
            raise ValueError(f"S1 and IO are two places before S2, and END is not before S2; got {said}.")
        names = [strings[places[role]].strip() for role in ("S1", "S2")]
        if names[0] != names[1]:
            raise ValueError(
                f"S1 and S2 are one name, and at {places['S1']} and {places['S2']} there are {names[0]!r} and "
                f"{names[1]!r}. Count positions from 0, with any token that the tokenizer puts first."
            )
        return cls(
            tokens=ids,
            token_strings=strings,
            io=places["IO"],
            s1=places["S1"],
            s2=places["S2"],
            end=places["END"],
            correct_answer=_answer(correct_answer, ids, strings, "correct_answer"),
            distractor=_answer(distractor, ids, strings, "distractor"),
            text=text,
        )

    @property
    def order(self) -> str:
        """ABBA where the indirect object is named first, BABA where the subject is."""
        return "ABBA" if self.io < self.s1 else "BABA"

    @property
    def roles(self) -> dict[str, int]:
        """Position of each role, by the names that IOI prompts use."""
        return {"IO": self.io, "S1": self.s1, "S1+1": self.s1 + 1, "S2": self.s2, "END": self.end}

    def logit_difference(self, logits: Any) -> float:
        """Give the logit of the indirect object minus that of the subject at the end, in float64.

        Parameters
        ----------
        logits : Tensor or ndarray [position, vocabulary]

        Raises
        ------
        ValueError
            When the logits are those of another prompt or have another shape.
        """
        shape = tuple(getattr(logits, "shape", ()))
        if len(shape) != 2 or shape[0] != len(self.tokens):
            raise ValueError(
                f"Expected logits [position, vocabulary] of the {len(self.tokens)} tokens of this sentence; "
                f"got shape {shape}."
            )
        largest = max(self.correct_answer, self.distractor)
        if shape[1] <= largest:
            raise ValueError(f"The logits are of {shape[1]} tokens, without token id {largest}, one of the two names.")
        # a float of Python is a float64, whatever it was made from
        return float(logits[self.end, self.correct_answer]) - float(logits[self.end, self.distractor])


_Place = tuple[str, int, int]  # a word, where it begins, where it ends


def _roles(text: str) -> tuple[_Place, _Place, _Place]:
    """Find indirect object, subject, and subject again."""
    places: dict[str, list[_Place]] = {}
    for found in _WORD.finditer(text):
        word, start = found[0], found.start()
        opens = bool(_ENDS_SENTENCE.search(text[:start]))
        if word[0].isupper() and word not in NEVER_NAMES and not (opens and word in OPENERS):
            places.setdefault(word, []).append((word, start, found.end()))
    twice = [word for word, at in places.items() if len(at) == 2]
    often = [word for word, at in places.items() if len(at) > 2]
    if not twice or len(twice) > 1 or often:
        raise ValueError(_no_subject(text, places, twice, often))
    s1, s2 = places[twice[0]]
    once = [word for word, at in places.items() if len(at) == 1 and at[0][1] < s2[1]]
    if not once:
        raise ValueError(
            f"The subject of {text!r} is {twice[0]!r}, which comes twice, but no other name comes before its second "
            f"place. Name the indirect object there. {_GIVE_POSITIONS}"
        )
    if len(once) > 1:
        # "Mary and John went to Paris": who is named together with the subject
        once = [word for word in once if _joined(text, places[word][0], s1)] or once
    if len(once) > 1:
        raise ValueError(
            f"The subject of {text!r} is {twice[0]!r}, which comes twice, but the indirect object may be "
            f"{_or(once)}: leave all but one out, or do not capitalise them. {_GIVE_POSITIONS}"
        )
    return places[once[0]][0], s1, s2


def _joined(text: str, one: _Place, other: _Place) -> bool:
    """Whether there is but "and" between two words."""
    first, second = sorted((one, other), key=lambda place: place[1])
    return text[first[2] : second[1]].split() == ["and"]


def _no_subject(text: str, places: dict[str, list[_Place]], twice: list[str], often: list[str]) -> str:
    """Say why no subject was found."""
    if often:
        why = f"{often[0]!r} comes {len(places[often[0]])} times"
    elif twice:
        why = f"{' and '.join(map(repr, twice))} all do"
        last = max((places[word][1] for word in twice), key=lambda place: place[2])
        if last[2] >= len(text.rstrip(".!?")):
            why += f": leave out {last[0]!r} at its end, which is the answer"
    else:
        why = f"no name comes twice ({', '.join(map(repr, places))} once)" if places else "no word looks like a name"
    return f"The subject is the one name that comes twice, and in {text!r} {why}. {_GIVE_POSITIONS}"


def _or(words: Sequence[str]) -> str:
    return " or ".join([", ".join(map(repr, words[:-1])), repr(words[-1])])


def _token_at(place: _Place, spans: Sequence[tuple[int, int]], strings: Sequence[str]) -> int:
    """Give the one token that a word is."""
    word, start, stop = place
    at = [i for i, (left, right) in enumerate(spans) if left < stop and right > start]
    # a token may hold the space before its word, and nothing else
    if len(at) != 1 or spans[at[0]][0] < start - 1 or spans[at[0]][1] > stop:
        pieces = " + ".join(repr(strings[i]) for i in at)
        raise ValueError(
            f"{word!r} must be one token, and at character {start} it is {pieces or 'none'} for this tokenizer. "
            "Choose a name that is one token."
        )
    return at[0]


def _answer(answer: int | str, ids: Sequence[int], strings: Sequence[str], what: str) -> int:
    if not isinstance(answer, str):
        return int(answer)
    same = [i for i, one in zip(ids, strings, strict=True) if one == answer]
    same = same or [i for i, one in zip(ids, strings, strict=True) if one.strip() == answer.strip()]
    if not same:
        raise ValueError(f"{what}={answer!r} is no token of this sentence. Give its token id.")
    return same[0]
