"""The suite: the behaviours that a documentation is scored on, fixed and numbered."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from scope_widgets.experiments.named_tasks import make_task
from scope_widgets.experiments.task import Task
from scope_widgets.models.microscope import Microscope
from scope_widgets.report.text_task import text_task


@dataclass(frozen=True, eq=False)
class Behaviour:
    """Something that models do, of which as many prompts can be made as are needed.

    Attributes
    ----------
    name : str
    make : callable
        `make(scope, n=, seed=) -> Task`: pairs of a clean and a corrupted prompt. The same seed makes the same pairs,
        and another seed others.
    dependences : tuple of tuple of str
        Sets of roles (`report.claims`) on which components of it may depend, the most specific first: what writers try.
    weight : float
        In the total.
    """

    name: str
    make: Callable[..., Task]
    dependences: tuple[tuple[str, ...], ...] = (("clue",),)
    weight: float = 1.0


@dataclass(frozen=True, eq=False)
class Suite:
    """Behaviours with their weights; documentations are compared within one version of one suite only.

    Attributes
    ----------
    version : str
    behaviours : tuple of Behaviour
    """

    version: str
    behaviours: tuple[Behaviour, ...]

    def __post_init__(self) -> None:
        """Check that names are told apart and something is weighed."""
        names = [one.name for one in self.behaviours]
        if len(set(names)) < len(names) or not names or sum(one.weight for one in self.behaviours) <= 0:
            raise ValueError(f"A suite has behaviours with different names and weights above 0; got {names}.")

    def __getitem__(self, name: str) -> Behaviour:
        """Return a behaviour by its name."""
        for one in self.behaviours:
            if one.name == name:
                return one
        raise ValueError(
            f"The suite {self.version!r} has no behaviour {name!r}; it has "
            f"{', '.join(one.name for one in self.behaviours)}."
        )

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the behaviours."""
        return tuple(one.name for one in self.behaviours)

    @property
    def weights(self) -> dict[str, float]:
        """What each behaviour counts in the total; together 1."""
        total = sum(one.weight for one in self.behaviours)
        return {one.name: one.weight / total for one in self.behaviours}


def _named(name: str) -> Callable[..., Task]:
    def make(scope: Microscope, *, n: int, seed: int) -> Task:
        return make_task(scope, name, n=n, seed=seed)  # type: ignore[arg-type]

    return make


#: of the task of induction: the three words that come again, and the one that is next
_REPEATED: Final = ("END-2", "END-1", "END", "answer")

#: version 1: six behaviours of equal weight. A change of any of them is another version
SUITE: Final = Suite(
    "1",
    (
        Behaviour("ioi", _named("ioi"), (("IO",), ("S",), ("IO", "S"))),
        Behaviour("greater_than", _named("greater_than"), (("clue",), ("clue", "END"))),
        Behaviour("induction", _named("induction"), (("answer",), ("END",), ("END", "answer"), _REPEATED)),
        Behaviour("agreement", _named("agreement"), (("answer",), ("clue",))),
        Behaviour("capitals", _named("capitals"), (("answer",), ("clue",))),
        Behaviour("next_token", text_task, (("END",), ("END", "END-1"))),
    ),
)


def pairs_of(
    scope: Microscope, behaviour: Behaviour, *, n: int, seed: int, seen: Sequence[str] = (), spare: int = 0
) -> Task:
    """Return pairs of a behaviour that are not among those that were seen; the first `n` of them are for tests.

    Parameters
    ----------
    scope : Microscope
    behaviour : Behaviour
    n : int
    seed : int
    seen : sequence of str
        Digests of clean prompts, see `digest_of`.
    spare : int, default 0
        How many more are returned where there are as many.

    Raises
    ------
    ValueError
        Where there are none: the tokenizer lacks the words, or all were seen.
    """
    known, asked, task = set(seen), n + spare + len(seen), None
    while task is None:
        try:
            task = behaviour.make(scope, n=asked, seed=seed)
        except ValueError:
            if asked <= n // 2 or asked < 8:
                raise
            asked = max(asked * 2 // 3, min(n // 2, asked - 1))  # there are only so many different ones
    left = [at for at, row in enumerate(task.clean) if digest_of(row) not in known][: n + spare]
    if not left:
        raise ValueError(f"All {len(task)} pairs of {behaviour.name!r} that could be drawn were seen in discovery.")
    return replace(task.only(left), name=behaviour.name)


def digest_of(token_ids: Sequence[int]) -> str:
    """Return a short digest of a prompt, by which it is known again.

    Examples
    --------
    >>> from scope_widgets.report.suite import digest_of
    >>> digest_of([1, 2, 3])
    '8a6ae15122001229'
    """
    return hashlib.sha256(",".join(map(str, token_ids)).encode()).hexdigest()[:16]
