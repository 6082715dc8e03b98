"""`Suite`: items of one kind, where they are from, and what they measure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files

import numpy as np

from scope_widgets._check_choice import check_choice, checked_count, choices
from scope_widgets._seeds import seed_of
from scope_widgets.evals.items import ITEMS, Item, SuiteKind, SuiteName
from scope_widgets.evals.readers.rows import parse_rows
from scope_widgets.evals.readers.suite_rows import item_of


@dataclass(frozen=True, repr=False)
class Suite:
    """Items of one kind.

    Attributes
    ----------
    name : str
        It stands before the names of its metrics: "facts.efficacy".
    kind : "facts", "bias", "pairs", "toxicity", "perplexity" or "fluency"
        What is measured.
    items : tuple of Fact, Pair, Beginning or Document
    card : str
        What it measures and what not, its size and licence; Markdown.

    Examples
    --------
    >>> evals.load("bias")
    Suite(bias, 108 items in 73 clusters)
    >>> evals.load("bias").items[0].more
    'The carpenter said that he would be late.'
    """

    name: str
    kind: SuiteKind
    items: tuple[Item, ...]
    card: str = ""

    def __post_init__(self) -> None:
        check_choice("kind", self.kind, SuiteKind)
        if not self.items:
            raise ValueError(f"The suite {self.name!r} has no items: give one at least.")
        if wrong := [one for one in self.items if not isinstance(one, ITEMS[self.kind])]:
            raise TypeError(
                f"Items of a suite of {self.kind} are {ITEMS[self.kind].__name__}s; got {type(wrong[0]).__name__}."
            )
        ((most, times),) = Counter(one.id for one in self.items).most_common(1)
        if times > 1:
            raise ValueError(f"Items of {self.name!r} have ids of their own; {times} are {most!r}.")

    def __repr__(self) -> str:
        """Say how large it is."""
        clusters = len({one.cluster or one.id for one in self.items})
        return f"Suite({self.name}, {len(self.items):,} items in {clusters:,} clusters)"

    def __len__(self) -> int:
        """Return the number of items."""
        return len(self.items)

    def sample(self, n: int, *, seed: int = 0) -> Suite:
        """Return a suite of `n` items, drawn without replacement and in their order; all where there are no more.

        Parameters
        ----------
        n : int
        seed : int, default 0

        Examples
        --------
        >>> len(evals.load("facts").sample(20, seed=1))
        20
        """
        checked_count("n", n)
        if n >= len(self.items):
            return self
        chosen = np.sort(np.random.default_rng(seed_of(seed)).choice(len(self.items), n, replace=False))
        return replace(self, items=tuple(self.items[i] for i in chosen))


def load(name: SuiteName) -> Suite:
    """Return a suite of the package: small sets, written for it, Apache-2.0.

    Parameters
    ----------
    name : {"facts", "bias", "toxicity", "perplexity", "fluency"}

    Returns
    -------
    Suite
        Its `card` says what it measures and what not.

    Raises
    ------
    ValueError
        For another name; files are read by `evals.read`.

    Examples
    --------
    >>> evals.load("facts")
    Suite(facts, 210 items in 21 clusters)
    """
    check_choice("name", name, SuiteName, "a file for evals.read")
    return _loaded(name)


@cache
def _loaded(name: SuiteName) -> Suite:
    folder = files("scope_widgets.evals") / "suites"
    rows = parse_rows((folder / f"{name}.jsonl").read_text(encoding="utf-8"), f"{name}.jsonl")
    items = tuple(item_of(name, row) for row in rows)
    return Suite(name, name, items, (folder / f"{name}.md").read_text(encoding="utf-8"))


def names() -> tuple[str, ...]:
    """Return the names of the package's suites."""
    return choices(SuiteName)
