"""`IOIPrompts`: prompts for indirect-object identification, with the position of every role."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias, overload

import numpy as np

from scope_widgets._check_choice import check_choice
from scope_widgets._json_fields import decode_fields
from scope_widgets._result import fields_of
from scope_widgets._seeds import seed_of
from scope_widgets._types import Array
from scope_widgets._untrusted import json_text, opening, reading
from scope_widgets.experiments.statistics.prompt_groups import groups_by_length
from scope_widgets.experiments.task import Task
from scope_widgets.ioi.dataset.first_names import NameToken
from scope_widgets.ioi.dataset.templates import fill, name_slots

if TYPE_CHECKING:
    import pandas as pd

#: positions that have a name: those of the three names, the token after the first subject, and the last token
ROLES = ("IO", "S1", "S1+1", "S2", "END")
#: other names in the same prompt, see `IOIPrompts.corrupted`
Corruption: TypeAlias = Literal["abc", "io", "s", "s2_io", "swap"]
#: those that draw names: the roles whose name is another one
_DRAWN = {"abc": ("IO", "S1", "S2"), "io": ("IO",), "s": ("S1", "S2")}


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
        "" for clean prompts, else "abc", "io", "s", "s2_io" or "swap": see `corrupted`.
    corruption_seed : int or None
        None where nothing was drawn.
    calls : tuple of str
        The Python calls that make it again; empty where none is known.
    """

    items: tuple[IOIPrompt, ...]
    templates: tuple[str, ...]
    names: tuple[NameToken, ...]
    model_id: str
    revision: str | None
    seed: int
    corruption: str = ""
    corruption_seed: int | None = None
    calls: tuple[str, ...] = dataclasses.field(default=(), compare=False)

    # --- a sequence -------------------------------------------------------------------------------------------------

    def __len__(self) -> int:
        """Return the number of prompts."""
        return len(self.items)

    def __iter__(self) -> Iterator[IOIPrompt]:
        """Go through the prompts."""
        return iter(self.items)

    @overload
    def __getitem__(self, index: int) -> IOIPrompt: ...
    @overload
    def __getitem__(self, index: slice) -> IOIPrompts: ...
    def __getitem__(self, index: int | slice) -> IOIPrompt | IOIPrompts:
        """Return one prompt, or the set of a slice."""
        if isinstance(index, slice):
            start, stop, step = index.indices(len(self))
            part = f"prompts[{start}:{max(start, stop)}]"
            calls = (*self.calls, part) if self.calls and step == 1 else ()
            return dataclasses.replace(self, items=self.items[index], calls=calls)
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
    def io_ids(self) -> Array:
        """Token id of each answer."""
        return self._name_ids([prompt.io for prompt in self])

    @property
    def subject_ids(self) -> Array:
        """Token id of each subject."""
        return self._name_ids([prompt.subject for prompt in self])

    @property
    def token_ids(self) -> list[list[int]]:
        """Token ids of each prompt."""
        return [list(prompt.token_ids) for prompt in self]

    @property
    def positions(self) -> dict[str, Array]:
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

    def corrupted(self, how: Corruption = "abc", seed: int | None = 0) -> IOIPrompts:
        """Replace names: same template, same other words, same length, same positions of the roles.

        `io`, `subject`, `answers`, `subjects` and their ids stay those of the clean prompts, because the metric,
        `logit(IO) - logit(S)`, is about these on both runs.

        Parameters
        ----------
        how : {"abc", "io", "s", "s2_io", "swap"}, default "abc"
            "abc": three names, all different and other than the prompt's own, for its three (Wang et al. 2022, p_ABC).
            "io", "s": the same for the indirect object alone, or for the two places of the subject alone; with one seed
            the new names are those of "abc".
            "s2_io": the indirect object's name in place of the second subject, so that the other name is the answer.
            "swap": the two names exchanged everywhere.
        seed : int or None, default 0
            Of the names of "abc", "io" and "s".

        Raises
        ------
        ValueError
            For an unknown corruption, prompts that are corrupted already, or too few names for the first three.
        """
        seed = seed_of(seed)
        check_choice("corruption", how, Corruption)
        if self.corruption:
            raise ValueError(f"These prompts are corrupted already ({self.corruption}). Corrupt the clean ones.")
        if how in _DRAWN and len(self.names) < 5:
            raise ValueError(
                f"{how!r} takes three names beside the prompt's own, five in all, and this set was made with "
                f"{len(self.names)}: {', '.join(one.name for one in self.names)}. Make it with more names."
            )
        rng = np.random.default_rng(seed)
        items = tuple(_renamed(prompt, self._replacements(prompt, how, rng)) for prompt in self)
        return dataclasses.replace(
            self, items=items, corruption=how, corruption_seed=seed if how in _DRAWN else None, calls=()
        )

    def task(self, corruption: Corruption = "s2_io", seed: int | None = 0) -> Task:
        """Return the task of finding the indirect object: the logit difference of the two names.

        Parameters
        ----------
        corruption : {"abc", "io", "s", "s2_io", "swap"}, default "s2_io"
        seed : int or None, default 0
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
        seed = seed_of(seed)
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

    def _replacements(self, prompt: IOIPrompt, how: Corruption, rng: np.random.Generator) -> dict[str, NameToken]:
        """Return the name for each of the three name roles."""
        by_name = {one.name: one for one in self.names}
        io, subject = by_name[prompt.io], by_name[prompt.subject]
        own = {"IO": io, "S1": subject, "S2": subject}
        if how in _DRAWN:
            others = [one for one in self.names if one not in (io, subject)]
            drawn = dict(zip(own, rng.choice(len(others), 3, replace=False), strict=True))
            return own | {role: others[drawn[role]] for role in _DRAWN[how]}
        if how == "s2_io":
            return own | {"S2": io}
        return {"IO": subject, "S1": io, "S2": io}

    def _name_ids(self, names: Sequence[str]) -> Array:
        ids = {one.name: one.id for one in self.names}
        return np.array([ids[name] for name in names], dtype=np.int64)

    # --- tables and files -------------------------------------------------------------------------------------------

    def to_dataframe(self) -> pd.DataFrame:
        """Return a table: text, io, subject, order, template, then the position of each role."""
        import pandas as pd

        names = ("text", "io", "subject", "order", "template")
        columns = {name: [getattr(prompt, name) for prompt in self] for name in names}
        return pd.DataFrame(columns | self.positions)

    def _repr_html_(self) -> str:
        return str(self.to_dataframe()._repr_html_())

    def to_json(self) -> str:
        """Return the set as JSON."""
        return json_text({"result": "IOIPrompts", **dataclasses.asdict(self)}, "This set of prompts", "Draw fewer.")

    @classmethod
    def from_json(cls, text: str) -> IOIPrompts:
        """Return the set that `to_json` wrote.

        Raises
        ------
        ValueError
            When the text is nothing that `to_json` wrote.
        """
        with reading(f"This text is no IOIPrompts written by to_json() (it begins {opening(text)})"):
            read = cls(**decode_fields(cls, fields_of(text, "IOIPrompts")))
            read.to_dataframe()
            return read


def _renamed(prompt: IOIPrompt, new: Mapping[str, NameToken]) -> IOIPrompt:
    """Put other names at the three name roles."""
    ids, tokens = list(prompt.token_ids), list(prompt.tokens)
    for role, name in new.items():
        ids[prompt.positions[role]], tokens[prompt.positions[role]] = name.id, name.token
    roles = {"io": iter(["IO"]), "subject": iter(["S1", "S2"])}
    text = fill(prompt.frame, [new[next(roles[slot])].name for slot in name_slots(prompt.frame)])
    return dataclasses.replace(prompt, text=text, token_ids=tuple(ids), tokens=tuple(tokens))
