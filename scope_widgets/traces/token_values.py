"""`TokenValues`: numbers of the tokens of a text, one or several a token."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from scope_widgets._check_choice import checked_count
from scope_widgets._provenance import Provenance
from scope_widgets._result import Result
from scope_widgets._types import Array

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False, repr=False)
class TokenValues(Result):
    """Numbers of the tokens of one text, which displays as the text coloured by them.

    Attributes
    ----------
    tokens : list of str
    names : list of str [column]
        What the numbers are, each another.
    values : ndarray [column, token]
        NaN where a token has none.
    units : list of str [column]
        "" of what has none.
    provenance : Provenance
    """

    view: ClassVar[str] = "scope_widgets.widgets.token_view:TokenView"
    plotted_by: ClassVar[str] = "scope_widgets.plots.lens:token_values"

    tokens: list[str]
    names: list[str]
    values: Array
    units: list[str]
    provenance: Provenance

    def __post_init__(self) -> None:
        expected = (len(self.names), len(self.tokens))
        if np.shape(self.values) != expected or len(self.units) != len(self.names):
            raise ValueError(
                f"There are {len(self.names)} columns of {len(self.tokens)} tokens, and numbers of shape "
                f"{list(np.shape(self.values))} with {len(self.units)} units: expected one a column and token."
            )
        if len(set(self.names)) < len(self.names):
            raise ValueError(f"Each column has a name of its own; got {self.names!r:.200}.")

    @property
    def model_id(self) -> str:
        """Hub id or folder name of the model."""
        return self.provenance.model

    def __getitem__(self, name: str) -> Array:
        """Return the numbers of a column `[token]`.

        Raises
        ------
        KeyError
            Where there is no such column.
        """
        if name not in self.names:
            raise KeyError(f"There is no column {name!r:.60}: there are {', '.join(self.names)}.")
        found: Array = self.values[self.names.index(name)]
        return found

    def _said(self) -> str:
        return f"{len(self.tokens):,} tokens; {'; '.join(self.names)}"[:200]

    def to_dataframe(self) -> pd.DataFrame:
        """Return a table, a row a token: position, token, then the columns."""
        import pandas as pd

        columns = dict(zip(self.names, self.values, strict=True))
        return pd.DataFrame({"position": range(len(self.tokens)), "token": self.tokens, **columns})

    def top(self, n: int = 10) -> pd.DataFrame:
        """Return the `n` tokens whose number in the first column is largest as a table, ties in their order."""
        n = checked_count("n", n)
        size = np.where(np.isnan(self.values[0]), -np.inf, self.values[0])
        order = np.argsort(-size, kind="stable")
        return self.to_dataframe().iloc[order[: min(n, int(np.isfinite(size).sum()))]]
