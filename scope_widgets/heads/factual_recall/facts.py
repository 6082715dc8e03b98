"""`Fact`, `FactPrompt` and `PromptPair`: a fact as a triple, and the prompts that ask for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from scope_widgets._untrusted import check_text

#: what a template has in place of the subject
SUBJECT = "{subject}"


@dataclass(frozen=True)
class Fact:
    """A fact: `answer` is what `subject` has by `relation`, such as ("France", "capital", "Paris").

    Attributes
    ----------
    subject, relation, answer : str
        Without spaces around them.
    counterfactual : (str, str) or None
        Subject and answer that take their place in the counterfactual prompt; None: those of another fact are drawn.

    Raises
    ------
    TypeError, ValueError
        When a part is no text or empty, or the counterfactual has the same subject or answer.

    Examples
    --------
    >>> heads.Fact("France", "capital", "Paris").answer
    'Paris'
    """

    subject: str
    relation: str
    answer: str
    counterfactual: tuple[str, str] | None = None

    def __post_init__(self) -> None:
        """Check the parts."""
        if self.counterfactual is not None:
            if isinstance(self.counterfactual, str) or len(self.counterfactual) != 2:
                raise ValueError(f"counterfactual= is (subject, answer) or None; got {self.counterfactual!r}.")
            object.__setattr__(self, "counterfactual", tuple(self.counterfactual))
        for part in (self.subject, self.relation, self.answer, *(self.counterfactual or ())):
            if not isinstance(part, str):
                raise TypeError(f"The parts of a fact are texts; got {part!r} in {self._triple()}.")
            check_text(part)
            if not part or part != part.strip():
                raise ValueError(f"The parts of a fact have a letter and no spaces around them; got {part!r}.")
        if self.counterfactual and (self.subject == self.counterfactual[0] or self.answer == self.counterfactual[1]):
            raise ValueError(
                f"The counterfactual of {self._triple()} must have another subject and another answer; "
                f"got {self.counterfactual!r}."
            )

    def _triple(self) -> str:
        return f"({self.subject!r}, {self.relation!r}, {self.answer!r})"


@dataclass(frozen=True)
class FactPrompt:
    """A text that ends where the answer comes next.

    Attributes
    ----------
    fact : Fact
    template : str

    Examples
    --------
    >>> prompt = heads.FactPrompt(heads.Fact("France", "capital", "Paris"), "The capital of {subject} is")
    >>> prompt.text, prompt.answer
    ('The capital of France is', ' Paris')
    """

    fact: Fact
    template: str

    @property
    def text(self) -> str:
        """The prompt."""
        # not str.format: a subject or a template may hold braces of its own
        return self.template.replace(SUBJECT, self.fact.subject)

    @property
    def subject(self) -> str:
        """The subject as it is in the text."""
        return self.fact.subject

    @property
    def answer(self) -> str:
        """The answer as it follows the text, with its space: what an option `answer=` takes."""
        return f" {self.fact.answer}"


class PromptPair(NamedTuple):
    """A prompt and the one that asks the same of another subject, whose answer is another.

    Attributes
    ----------
    true, counterfactual : FactPrompt
    """

    true: FactPrompt
    counterfactual: FactPrompt
