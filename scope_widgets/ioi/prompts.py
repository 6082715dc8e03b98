"""Prompts for indirect-object identification, with the position of every role."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, overload

import numpy as np

from scope_widgets.experiments.prompt_groups import groups_by_length
from scope_widgets.experiments.task import Task
from scope_widgets.ioi.first_names import NameToken, name_tokens
from scope_widgets.ioi.templates import fill, in_order, known_fillers, known_templates, name_slots, slots
from scope_widgets.models.microscope import Microscope
from scope_widgets.models.tokens import encode, token_texts

#: where something happens: the three names, the token after the subject's first place, and the last token
ROLES = ("IO", "S1", "S1+1", "S2", "END")
CORRUPTIONS = ("abc", "s2_io", "swap")


@dataclass(frozen=True)
class IOIPrompt:
    """One prompt: "When Mary and John went to the store, John gave a drink to".

    Attributes
    ----------
    text : str
    io, subject : str
        The names, without a space. Of a corrupted prompt: those of the prompt that it was made from.
    order : str
        "ABBA" where the indirect object is named first, "BABA" where the subject is.
    template : int
        Which of the set's templates.
    frame : str
        The text with its name slots still open.
    positions : dict of role to int
        "IO", "S1", "S1+1", "S2", "END"; of tokens, one that the tokenizer puts first counts too.
    token_ids : tuple of int
    tokens : tuple of str
    """

    text: str
    io: str
    subject: str
    order: str
    template: int
    frame: str
    positions: dict[str, int]
    token_ids: tuple[int, ...]
    tokens: tuple[str, ...]

    @property
    def answer(self) -> str:
        """The indirect object with its space, as `answer=` wants it."""
        return f" {self.io}"


@dataclass(frozen=True, repr=False)
class IOIPrompts(Sequence[IOIPrompt]):
    """A set of IOI prompts: a sequence of `IOIPrompt`; a slice of it is a set too.

    `scope.trace(prompts.token_ids)` runs them.

    Attributes
    ----------
    items : tuple of IOIPrompt
    templates : tuple of str
        The wordings, in the order ABBA.
    names : tuple of NameToken
        The names to choose from.
    model_id : str
    revision : str or None
    seed : int
    corruption : str
        "" for clean prompts, else "abc", "s2_io" or "swap": see `corrupted`.
    corruption_seed : int or None
        None where nothing was drawn.
    """

    items: tuple[IOIPrompt, ...]
    templates: tuple[str, ...]
    names: tuple[NameToken, ...]
    model_id: str
    revision: str | None
    seed: int
    corruption: str = ""
    corruption_seed: int | None = None

    # --- a sequence -------------------------------------------------------------------------------------------------

    def __len__(self) -> int:
        """Give the number of prompts."""
        return len(self.items)

    def __iter__(self) -> Iterator[IOIPrompt]:
        """Go through the prompts."""
        return iter(self.items)

    @overload
    def __getitem__(self, index: int) -> IOIPrompt: ...
    @overload
    def __getitem__(self, index: slice) -> IOIPrompts: ...
    def __getitem__(self, index: int | slice) -> IOIPrompt | IOIPrompts:
        """Give one prompt, or the set of a slice."""
        if isinstance(index, slice):
            return dataclasses.replace(self, items=self.items[index])
        return self.items[index]

    def __repr__(self) -> str:
        """Say how many there are, and of what."""
        orders = ", ".join(f"{self.order.count(order)} {order}" for order in ("ABBA", "BABA"))
        corruption = f", corrupted: {self.corruption}" if self.corruption else ""
        return (
            f"IOIPrompts({len(self)} for {self.model_id}: {orders}; {len(set(self.template))} templates, "
            f"seed {self.seed}{corruption})"
        )

    # --- columns ----------------------------------------------------------------------------------------------------

    @property
    def texts(self) -> list[str]:
        """The prompts as text."""
        return [prompt.text for prompt in self]

    @property
    def answers(self) -> list[str]:
        """The indirect objects with their space, as `answer=` wants them; of corrupted prompts: the originals'."""
        return [prompt.answer for prompt in self]

    @property
    def subjects(self) -> list[str]:
        """The subjects with their space, as `versus=` wants them; of corrupted prompts: the originals'."""
        return [f" {prompt.subject}" for prompt in self]

    @property
    def io_ids(self) -> np.ndarray[Any, Any]:
        """Token id of each answer."""
        return self._name_ids([prompt.io for prompt in self])

    @property
    def subject_ids(self) -> np.ndarray[Any, Any]:
        """Token id of each subject."""
        return self._name_ids([prompt.subject for prompt in self])

    @property
    def token_ids(self) -> list[list[int]]:
        """Token ids of each prompt."""
        return [list(prompt.token_ids) for prompt in self]

    @property
    def positions(self) -> dict[str, np.ndarray[Any, Any]]:
        """Where each role is, role -> [prompt]."""
        return {role: np.array([prompt.positions[role] for prompt in self], dtype=np.int64) for role in ROLES}

    @property
    def order(self) -> list[str]:
        """ABBA or BABA, of each prompt."""
        return [prompt.order for prompt in self]

    @property
    def template(self) -> list[int]:
        """The template of each prompt. Prompts of one template have the same length where the templates are ours."""
        return [prompt.template for prompt in self]

    # --- other prompts of these -------------------------------------------------------------------------------------

    def corrupted(self, how: str = "abc", seed: int = 0) -> IOIPrompts:
        """Replace names: same template, same other words, same length, same positions of the roles.

        `io`, `subject`, `answers`, `subjects` and their ids stay those of the clean prompts, because the metric,
        `logit(IO) - logit(S)`, is about these on both runs.

        Parameters
        ----------
        how : {"abc", "s2_io", "swap"}
            "abc": three names, all different and other than the prompt's own, for its three (Wang et al. 2022, p_ABC).
            "s2_io": the indirect object's name in the subject's second place, so that the other name is the answer.
            "swap": the two names exchanged everywhere.
        seed : int
            Of the names of "abc".

        Raises
        ------
        ValueError
            For an unknown corruption, prompts that are corrupted already, or too few names for "abc".
        """
        if how not in CORRUPTIONS:
            raise ValueError(f"Prompts are corrupted by one of {', '.join(CORRUPTIONS)}; got {how!r}.")
        if self.corruption:
            raise ValueError(f"These prompts are corrupted already ({self.corruption}). Corrupt the clean ones.")
        if how == "abc" and len(self.names) < 5:
            raise ValueError(
                f"'abc' takes three names beside the prompt's own, five in all, and this set was made with "
                f"{len(self.names)}: {', '.join(one.name for one in self.names)}. Make it with more names."
            )
        rng = np.random.default_rng(seed)
        items = tuple(_renamed(prompt, self._replacements(prompt, how, rng)) for prompt in self)
        return dataclasses.replace(self, items=items, corruption=how, corruption_seed=seed if how == "abc" else None)

    def task(self, corruption: str = "s2_io", seed: int = 0) -> Task:
        """Make the task of finding the indirect object: the logit difference of the two names.

        Parameters
        ----------
        corruption : {"abc", "s2_io", "swap"}
        seed : int
            As for `corrupted`.

        Returns
        -------
        Task
            Its groups are the templates.

        Raises
        ------
        ValueError
            As `corrupted` does, and for a set without prompts.
        """
        if not self.items:
            raise ValueError("This set has no prompts, and a task needs at least one.")
        return Task(
            name="ioi",
            clean=self.token_ids,
            corrupted=self.corrupted(corruption, seed).token_ids,
            answer=[[int(one)] for one in self.io_ids],
            versus=[[int(one)] for one in self.subject_ids],
            metric="logit_difference",
            model_id=self.model_id,
            groups=groups_by_length(self.template, self.token_ids),
        )

    def _replacements(self, prompt: IOIPrompt, how: str, rng: np.random.Generator) -> dict[str, NameToken]:
        """Give the name for each of the three name roles."""
        by_name = {one.name: one for one in self.names}
        io, subject = by_name[prompt.io], by_name[prompt.subject]
        if how == "abc":
            others = [one for one in self.names if one not in (io, subject)]
            drawn = rng.choice(len(others), 3, replace=False)
            return {role: others[at] for role, at in zip(("IO", "S1", "S2"), drawn, strict=True)}
        if how == "s2_io":
            return {"IO": io, "S1": subject, "S2": io}
        return {"IO": subject, "S1": io, "S2": io}

    def _name_ids(self, names: Sequence[str]) -> np.ndarray[Any, Any]:
        ids = {one.name: one.id for one in self.names}
        return np.array([ids[name] for name in names], dtype=np.int64)

    # --- tables and files -------------------------------------------------------------------------------------------

    def to_dataframe(self) -> Any:
        """Make a table: text, io, subject, order, template, then the position of each role."""
        import pandas as pd

        names = ("text", "io", "subject", "order", "template")
        columns = {name: [getattr(prompt, name) for prompt in self] for name in names}
        return pd.DataFrame(columns | self.positions)

    def _repr_html_(self) -> Any:
        return self.to_dataframe()._repr_html_()

    def to_json(self) -> str:
        """Write the set as JSON."""
        return json.dumps({"result": "IOIPrompts", **dataclasses.asdict(self)})

    @classmethod
    def from_json(cls, text: str) -> IOIPrompts:
        """Read what `to_json` wrote.

        Raises
        ------
        ValueError
            When the text is nothing that `to_json` wrote.
        """
        try:
            fields = json.loads(text)
            if fields.pop("result") != "IOIPrompts":
                raise KeyError
            fields["items"] = tuple(
                IOIPrompt(**{**item, "token_ids": tuple(item["token_ids"]), "tokens": tuple(item["tokens"])})
                for item in fields["items"]
            )
            fields["templates"] = tuple(fields["templates"])
            fields["names"] = tuple(NameToken(**name) for name in fields["names"])
            return cls(**fields)
        except (KeyError, TypeError, AttributeError, json.JSONDecodeError):
            raise ValueError(f"This text is no IOIPrompts written by to_json(): it begins {text[:40]!r}.") from None


