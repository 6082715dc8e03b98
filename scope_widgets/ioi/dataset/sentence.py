"""`IOISentence`: a sentence of the user's own with the position of each role."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from scope_widgets.experiments.answer_tokens import answer_ids
from scope_widgets.ioi.dataset.find_roles import GIVE_POSITIONS, find_roles, token_of
from scope_widgets.models.tokens import encode_with_spans, token_texts


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
        Positions of the indirect object, of the subject twice, and of the last token.
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
        """Return a text such as "When John and Mary went to the store, Mary gave a drink to" with its roles.

        Names are capitalised words other than those that begin a sentence only (When, After, Then, ...). The one that
        comes twice is the subject, and the one that comes once before its second time is the indirect object; of
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
            raise TypeError(f"{type(tokenizer).__name__} does not say where its tokens are in a text. {GIVE_POSITIONS}")
        io, s1, s2 = find_roles(text)
        ids, spans = encode_with_spans(tokenizer, text)
        assert spans is not None  # of a fast tokenizer
        strings = token_texts(tokenizer, ids)
        end = max(at for at, (start, stop) in enumerate(spans) if start < stop)
        return cls.from_positions(
            tokens=ids,
            token_strings=strings,
            subject_positions=[token_of(s1, spans, strings)],
            io_position=token_of(io, spans, strings),
            subject2_position=token_of(s2, spans, strings),
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
        """Return a sentence of positions that are known.

        Parameters
        ----------
        tokens : sequence of int
            Token ids.
        token_strings : sequence of str
            Their texts.
        subject_positions : int or sequence of int
            Where the subject is; its second position may be among them.
        io_position, subject2_position, end_position : int
        correct_answer, distractor : int or str
            The tokens to compare at the end: ids, or texts of tokens of this sentence.
        text : str, default ""

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
                f"The subject has one position before its second at {subject2_position}; got subject_positions={given}."
            )
        at_role = {"S1": first[0], "IO": int(io_position), "S2": int(subject2_position), "END": int(end_position)}
        for role, at in at_role.items():
            if not 0 <= at < len(ids):
                raise ValueError(f"{role} is at {at} and the sentence has positions 0 to {len(ids) - 1}.")
        if not max(at_role["S1"], at_role["IO"]) < at_role["S2"] <= at_role["END"] or at_role["S1"] == at_role["IO"]:
            said = ", ".join(f"{role} {at}" for role, at in at_role.items())
            raise ValueError(f"S1 and IO are two positions before S2, and END is not before S2; got {said}.")
        names = [strings[at_role[role]].strip() for role in ("S1", "S2")]
        if names[0] != names[1]:
            raise ValueError(
                f"S1 and S2 are one name, and at {at_role['S1']} and {at_role['S2']} there are {names[0]!r} and "
                f"{names[1]!r}. Count positions from 0, with any token that the tokenizer puts first."
            )
        return cls(
            tokens=ids,
            token_strings=strings,
            io=at_role["IO"],
            s1=at_role["S1"],
            s2=at_role["S2"],
            end=at_role["END"],
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
        """Return the logit of the indirect object minus that of the subject at the end, in float64.

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


def _answer(answer: int | str, ids: Sequence[int], strings: Sequence[str], what: str) -> int:
    if not isinstance(answer, str):
        return int(answer)
    same = [i for i, one in zip(ids, strings, strict=True) if one == answer]
    same = same or [i for i, one in zip(ids, strings, strict=True) if one.strip() == answer.strip()]
    if not same:
        raise ValueError(f"{what}={answer!r} is no token of this sentence. Give its token id.")
    return same[0]
