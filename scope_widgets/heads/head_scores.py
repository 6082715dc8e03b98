"""`HeadScores`: one number for each layer, head and statistic."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from scope_widgets._provenance import Provenance
from scope_widgets._result import Result
from scope_widgets._types import Array
from scope_widgets.experiments.statistics.rounding import rank

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False, repr=False)
class HeadScores(Result):
    """Statistics of all heads of a model.

    Attributes
    ----------
    statistics : dict of str to ndarray [layer, head]
        By the names of the field: entropy (nats), normalised_entropy, previous_token, current_token, first_token,
        duplicate_token, induction (shares of attention, 0 to 1), sparsity. NaN where the prompt leaves it undefined.
    null_p : dict of str to ndarray [layer, head]
        Share of null draws that reach the score, `(1 + reached) / (1 + draws)`; which null, says `score`.
    n_prompts : int
        Over how many prompts each score is the mean.
    provenance : Provenance
    """

    view: ClassVar[str] = "scope_widgets.widgets.head_table:HeadTable"
    plotted_by: ClassVar[str] = "scope_widgets.plots.heads:head_scores"
    title: ClassVar[str] = "Attention statistics of heads"

    statistics: dict[str, Array]
    null_p: dict[str, Array]
    n_prompts: int
    provenance: Provenance

    @property
    def n_layers(self) -> int:
        """Number of layers."""
        return int(next(iter(self.statistics.values())).shape[0])

    @property
    def n_heads(self) -> int:
        """Number of heads of each layer."""
        return int(next(iter(self.statistics.values())).shape[1])

    @property
    def model_id(self) -> str:
        """Hub id or folder name of the model."""
        return self.provenance.model

    def __getitem__(self, statistic: str) -> Array:
        """Return one statistic, `[layer, head]`.

        Raises
        ------
        KeyError
            When there is no such statistic; names those that there are.
        """
        if statistic not in self.statistics:
            raise KeyError(f"These scores have no statistic {statistic!r}; they have {', '.join(self.statistics)}.")
        return self.statistics[statistic]

    def top(self, statistic: str, n: int = 10) -> list[tuple[int, int, float]]:
        """Return the `n` heads with the largest score as (layer, head, score), the largest first."""
        scores = self[statistic]
        order = [i for i in rank(scores) if np.isfinite(scores.flat[i])][:n]
        return [(int(i) // self.n_heads, int(i) % self.n_heads, float(scores.flat[i])) for i in order]

    def to_dataframe(self) -> pd.DataFrame:
        """Return a table: layer, head, then one column for each statistic."""
        import pandas as pd

        layers, heads = np.mgrid[: self.n_layers, : self.n_heads]
        columns = {"layer": layers.ravel(), "head": heads.ravel()}
        return pd.DataFrame(columns | {name: values.ravel() for name, values in self.statistics.items()})