def prompts(
    scope: Microscope,
    n: int = 100,
    seed: int = 0,
    *,
    order: str = "both",
    templates: Sequence[str] | None = None,
    names: Sequence[str] | None = None,
    prepend_bos: bool | None = None,
) -> IOIPrompts:
    """Make prompts in which the indirect object comes next: two names, and the one that comes twice is the subject.

    All texts are different, so that slices of one set have none in common. Orders and templates take turns, and no two
    names meet a second time before all pairs have met.

    Parameters
    ----------
    scope : Microscope
    n : int
        How many.
    seed : int
        The same seed gives the same prompts.
    order : {"both", "ABBA", "BABA"}
        "ABBA": the indirect object is named first; "BABA": the subject is; "both": in turn.
    templates : sequence of str, optional
        Sentences with the slots {io} (once), {subject} (twice), {place}, {object}. Where nothing is said, those of
        ours whose words the tokenizer knows.
    names : sequence of str, optional
        Names of one token each. Where nothing is said, those of ours that are.
    prepend_bos : bool, optional
        As for `Microscope.trace`.

    Raises
    ------
    TypeError, ValueError
        When n is below 1 or more than the different prompts that there are, a name is several tokens, a template lacks
        a slot, or the tokenizer knows too little.
    """
    if isinstance(n, bool) or not hasattr(n, "__index__"):
        raise TypeError(f"n= is the number of prompts; got {n!r}.")
    if n < 1:
        raise ValueError(f"n={n} would be an empty set of prompts: ask for at least one.")
    if order not in ("both", "ABBA", "BABA"):
        raise ValueError(f"order= is 'ABBA', 'BABA' or 'both'; got {order!r}.")
    tokenizer = scope.tokenizer
    people = name_tokens(tokenizer, names)
    fillers = known_fillers(tokenizer)
    wordings = known_templates(tokenizer, fillers, templates)
    orders = ("ABBA", "BABA") if order == "both" else (order,)
    _check_enough(int(n), orders, wordings, fillers, len(people))
    drawn = _draw(int(n), np.random.default_rng(seed), orders, wordings, fillers, people)
    texts = [fill(frame, (first.name, second.name, subject.name)) for frame, _, _, first, second, subject in drawn]
    rows, _, _ = encode(tokenizer, texts, prepend_bos)
    items = []
    for text, ids, (frame, which, template, first, second, subject) in zip(texts, rows, drawn, strict=True):
        io = first if second is subject else second
        positions = _positions(tokenizer, text, ids, io, subject)
        tokens = tuple(token_texts(tokenizer, ids))
        items.append(IOIPrompt(text, io.name, subject.name, which, template, frame, positions, tuple(ids), tokens))
    return IOIPrompts(tuple(items), wordings, people, scope.model_id, scope.revision, int(seed))


