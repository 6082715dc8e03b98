"""Facts as triples, and the prompts that ask for them."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

_FORMAT = "scope-widgets facts 1"
_SUBJECT = "{subject}"


@dataclass(frozen=True)
class Fact:
    """That `answer` is what `subject` has by `relation`: ("France", "capital", "Paris").

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
                raise TypeError(f"The parts of a fact are texts; got {part!r} in {self._said()}.")
            if not part or part != part.strip():
                raise ValueError(f"The parts of a fact have a letter and no spaces around them; got {part!r}.")
        if self.counterfactual and (self.subject == self.counterfactual[0] or self.answer == self.counterfactual[1]):
            raise ValueError(
                f"The counterfactual of {self._said()} must have another subject and another answer; "
                f"got {self.counterfactual!r}."
            )

    def _said(self) -> str:
        return f"({self.subject!r}, {self.relation!r}, {self.answer!r})"


@dataclass(frozen=True)
class FactPrompt:
    """A text that ends where the answer comes next.

    Attributes
    ----------
    fact : Fact
    template : str
    """

    fact: Fact
    template: str

    @property
    def text(self) -> str:
        """The prompt."""
        # not str.format: a subject or a template may hold braces of its own
        return self.template.replace(_SUBJECT, self.fact.subject)

    @property
    def subject(self) -> str:
        """The subject as it stands in the text."""
        return self.fact.subject

    @property
    def answer(self) -> str:
        """The answer as it follows the text, with its space: what `answer=` takes elsewhere."""
        return f" {self.fact.answer}"


class PromptPair(NamedTuple):
    """A prompt and the one that asks the same of another subject, whose answer is another.

    Attributes
    ----------
    true, counterfactual : FactPrompt
    """

    true: FactPrompt
    counterfactual: FactPrompt


