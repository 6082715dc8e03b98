"""`Comparison`: a model before and after an intervention, metric by metric."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from scope_widgets._chart import Charted
from scope_widgets._provenance import Provenance
from scope_widgets._types import Array
from scope_widgets.evals.eval_result import EvalResult

if TYPE_CHECKING:
    import pandas as pd

#: what is shown of a metric
Verdict = Literal["changed", "kept", "not shown"]


@dataclass(frozen=True, eq=False, repr=False)
class Comparison(Charted):
    """A model before and after an intervention: paired differences on the same items.

    Attributes
    ----------
    what : str
        The intervention.
    names : tuple of str
        The metrics that both sides have, "facts.efficacy".
    n, clusters : ndarray of int [metric]
        Items that both sides have, and their clusters.
    before, after : ndarray [metric]
        Weighted means over these items.
    difference, low, high : ndarray [metric]
        After minus before, what is rounding as 0, with its 95 % interval: BCa bootstrap of 10,000 draws over clusters
        (where fewer than five of them have changed, no narrower than by the error of Agresti and Min).
    p : ndarray [metric]
        Of no difference: signs of clusters turned; for yes/no that or the exact McNemar test, whichever is larger. NaN
        of one cluster.
    corrected : ndarray [metric]
        The same by Holm over all metrics.
    bound : ndarray [metric]
        The difference that would matter.
    p_kept : ndarray [metric]
        Of a difference of `bound` or more, either way: two one-sided t-tests with errors robust to clusters, by Holm.
    detectable : ndarray [metric]
        The smallest true difference that is found with probability .8, at `alpha` over the number of metrics.
    alpha : float
    of_before, of_after : EvalResult
        Each side by itself, with what the model wrote.
    provenance : Provenance

    Examples
    --------
    >>> head = steering.ScaleHead(3, 1, 0.0)
    >>> done = evals.compare(scope, "perplexity", head, n=8, progress=False)
    >>> set(done.verdicts) <= {"changed", "kept", "not shown"}
    True
    """

    plotted_by: ClassVar[str] = "scope_widgets.plots.evals:eval_comparison"
    chart: ClassVar[str] = "scope_widgets.widgets.figures.charts:ForestChart"

    what: str
    names: tuple[str, ...]
    n: Array
    clusters: Array
    before: Array
    after: Array
    difference: Array
    low: Array
    high: Array
    p: Array
    corrected: Array
    bound: Array
    p_kept: Array
    detectable: Array
    alpha: float
    of_before: EvalResult
    of_after: EvalResult
    provenance: Provenance

    @property
    def within(self) -> Array:
        """Which metrics are shown to differ by less than their bound, `[metric]`; one may have changed all the same."""
        return np.asarray(self.p_kept < self.alpha)

    @property
    def verdicts(self) -> tuple[Verdict, ...]:
        """What is shown of each metric.

        "changed": a difference from 0; "kept": a difference smaller than the bound, and none from 0; "not shown":
        neither, which is no sign of being kept: more items are needed.
        """
        found: list[Verdict] = []
        for corrected, within in zip(self.corrected, self.within, strict=True):
            found.append("changed" if corrected < self.alpha else "kept" if within else "not shown")
        return tuple(found)

    def __getitem__(self, name: str) -> dict[str, object]:
        """Return the row of a metric, "facts.efficacy", as a dict."""
        if name not in self.names:
            raise KeyError(f"There is no {name!r}; there are {', '.join(self.names)}.")
        return {str(key): value for key, value in self.to_dataframe().iloc[self.names.index(name)].items()}

    def _said(self) -> str:
        counts = [f"{self.verdicts.count(one)} {one}" for one in ("changed", "kept", "not shown")]
        return f"{self.what}: of {len(self.names)} metrics {', '.join(counts)}"

    def to_dataframe(self) -> pd.DataFrame:
        """Return a table, a row a metric.

        Columns: metric, before, after, difference, low, high, p (corrected), bound, p_kept, within (the bound is shown
        to hold), verdict, detectable, n, clusters.
        """
        import pandas as pd

        return pd.DataFrame(
            {
                "metric": list(self.names),
                "before": self.before,
                "after": self.after,
                "difference": self.difference,
                "low": self.low,
                "high": self.high,
                "p": self.corrected,
                "bound": self.bound,
                "p_kept": self.p_kept,
                "within": self.within,
                "verdict": list(self.verdicts),
                "detectable": self.detectable,
                "n": self.n,
                "clusters": self.clusters,
            }
        )

    def text(self) -> str:
        """Return it in sentences: what changed, what is kept within which bound, and what is not shown."""
        lines = [f"Intervention: {self.what}. Model: {self.provenance.model}."]
        of_each = zip(
            self.names, self.verdicts, self.before, self.after, self.difference, self.low, self.high, self.bound,
            self.detectable, self.within, strict=True,
        )  # fmt: skip
        said: dict[Verdict, list[str]] = {"changed": [], "kept": [], "not shown": []}
        for name, verdict, before, after, difference, low, high, bound, detectable, within in of_each:
            moved = f"{name} {before:.4g} to {after:.4g} (difference {difference:+.3g}, {low:+.3g} to {high:+.3g}"
            more = {
                "changed": f"; less than the bound of {bound:g}" if within else "",
                "kept": f"; bound {bound:g}",
                "not shown": f"; bound {bound:g}, smallest detectable difference {detectable:.3g}",
            }[verdict]
            said[verdict].append(f"{moved}{more})")
        titles: dict[Verdict, str] = {
            "changed": "Changed",
            "kept": "Kept",
            "not shown": "Neither change nor keeping shown",
        }
        lines += [f"{titles[verdict]}: {'; '.join(found)}." for verdict, found in said.items() if found]
        return "\n".join(lines)
