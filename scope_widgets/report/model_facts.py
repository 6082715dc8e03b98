"""`Architecture`: what a model is made of, each fact with how it was checked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from scope_widgets._provenance import Provenance
from scope_widgets._result import Result

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Fact:
    """One fact of a model.

    Attributes
    ----------
    name, value : str
    config : str
        What the configuration says of it; empty where nothing.
    checked : bool
        Whether weights or a forward show it; else it is what the configuration says, and no more.
    how : str
        How it was checked, or why not.
    """

    name: str
    value: str
    config: str
    checked: bool
    how: str


@dataclass(frozen=True, eq=False, repr=False)
class Architecture(Result):
    """What a model is made of.

    Attributes
    ----------
    facts : tuple of Fact
    provenance : Provenance
    """

    plotted_by: ClassVar[str] = "scope_widgets.plots.report:architecture"

    facts: tuple[Fact, ...]
    provenance: Provenance

    def __getitem__(self, name: str) -> Fact:
        """Return a fact by its name."""
        for fact in self.facts:
            if fact.name == name:
                return fact
        raise ValueError(f"There is no fact {name!r}; there are {', '.join(fact.name for fact in self.facts)}.")

    def to_dataframe(self) -> pd.DataFrame:
        """Return a table: name, value, config, checked, how."""
        import pandas as pd

        return pd.DataFrame([vars(fact) for fact in self.facts], columns=["name", "value", "config", "checked", "how"])
