"""The interventions of one prompt that several views show and change: one list, and what it does to the next token."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import Any, Protocol
from weakref import WeakKeyDictionary, WeakSet, ref

import numpy as np

from scope_widgets._job import Job, JobStatus, Steps
from scope_widgets.models.tokens import token_texts
from scope_widgets.steering import Intervention, PatchActivation, ScaleHead, Session, Steered
from scope_widgets.widgets.core.intervention_names import LATENTS, at_words, named, number
from scope_widgets.widgets.core.prompt_line import PromptFollower

#: changes that can be undone
MOST_UNDONE = 100


@dataclass(frozen=True)
class Row:
    """An intervention with the strength at which it stands; one that is off does nothing."""

    intervention: Intervention
    key: str
    strength: float
    on: bool = True

    @property
    def effective(self) -> float:
        """The strength at which it acts."""
        return self.strength if self.on else self.intervention.neutral


#: makes other rows of those of now
Change = Callable[[list[Row]], list[Row]]


class InterventionsFollower(Protocol):
    """What shows a list of interventions."""

    #: it has a slider for each
    is_panel: bool

    def follow_interventions(self) -> None:
        """Show the list as it is now."""


class SharedInterventions(PromptFollower):
    """One prompt's interventions with their strengths, which all views that share it show.

    A change is computed first and made then: one that is stopped or fails leaves all as it was.

    Parameters
    ----------
    session : Session
        Its interventions are the first rows.

    Attributes
    ----------
    session : Session
        What the model is asked by: its interventions are the rows, not their strengths.
    rows : list of Row
        In the order in which they act.
    number : int
        Of two lists, the older one has the smaller.
    """

    def __init__(self, session: Session) -> None:
        self._views: WeakSet[Any] = WeakSet()
        self.number = next(_NUMBERS)
        self._undo: list[tuple[str, Row | None]] = []
        self._found: Steered | None = None
        self.session = session
        keys = named(session.interventions, ())
        self.rows = [
            Row(one, key, strength)
            for one, key, strength in zip(session.interventions, keys, session.strengths, strict=True)
        ]
        _LISTS[session] = ref(self)

    @classmethod
    def of(cls, session: Session) -> SharedInterventions:
        """Return the list that a session came from, or one of its own."""
        known = _LISTS.get(session)
        found = None if known is None else known()
        return cls(session) if found is None else found

    def move_to(self, session: Session) -> None:
        """Take a session of another prompt with the same interventions."""
        self.session, self._found = session, None
        _LISTS[session] = ref(self)

    # -- who shows it

    def join(self, view: InterventionsFollower) -> None:
        """Keep `view` informed."""
        self._views.add(view)

    def leave(self, view: InterventionsFollower) -> None:
        """Forget `view`."""
        self._views.discard(view)

    def views(self) -> list[Any]:
        """Return the views that show it."""
        return list(self._views)

    @property
    def in_panel(self) -> bool:
        """Whether a panel shows it, which carries it to other prompts and is asked for what it does."""
        return any(view.is_panel for view in self._views)

    def _tell(self) -> None:
        for view in list(self._views):
            view.follow_interventions()

    # -- what acts

    @property
    def effective(self) -> tuple[float, ...]:
        """The strengths at which the interventions act."""
        return tuple(row.effective for row in self.rows)

    @property
    def acts(self) -> bool:
        """Whether any of them does something."""
        neutral = [row.intervention.neutral for row in self.rows]
        return not np.array_equal(self.effective, neutral, equal_nan=True)

    @property
    def keys(self) -> list[str]:
        """A name of its own for each row."""
        return [row.key for row in self.rows]

    @property
    def can_undo(self) -> bool:
        """Whether there is a change to take back."""
        return bool(self._undo)

    def as_it_stands(self) -> Session:
        """Return the session whose interventions have the strengths of now, as shown."""
        if self.effective == tuple(row.intervention.strength for row in self.rows):
            return self.session
        held = [row.intervention.with_strength(row.effective) for row in self.rows]
        found = self.session.submit_changed(held).result(progress=False)
        _LISTS[found] = ref(self)
        return found

    # -- changing it

    def put(self, change: Change, *, measure: bool = True) -> Steps[Steered | None]:
        """Change rows; with `measure` first find out what they do, which is returned.

        Raises
        ------
        TypeError, ValueError
            For an intervention that this model cannot have.
        """
        while True:
            before, base = self.rows, self.session
            rows = change(list(before))
            wanted = [row.intervention for row in rows]
            session = base
            if len(wanted) != len(base.interventions) or any(one not in base.interventions for one in wanted):
                session = yield from base.submit_changed(wanted).follow()
                place = {id(one): at for at, one in enumerate(session.interventions)}
                rows.sort(key=lambda row: place[id(row.intervention)])
            found = None
            if measure:
                yield JobStatus("running", "running the model")
                (found,) = yield from session.submit_grid([[row.effective for row in rows]]).follow()
            if before is self.rows and base is self.session:
                break  # else somebody else changed it meanwhile
        self._remember(before, rows)
        self.session, self.rows = session, rows
        _LISTS[session] = ref(self)
        if found is not None or session is not base:
            self._found = found
        self._tell()
        return found

    def put_now(self, change: Change) -> None:
        """Change rows, without asking what they do."""
        Job(self.put(change, measure=False)).result(progress=False)

    def set(self, strengths: Sequence[float], on: Sequence[bool]) -> None:
        """Move rows, as sliders do: what they remember themselves is not to be undone here."""
        rows = [
            replace(row, strength=strength, on=is_on)
            for row, strength, is_on in zip(self.rows, strengths, on, strict=True)
        ]
        if rows != self.rows:
            self.rows = rows
            self._tell()

    def undo(self, *, measure: bool = True) -> Steps[Steered | None]:
        """Take back the last change that is still there."""
        while self._undo:
            key, former = self._undo[-1]
            now = next((row for row in self.rows if row.key == key), None)
            if now == former:
                self._undo.pop()
                continue
            kept = self._undo[:-1]
            found = yield from self.put(_back(key, former), measure=measure)
            self._undo = kept
            self._tell()
            return found
        return None

    def _remember(self, before: list[Row], after: list[Row]) -> None:
        old, new = ({row.key: row for row in rows} for rows in (before, after))
        changed = [(key, old.get(key)) for key in {**old, **new} if old.get(key) != new.get(key)]
        self._undo = [*self._undo, *changed][-MOST_UNDONE:]

    # -- what it does

    @property
    def found(self) -> Steered | None:
        """What comes next under the rows as they are; None where it is not known."""
        found = self._found
        return found if found is not None and found.strengths == self.effective else None

    def know(self, session: Session, found: Steered) -> None:
        """Take what somebody found out for strengths of a session, where it is of now."""
        if session is self.session and found.strengths == self.effective and self.found is None:
            self._found = found
            self._tell()

    # -- another prompt, where no panel carries it

    def made_of(self, text: str, trace: Any) -> Steps[Callable[[], None]]:
        """Make a session of another prompt with the same interventions, and ask it for what they do."""
        old, row = self.session, self.effective
        answer, versus = old.answers or (None, None)
        if self.compared_of is not None:
            compared = yield from self.compared_of(trace)
            answer, versus = compared["answer"], compared["versus"]
        job = type(old).submit_new(old.scope, text, old.interventions, answer=answer, versus=versus)
        session = yield from job.follow()
        (found,) = yield from session.submit_grid([row]).follow()

        def put() -> None:
            if session.interventions == self.session.interventions:
                self.move_to(session)
                self._found = found
                self._tell()

        return put


_NUMBERS = count()
#: lists, by the sessions that came from them
_LISTS: WeakKeyDictionary[Session, ref[SharedInterventions]] = WeakKeyDictionary()


def with_intervention(one: Intervention, strength: float) -> Change:
    """Return the change that adds an intervention, or moves the row that does the same to the same."""

    def change(rows: list[Row]) -> list[Row]:
        at = next((i for i, row in enumerate(rows) if _acts_where(row.intervention) == _acts_where(one)), len(rows))
        if at < len(rows) and rows[at].intervention.name == one.name:
            return [*rows[:at], replace(rows[at], strength=strength, on=True), *rows[at + 1 :]]
        key = named([one], [(row.intervention, row.key) for row in rows])[0]
        return [*rows[:at], Row(one, key, strength), *rows[at + 1 :]]

    return change


def without(key: str) -> Change:
    """Return the change that takes a row away."""
    return lambda rows: [row for row in rows if row.key != key]


def described(rows: Iterable[Row], length: int) -> list[dict[str, Any]]:
    """Describe rows for the browser, of a prompt of so many tokens."""
    return [
        {
            "key": row.key,
            "name": row.intervention.name,
            "kind": row.intervention.kind,
            "site": "latent" if isinstance(row.intervention, LATENTS) else row.intervention.site,
            "layer": row.intervention.layer,
            "index": _index_of(row.intervention),
            "at": at_words(row.intervention.positions, length),
            "strength": number(row.strength),
            "neutral": number(row.intervention.neutral),
            "on": row.on,
        }
        for row in rows
    ]


def effect_of(found: Steered | None) -> dict[str, Any]:
    """Say what interventions do to the next token; empty where it is not known.

    Its numbers: the divergence from the model as it is, the logit difference before and after, the most probable token
    before and after, and the log-probability, before and after, of the one before.
    """
    if found is None:
        return {}
    before, after = found.unsteered.order[0], found.steered.order[0]
    texts = token_texts(found.tokenizer, [before, after])
    difference = None if found.answers is None else found.unsteered.difference(found.answers)
    return {
        "kl": found.kl,
        "difference": None if difference is None else [difference, found.difference],
        "next": texts,
        "log_probability": [float(one.log_probabilities[before]) for one in (found.unsteered, found.steered)],
        "probability": [
            float(found.unsteered.probabilities[before]),
            float(found.steered.probabilities[after]),
        ],
    }


def _index_of(one: Intervention) -> int | None:
    """Return the number of its head, neuron or latent."""
    found = (vars(one).get(name) for name in ("head", "neuron", "latent"))
    return next((int(index) for index in found if index is not None), None)


def _back(key: str, former: Row | None) -> Change:
    """Return the change that makes a row what it was."""

    def change(rows: list[Row]) -> list[Row]:
        if former is None:
            return without(key)(rows)
        found = [former if row.key == key else row for row in rows]
        return found if former in found else [*found, former]

    return change


def _acts_where(one: Intervention) -> tuple[Any, ...]:
    """Return what an intervention changes, in what way: of two such the later takes the place of the earlier."""
    if isinstance(one, (PatchActivation, ScaleHead)):  # what is scaled is not frozen, and the reverse
        return one.site, one.layer, one.head, one.positions
    if isinstance(one, LATENTS):  # what is scaled is not held
        return one.together, one.latent, one.positions
    return one.kind, one.name, one.layer, one.positions