@dataclass(frozen=True)
class FactSet:
    """Facts with the templates that make prompts of them.

    Attributes
    ----------
    facts : tuple of Fact
    templates : dict of relation to tuple of str
        Each holds "{subject}" once: "The capital of {subject} is the city of".

    Raises
    ------
    ValueError
        When there is no fact, a relation has no template, a template no "{subject}", or a subject two answers.
    """

    facts: Sequence[Fact]
    templates: Mapping[str, Sequence[str]]

    def __post_init__(self) -> None:
        """Make tuples of lists and check that the parts belong together."""
        object.__setattr__(self, "facts", tuple(self.facts))
        templates = {name: (some,) if isinstance(some, str) else tuple(some) for name, some in self.templates.items()}
        object.__setattr__(self, "templates", templates)
        if not self.facts:
            raise ValueError("A FactSet needs at least one Fact(subject, relation, answer); got none.")
        wrong = [fact for fact in self.facts if not isinstance(fact, Fact)]
        if wrong:
            raise TypeError(f"A FactSet holds Fact(subject, relation, answer); got {wrong[0]!r} among them.")
        for relation in self.relations:
            if not templates.get(relation):
                raise ValueError(
                    f"The relation {relation!r} has no template. Give one, such as "
                    f"templates={{{relation!r}: 'The {relation} of {_SUBJECT} is'}}."
                )
        for template in (one for some in templates.values() for one in some):
            if not isinstance(template, str) or template.count(_SUBJECT) != 1 or template != template.rstrip():
                raise ValueError(f"A template holds {_SUBJECT} once and ends without a space; got {template!r}.")
        _check_once(self.facts)

    # --- what is in it ----------------------------------------------------------------------------------------------

    @property
    def relations(self) -> tuple[str, ...]:
        """The relations of its facts, in their order."""
        return tuple(dict.fromkeys(fact.relation for fact in self.facts))

    def __len__(self) -> int:
        """Give the number of facts."""
        return len(self.facts)

    def __iter__(self) -> Iterator[Fact]:
        """Go through the facts."""
        return iter(self.facts)

    def __repr__(self) -> str:
        """Say how many facts there are of which relations."""
        return f"FactSet({len(self)} facts: {', '.join(self.relations)})"

    def filter(self, relation: str | None = None, predicate: Callable[[Fact], bool] | None = None) -> FactSet:
        """Keep the facts of a relation, those for which `predicate(fact)` holds, or those that are both.

        Counterfactuals are then drawn among the facts that are left.

        Raises
        ------
        ValueError
            When there is no such relation, or no fact is left.
        """
        if relation is not None and relation not in self.relations:
            raise ValueError(f"There is no relation {relation!r} here; there are {', '.join(self.relations)}.")
        kept = [fact for fact in self.facts if relation in (None, fact.relation) and (not predicate or predicate(fact))]
        if not kept:
            raise ValueError(f"No fact passes the filter: predicate= holds for none of the {len(self)} facts.")
        relations = {fact.relation for fact in kept}
        return FactSet(kept, {name: some for name, some in self.templates.items() if name in relations})

    # --- what can be asked ------------------------------------------------------------------------------------------

    def prompts(self, seed: int = 0) -> list[FactPrompt]:
        """Make a prompt of each fact; where a relation has several templates, each fact's is drawn."""
        draws = self._draws(seed)[:, 0]
        return [FactPrompt(fact, _at(self.templates[fact.relation], u)) for fact, u in zip(self, draws, strict=True)]

    def counterfactuals(self, fact: Fact) -> list[Fact]:
        """Give what may take a fact's place: its own counterfactual, else facts of its relation with another answer."""
        if fact.counterfactual:
            subject, answer = fact.counterfactual
            return [Fact(subject, fact.relation, answer)]
        return [
            other
            for other in self.facts
            if other.relation == fact.relation and other.subject != fact.subject and other.answer != fact.answer
        ]

    def prompt_pairs(self, seed: int = 0, *, tokenizer: Any = None) -> list[PromptPair]:
        """Pair the prompt of each fact with one that differs in the subject, and so in the answer.

        Parameters
        ----------
        seed : int
            Of the templates (as in `prompts`) and the counterfactuals. A fact's draw does not depend on the others'.
        tokenizer : optional
            Then both prompts of a pair have equally many tokens. Facts for which there is no such counterfactual are
            left out, and a warning names them.

        Raises
        ------
        ValueError
            When no fact has a counterfactual.
        """
        pairs, dropped = [], []
        for prompt, u in zip(self.prompts(seed), self._draws(seed)[:, 1], strict=True):
            others = [FactPrompt(fact, prompt.template) for fact in self.counterfactuals(prompt.fact)]
            if tokenizer is not None:
                length = _n_tokens(tokenizer, prompt.text)
                others = [other for other in others if _n_tokens(tokenizer, other.text) == length]
            if others:
                pairs.append(PromptPair(prompt, _at(others, u)))
            else:
                dropped.append(prompt.subject)
        wanted = "another fact of the same relation with another answer" + (
            "" if tokenizer is None else " whose prompt has equally many tokens"
        )
        if not pairs:
            raise ValueError(f"None of the {len(self)} facts has a counterfactual ({wanted}): add such facts.")
        if dropped:
            named = ", ".join(dropped[:8]) + (f" and {len(dropped) - 8} more" if len(dropped) > 8 else "")
            warnings.warn(
                f"Left out {len(dropped)} of {len(self)} facts without a counterfactual ({wanted}): {named}.",
                stacklevel=2,
            )
        return pairs

    def _draws(self, seed: int) -> np.ndarray[Any, Any]:
        """Draw for each fact where in its templates, and where in its counterfactuals; `[fact, 2]` from 0 to 1."""
        return np.random.default_rng(seed).random((len(self), 2))

    # --- tables and files -------------------------------------------------------------------------------------------

    def to_dataframe(self) -> Any:
        """Make a table: subject, relation, answer, counterfactual_subject, counterfactual_answer (None where drawn)."""
        import pandas as pd

        rows = [(f.subject, f.relation, f.answer, *(f.counterfactual or (None, None))) for f in self.facts]
        return pd.DataFrame(rows, columns=[*_COLUMNS, *_OWN], dtype=object)

    @classmethod
    def from_dataframe(cls, table: Any, templates: Mapping[str, Sequence[str]]) -> FactSet:
        """Read a table with the columns subject, relation, answer, and perhaps those of counterfactuals.

        Raises
        ------
        ValueError
            When a column is missing.
        """
        missing = [name for name in _COLUMNS if name not in table.columns]
        if missing:
            columns = ", ".join(map(str, table.columns))
            raise ValueError(f"A table of facts has subject, relation, answer; this one lacks {missing}: {columns}.")
        own = [table[name] if name in table.columns else [None] * len(table) for name in _OWN]
        rows = zip(*(table[name] for name in _COLUMNS), *own, strict=True)
        facts = [Fact(s, r, a, None if _none(x) and _none(y) else (x, y)) for s, r, a, x, y in rows]
        return cls(facts, templates)

    def to_json(self) -> str:
        """Write the facts and templates as JSON."""
        facts = [asdict(fact) for fact in self.facts]
        return json.dumps({"format": _FORMAT, "templates": self.templates, "facts": facts}, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> FactSet:
        """Read what `to_json` wrote; raises ValueError for anything else."""
        try:
            parts = json.loads(text)
            if parts["format"] != _FORMAT:
                raise KeyError("format")
            return cls([Fact(**fact) for fact in parts["facts"]], parts["templates"])
        except (KeyError, TypeError, AttributeError, json.JSONDecodeError):
            raise ValueError(f"This text is not a FactSet written by to_json(): it begins {text[:40]!r}.") from None

    def save(self, path: str | Path) -> None:
        """Write a JSON file."""
        Path(path).write_text(self.to_json(), encoding="utf-8")

    @classmethod
    def load(cls, path: str | Path) -> FactSet:
        """Read a file that `save` wrote; raises ValueError for anything else."""
        return cls.from_json(Path(path).read_text(encoding="utf-8"))


_COLUMNS = ("subject", "relation", "answer")
_OWN = ("counterfactual_subject", "counterfactual_answer")


def _check_once(facts: Sequence[Fact]) -> None:
    seen: dict[tuple[str, str], str] = {}
    for fact in facts:
        where = fact.subject, fact.relation
        if where in seen:
            raise ValueError(
                f"Each subject stands once in a relation; {fact.subject!r} has {seen[where]!r} and {fact.answer!r} as "
                f"{fact.relation!r}. Keep one of them."
            )
        seen[where] = fact.answer


def _at(some: Sequence[Any], u: float) -> Any:
    return some[int(u * len(some))]


def _n_tokens(tokenizer: Any, text: str) -> int:
    return len(tokenizer(text)["input_ids"])


def _none(value: Any) -> bool:
    """Whether a cell is empty, as None or as a table's NaN."""
    return value is None or value != value
