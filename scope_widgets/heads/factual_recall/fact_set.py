"""`FactSet`: facts with the templates that make prompts of them."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from scope_widgets._aliases import former_options
from scope_widgets._files import write_text
from scope_widgets._json_fields import decode, decode_fields
from scope_widgets._seeds import seed_of
from scope_widgets._types import Array
from scope_widgets._untrusted import json_text, opening, parse_json, read_text, reading
from scope_widgets.heads.factual_recall.facts import SUBJECT, Fact, FactPrompt, PromptPair
from scope_widgets.models.tokens import Tokenizer, encode

if TYPE_CHECKING:
    import pandas as pd

T = TypeVar("T")
_FORMAT = "scope-widgets facts 1"
_COLUMNS = ("subject", "relation", "answer")
_COUNTERFACTUAL_COLUMNS = ("counterfactual_subject", "counterfactual_answer")


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
    TypeError
        When something else than facts is among them.

    Examples
    --------
    >>> facts = [heads.Fact("France", "capital", "Paris"), heads.Fact("Japan", "capital", "Tokyo")]
    >>> capitals = heads.FactSet(facts, {"capital": "The capital of {subject} is"})
    >>> [prompt.text for prompt in capitals.prompts()]
    ['The capital of France is', 'The capital of Japan is']
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
                    f"templates={{{relation!r}: 'The {relation} of {SUBJECT} is'}}."
                )
        for template in (one for some in templates.values() for one in some):
            if not isinstance(template, str) or template.count(SUBJECT) != 1 or template != template.rstrip():
                raise ValueError(f"A template holds {SUBJECT} once and ends without a space; got {template!r}.")
        _check_unique(self.facts)

    # --- what is in it ----------------------------------------------------------------------------------------------

    @property
    def relations(self) -> tuple[str, ...]:
        """The relations of its facts, in their order."""
        return tuple(dict.fromkeys(fact.relation for fact in self.facts))

    def __len__(self) -> int:
        """Return the number of facts."""
        return len(self.facts)

    def __iter__(self) -> Iterator[Fact]:
        """Go through the facts."""
        return iter(self.facts)

    def __repr__(self) -> str:
        """Say how many facts there are of which relations."""
        return f"FactSet({len(self)} facts: {', '.join(self.relations)})"

    def filter(self, relation: str | None = None, predicate: Callable[[Fact], bool] | None = None) -> FactSet:
        """Return the facts of a relation, those for which `predicate(fact)` holds, or those that are both.

        Counterfactuals are then drawn among these facts.

        Parameters
        ----------
        relation : str, optional
            One of `relations`; by default all of them.
        predicate : callable of Fact to bool, optional
            By default all facts pass.

        Raises
        ------
        ValueError
            When there is no such relation, or no fact is left.
        """
        if relation is not None and relation not in self.relations:
            raise ValueError(
                f"There is no relation {relation!r} in this FactSet; there are {', '.join(self.relations)}."
            )
        of_relation = [fact for fact in self.facts if relation in (None, fact.relation)]
        passing = [fact for fact in of_relation if predicate is None or predicate(fact)]
        if not passing:
            raise ValueError(f"No fact passes the filter: predicate= holds for none of the {len(self)} facts.")
        relations = {fact.relation for fact in passing}
        return FactSet(passing, {name: some for name, some in self.templates.items() if name in relations})

    # --- prompts of it ----------------------------------------------------------------------------------------------

    @former_options("seed")
    def prompts(self, *, seed: int | None = 0) -> list[FactPrompt]:
        """Return a prompt of each fact; where a relation has several templates, each fact's is drawn.

        Parameters
        ----------
        seed : int or None, default 0
            Of the templates. A fact's draw does not depend on the others'.
        """
        seed = seed_of(seed)
        draws = self._draws(seed)[:, 0]
        return [FactPrompt(fact, _drawn(self.templates[fact.relation], u)) for fact, u in zip(self, draws, strict=True)]

    def counterfactuals(self, fact: Fact) -> list[Fact]:
        """Return what may take the place of a fact: its own counterfactual, else those of its relation that differ."""
        if fact.counterfactual:
            subject, answer = fact.counterfactual
            return [Fact(subject, fact.relation, answer)]
        return [
            other
            for other in self.facts
            if other.relation == fact.relation and other.subject != fact.subject and other.answer != fact.answer
        ]

    @former_options("seed")
    def prompt_pairs(self, *, seed: int | None = 0, tokenizer: Tokenizer | None = None) -> list[PromptPair]:
        """Pair the prompt of each fact with one that differs in the subject, and so in the answer.

        Parameters
        ----------
        seed : int or None, default 0
            Of the templates (as in `prompts`) and the counterfactuals. A fact's draw does not depend on the others'.
        tokenizer : Tokenizer, optional
            Where it is given, both prompts of a pair have equally many tokens. Facts without such a counterfactual
            are left out, and a warning names them.

        Raises
        ------
        ValueError
            When no fact has a counterfactual.
        """
        seed = seed_of(seed)
        pairs, dropped = [], []
        for prompt, u in zip(self.prompts(seed=seed), self._draws(seed)[:, 1], strict=True):
            others = [FactPrompt(fact, prompt.template) for fact in self.counterfactuals(prompt.fact)]
            if tokenizer is not None:
                length = _n_tokens(tokenizer, prompt.text)
                others = [other for other in others if _n_tokens(tokenizer, other.text) == length]
            if others:
                pairs.append(PromptPair(prompt, _drawn(others, u)))
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
                stacklevel=3,
            )
        return pairs

    def _draws(self, seed: int) -> Array:
        """Return draws `[fact, 2]` from 0 to 1: which of its templates each fact takes, and which counterfactual."""
        return np.random.default_rng(seed).random((len(self), 2))

    # --- tables and files -------------------------------------------------------------------------------------------

    def to_dataframe(self) -> pd.DataFrame:
        """Return a table: subject, relation, answer, counterfactual_subject, counterfactual_answer (None: drawn)."""
        import pandas as pd

        rows = [(f.subject, f.relation, f.answer, *(f.counterfactual or (None, None))) for f in self.facts]
        return pd.DataFrame(rows, columns=[*_COLUMNS, *_COUNTERFACTUAL_COLUMNS], dtype=object)

    @classmethod
    def from_dataframe(cls, table: pd.DataFrame, templates: Mapping[str, Sequence[str]]) -> FactSet:
        """Return the facts of a table.

        Parameters
        ----------
        table : DataFrame
            With columns subject, relation, answer, and perhaps counterfactual_subject and counterfactual_answer.
        templates : dict of relation to list of str
            As in `FactSet`.

        Raises
        ------
        ValueError
            When a column is missing.
        """
        missing = [name for name in _COLUMNS if name not in table.columns]
        if missing:
            columns = ", ".join(map(str, table.columns))
            raise ValueError(f"A table of facts has subject, relation, answer; this one lacks {missing}: {columns}.")
        given = [table[name] if name in table.columns else [None] * len(table) for name in _COUNTERFACTUAL_COLUMNS]
        rows = zip(*(table[name] for name in _COLUMNS), *given, strict=True)
        facts = [Fact(s, r, a, None if _is_empty(x) and _is_empty(y) else (x, y)) for s, r, a, x, y in rows]
        return cls(facts, templates)

    def to_json(self) -> str:
        """Return the facts and templates as JSON."""
        facts = [asdict(fact) for fact in self.facts]
        content = {"format": _FORMAT, "templates": self.templates, "facts": facts}
        return json_text(content, "This set of facts", "Write it in parts.", ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> FactSet:
        """Return the facts that `to_json` wrote; raise ValueError for anything else."""
        with reading(f"This text is not a FactSet written by to_json() (it begins {opening(text)})"):
            parts = decode(parse_json(text), dict[str, Any], "it")
            if parts.get("format") != _FORMAT:
                raise ValueError(f"its format is {opening(parts.get('format'))} and not {_FORMAT!r}")
            given = decode(parts["facts"], list[dict[str, Any]], "facts")
            facts = [Fact(**decode_fields(Fact, fact)) for fact in given]
            return cls(facts, decode(parts["templates"], dict[str, tuple[str, ...]], "templates"))

    def save(self, path: str | Path) -> None:
        """Write a JSON file."""
        write_text(path, self.to_json())

    @classmethod
    def load(cls, path: str | Path) -> FactSet:
        """Return the facts of a file that `save` wrote; raise ValueError for anything else."""
        text = read_text(path)
        with reading(f"{str(path)!r} holds no facts"):
            return cls.from_json(text)


def _check_unique(facts: Sequence[Fact]) -> None:
    seen: dict[tuple[str, str], str] = {}
    for fact in facts:
        question = fact.subject, fact.relation
        if question in seen:
            raise ValueError(
                f"A subject has one answer in a relation; {fact.subject!r} has {seen[question]!r} and {fact.answer!r} "
                f"as {fact.relation!r}. Keep one of them."
            )
        seen[question] = fact.answer


def _drawn(choices: Sequence[T], u: float) -> T:
    return choices[int(u * len(choices))]


def _n_tokens(tokenizer: Tokenizer, text: str) -> int:
    return len(encode(tokenizer, text, None)[0][0])


def _is_empty(value: Any) -> bool:
    """Whether a cell is empty, as None or as a table's NaN."""
    return value is None or value != value