_Drawn = tuple[str, str, int, NameToken, NameToken, NameToken]


def _draw(
    n: int,
    rng: np.random.Generator,
    orders: Sequence[str],
    wordings: Sequence[str],
    fillers: Mapping[str, Sequence[str]],
    people: Sequence[NameToken],
) -> list[_Drawn]:
    """Draw frame, order, template, and the names in the order in which they stand, of `n` different prompts."""
    turns = {order: _in_turn(rng, len(wordings)) for order in orders}
    pairs = _pairs(rng, len(people))
    drawn: list[_Drawn] = []
    seen: set[tuple[str, int, int]] = set()
    for i in range(n):
        order = orders[i % len(orders)]
        template = next(turns[order])
        while True:
            io, subject = next(pairs)
            words = {slot: some[int(rng.integers(len(some)))] for slot, some in fillers.items() if some}
            frame = fill(in_order(wordings[template], order), words=words)
            if (frame, io, subject) not in seen:
                break
        seen.add((frame, io, subject))
        first, second = (io, subject) if order == "ABBA" else (subject, io)
        drawn.append((frame, order, template, people[first], people[second], people[subject]))
    return drawn


def _in_turn(rng: np.random.Generator, count: int) -> Iterator[int]:
    """Give 0 .. count - 1 in random order, again and again."""
    while True:
        yield from (int(at) for at in rng.permutation(count))


