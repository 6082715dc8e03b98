"""`TransparencyScore`: how much of what a model does its documentation explains, at least."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from scope_widgets._provenance import Provenance
from scope_widgets._result import Result
from scope_widgets.report.scoring.behaviour_score import BehaviourScore

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False, repr=False)
class TransparencyScore(Result):
    """How much of what a model does its documentation explains, at least.

    Attributes
    ----------
    value : float
        The headline: the lower end of the 95 % interval of `total`, bootstrap over the prompts.
    total, high : float
        The weighted mean of the behaviours' scores, and the upper end.
    behaviours : tuple of BehaviourScore
        In the order of the suite; one that is not documented counts 0.
    suite : str
        Version of the suite: scores of different versions are not compared.
    provenance : Provenance
    """

    plotted_by: ClassVar[str] = "scope_widgets.plots.report:transparency_score"

    value: float
    total: float
    high: float
    behaviours: tuple[BehaviourScore, ...]
    suite: str
    provenance: Provenance

    def __getitem__(self, behaviour: str) -> BehaviourScore:
        """Return the score of a behaviour."""
        for one in self.behaviours:
            if one.behaviour == behaviour:
                return one
        known = ", ".join(one.behaviour for one in self.behaviours)
        raise ValueError(f"There is no score of {behaviour!r}; there are those of {known}.")

    def __repr__(self) -> str:
        """Say the headline, and of what it is made."""
        done = [f"{one.behaviour} {one.value:.3f}" for one in self.behaviours if one.value > 0]
        return (
            f"transparency {self.value:.3f} (lower end of 95 %; total {self.total:.3f}), suite {self.suite}: "
            f"{', '.join(done) or 'nothing'} of {len(self.behaviours)} behaviours"
        )

    def to_dataframe(self) -> pd.DataFrame:
        """Return a table of the behaviours: T, its interval, R, N, kappa, edges and entries."""
        import pandas as pd

        names = ("behaviour", "weight", "value", "low", "high", "R", "N", "kappa")
        more = ("n_edges", "n_all", "n_entries", "prompts", "reason")
        return pd.DataFrame([{name: getattr(one, name) for name in (*names, *more)} for one in self.behaviours])
