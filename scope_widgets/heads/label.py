"""`label`: names of heads, each with the score, threshold and null that justify it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import torch

from scope_widgets._aliases import former_options
from scope_widgets._provenance import Provenance
from scope_widgets._reproducing_calls import python_call
from scope_widgets._result import Result
from scope_widgets._types import Array
from scope_widgets.experiments.statistics.rounding import levels, noise_floor
from scope_widgets.heads.head_scores import HeadScores

if TYPE_CHECKING:
    import pandas as pd

#: label -> the score from which on a head has it. 0.4 is the customary threshold: a convention, not a finding.
THRESHOLDS: dict[str, float] = {
    "induction": 0.4,
    "duplicate_token": 0.4,
    "previous_token": 0.4,
    "current_token": 0.4,
    "first_token": 0.4,
    "uniform": 0.95,
}
#: what rounding alone may make of a score, a share of attention
_FLOOR = noise_floor(torch.float32, 1.0)
_STATISTIC = {"uniform": "normalised_entropy"}
_LETTERS = {
    "induction": "I",
    "duplicate_token": "D",
    "previous_token": "P",
    "current_token": "C",
    "first_token": "F",
    "uniform": "U",
}


@dataclass(frozen=True, eq=False, repr=False)
class HeadLabels(Result):
    """Labels of heads, one row a label; a head may have several, the best first.

    Attributes
    ----------
    layer, head : ndarray of int [row]
    label, statistic : list of str [row]
        The statistic is the one that was compared with the threshold.
    score, threshold, null_p : ndarray [row]
        null_p is NaN where the statistic has no null.
    thresholds : dict of str to float
        The threshold that each statistic was compared with, also where no head reached it.
    provenance : Provenance
    """

    view: ClassVar[str] = "scope_widgets.widgets.head_table:HeadTable"
    plotted_by: ClassVar[str] = "scope_widgets.plots.heads:head_labels"
    title: ClassVar[str] = "Labels of heads"

    layer: Array
    head: Array
    label: list[str]
    statistic: list[str]
    score: Array
    threshold: Array
    null_p: Array
    thresholds: dict[str, float]
    provenance: Provenance

    def letters(self) -> dict[tuple[int, int], str]:
        """Return the letter of the best label of each labelled head, by (layer, head)."""
        best: dict[tuple[int, int], str] = {}
        for layer, head, name in zip(self.layer, self.head, self.label, strict=True):
            best.setdefault((int(layer), int(head)), _LETTERS[name])
        return best

    def of(self, layer: int, head: int) -> list[str]:
        """Return the labels of one head, the best first."""
        rows = zip(self.layer, self.head, self.label, strict=True)
        return [name for *of, name in rows if of == [layer, head]]

    def to_dataframe(self) -> pd.DataFrame:
        """Return a table: layer, head, label, statistic, score, threshold, null_p."""
        import pandas as pd

        names = ("layer", "head", "label", "statistic", "score", "threshold", "null_p")
        return pd.DataFrame({name: getattr(self, name) for name in names})


@former_options("thresholds")
def label(scores: HeadScores, *, thresholds: Mapping[str, float] | None = None, max_null_p: float = 0.1) -> HeadLabels:
    """Label the heads whose score reaches its threshold and stands out from its null.

    Parameters
    ----------
    scores : HeadScores
        Of `score` or `score_repeated_tokens`.
    thresholds : mapping of label to float, optional
        Replaces single values of `THRESHOLDS`; a label with threshold infinity is not given.
    max_null_p : float, default 0.1
        A label is given only where at most this share of null draws reaches the score. It guards short prompts, in
        which a head attends anywhere by chance. Scores without a null (uniform, long prompts scored in tiles,
        null_draws=0) are compared with the threshold alone, and their null_p is NaN.

    Returns
    -------
    HeadLabels
        One row a label, with the score, threshold and p that justify it.

    Raises
    ------
    ValueError
        For an unknown label.

    Examples
    --------
    >>> scores = heads.score_repeated_tokens(scope, n=1, length=20)
    >>> labels = heads.label(scores, thresholds={"induction": 0.5})
    >>> labels.of(3, 1)
    ['induction']
    """
    unknown = set(thresholds or ()) - set(THRESHOLDS)
    if unknown:
        raise ValueError(f"No label {', '.join(sorted(unknown))}; thresholds can be set for {', '.join(THRESHOLDS)}.")
    rows: list[tuple[int, int, str, str, float, float, float]] = []
    used: dict[str, float] = {}
    for name, threshold in {**THRESHOLDS, **(thresholds or {})}.items():
        statistic = _STATISTIC.get(name, name)
        values = scores.statistics.get(statistic)
        if values is None or threshold == np.inf:
            continue
        used[statistic] = threshold
        p = scores.null_p.get(statistic, np.full_like(values, np.nan))
        for layer, head in np.argwhere((values >= threshold - _FLOOR) & ~(p > max_null_p)):
            of = int(layer), int(head)
            rows.append((*of, name, statistic, float(values[of]), threshold, float(p[of])))
    # heads with nothing to do rest on the first token, so that name says least about a head that earned another
    size = dict(zip(rows, levels([row[4] for row in rows], _FLOOR).tolist(), strict=True))
    rows.sort(key=lambda row: (row[0], row[1], row[2] != "uniform", row[2] == "first_token", -size[row]))
    columns = list(zip(*rows, strict=True)) if rows else [()] * 7
    return HeadLabels(
        layer=np.array(columns[0], dtype=np.int64),
        head=np.array(columns[1], dtype=np.int64),
        label=list(columns[2]),
        statistic=list(columns[3]),
        score=np.array(columns[4], dtype=np.float64),
        threshold=np.array(columns[5], dtype=np.float64),
        null_p=np.array(columns[6], dtype=np.float64),
        thresholds=used,
        provenance=scores.provenance.then(
            python_call("heads.label", "scores", thresholds=thresholds, max_null_p=max_null_p)
        ),
    )