def _pairs(rng: np.random.Generator, count: int) -> Iterator[tuple[int, int]]:
    """Give pairs of different numbers, none a second time in either order before all have come."""
    met: set[frozenset[int]] = set()
    while True:
        if 2 * len(met) == count * (count - 1):
            met.clear()
        one, other = (int(at) for at in rng.choice(count, 2, replace=False))
        if frozenset((one, other)) not in met:
            met.add(frozenset((one, other)))
            yield one, other


def _check_enough(
    n: int, orders: Sequence[str], wordings: Sequence[str], fillers: Mapping[str, Sequence[str]], people: int
) -> None:
    """Raise ValueError where a template in an order would have to come more often than it can be filled differently."""
    needed = -(-n // (len(orders) * len(wordings)))
    for wording in wordings:
        words = {slot: len(fillers[slot]) for slot in slots(wording) if slot in fillers}
        ways = people * (people - 1) * int(np.prod(list(words.values()), dtype=object))
        if ways < needed:
            raise ValueError(
                f"n={n} takes {needed} different prompts of each template and order, and {wording!r} has {ways} with "
                f"{people} names. Ask for fewer, or give more names or templates."
            )


def _positions(tokenizer: Any, text: str, ids: Sequence[int], io: NameToken, subject: NameToken) -> dict[str, int]:
    """Find the roles by their tokens, and check that each name is where it should be."""
    of_io = [at for at, token in enumerate(ids) if token == io.id]
    of_subject = [at for at, token in enumerate(ids) if token == subject.id]
    if (len(of_io), len(of_subject)) != (1, 2):
        raise ValueError(
            f"In {text!r} the token of {io.name!r} must stand once and that of {subject.name!r} twice; this tokenizer "
            f"makes {' | '.join(token_texts(tokenizer, ids))}. Leave these names out, or change the template."
        )
    if ids[-1] in tokenizer.all_special_ids:
        raise ValueError(
            f"This tokenizer ends a text with {token_texts(tokenizer, ids)[-1]!r}, so that no answer can come next: "
            "make it without (such as add_eos_token=False)."
        )
    first, second = of_subject
    return {"IO": of_io[0], "S1": first, "S1+1": first + 1, "S2": second, "END": len(ids) - 1}


def _renamed(prompt: IOIPrompt, new: Mapping[str, NameToken]) -> IOIPrompt:
    """Put other names at the three name roles."""
    ids, tokens = list(prompt.token_ids), list(prompt.tokens)
    for role, name in new.items():
        ids[prompt.positions[role]], tokens[prompt.positions[role]] = name.id, name.token
    roles = {"io": iter(["IO"]), "subject": iter(["S1", "S2"])}
    text = fill(prompt.frame, [new[next(roles[slot])].name for slot in name_slots(prompt.frame)])
    return dataclasses.replace(prompt, text=text, token_ids=tuple(ids), tokens=tuple(tokens))
