"""`compare_heads`: which heads differ between two sets of prompts."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
import torch

from scope_widgets._check_choice import check_choice
from scope_widgets._provenance import Provenance
from scope_widgets._result import Result
from scope_widgets._types import Array
from scope_widgets.experiments.statistics.multiple_comparisons import Correction, correct
from scope_widgets.experiments.statistics.rounding import levels, noise_floor, settled

if TYPE_CHECKING:
    import pandas as pd

    from scope_widgets.heads.factual_recall.subject_attention import SubjectAttention

Test = Literal["t", "welch", "paired-t", "mann-whitney"]
#: name of a test -> what its effect size is called
_EFFECT_SIZE: dict[Test, str] = {
    "t": "cohens_d",
    "welch": "cohens_d",
    "paired-t": "cohens_d",
    "mann-whitney": "rank_biserial",
}


@dataclass(frozen=True, eq=False, repr=False)
class HeadComparison(Result):
    """The difference of each head's scores between two sets of prompts.

    Attributes
    ----------
    layer, head : ndarray of int [row]
    effect : ndarray [row]
        Mean of the first minus mean of the second.
    low, high : ndarray [row]
        95 % interval of the effect, of this head alone; NaN for "mann-whitney", which is not about means.
    size : ndarray [row]
        The effect on a scale of its own: Cohen's d (over the pooled standard deviation; of pairs: over that of their
        differences), or the rank-biserial correlation, the share of pairs of prompts in which the first is larger
        minus that in which it is smaller.
    p, p_corrected : ndarray [row]
        Two-sided. NaN where a head's scores leave the test undefined, such as no difference anywhere.
    different : ndarray of bool [row]
        Whether the corrected p is below alpha.
    test : {"t", "welch", "paired-t", "mann-whitney"}
    correction : {"bonferroni", "holm", "bh", "by"}
    alpha : float
        The level that corrected p values were compared with.
    n_prompts : list of int
        Of the first and the second.
    provenance : Provenance
    """

    view: ClassVar[str] = "scope_widgets.widgets.head_table:HeadTable"
    plotted_by: ClassVar[str] = "scope_widgets.plots.heads:ranked_heads"
    title: ClassVar[str] = "Heads, first minus second set of prompts"

    layer: Array
    head: Array
    effect: Array
    low: Array
    high: Array
    size: Array
    p: Array
    p_corrected: Array
    different: Array
    test: Test
    correction: Correction
    alpha: float
    n_prompts: list[int]
    provenance: Provenance

    def to_dataframe(self) -> pd.DataFrame:
        """Return a table: layer, head, effect, low, high, cohens_d or rank_biserial, p, p_corrected, different."""
        import pandas as pd

        names = ("layer", "head", "effect", "low", "high", "size", "p", "p_corrected", "different")
        table = pd.DataFrame({name: getattr(self, name) for name in names})
        return table.rename(columns={"size": _EFFECT_SIZE[self.test]})


def compare_heads(
    a: Array | SubjectAttention,
    b: Array | SubjectAttention,
    *,
    test: Test = "t",
    correction: Correction = "holm",
    alpha: float = 0.05,
) -> HeadComparison:
    """Test each head for a difference between two sets of prompts.

    Parameters
    ----------
    a, b : ndarray [prompt, layer, head] or SubjectAttention
        The sets may have different numbers of prompts, except for "paired-t". NaN is a score that a prompt leaves
        undefined: the head is tested without it.
    test : {"t", "welch", "paired-t", "mann-whitney"}, default "t"
        Student's t of equal variances, Welch's of unequal ones, the t of pairs (prompt i of `a` with prompt i of `b`),
        or the rank test.
    correction : {"bonferroni", "holm", "bh", "by"}, default "holm"
        For the number of heads; see `correct`.
    alpha : float, default 0.05
        The level that corrected p values are compared with.

    Returns
    -------
    HeadComparison
        One row a head: the effect with its 95 % interval, its size, p, corrected p, and whether the sets differ.

    Raises
    ------
    ValueError
        For other shapes, fewer than two prompts, or a name that is not known.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> base, other = rng.normal(0.2, 0.1, (2, 30, 4, 4))  # 30 prompts each
    >>> other[:, 3, 1] += 0.5
    >>> found = heads.compare_heads(other, base, test="welch")
    >>> found.to_dataframe().query("different")[["layer", "head"]].values.tolist()
    [[3, 1]]
    """
    check_choice("test", test, Test)
    if not 0 < alpha < 1:
        raise ValueError(f"alpha= is a level between 0 and 1, such as 0.05; got {alpha}.")
    provenance = getattr(a, "provenance", None) or Provenance(model="")
    first, second = _scores(a, "a"), _scores(b, "b")
    if first.shape[1:] != second.shape[1:]:
        raise ValueError(
            f"Both sets must be of the same heads; got {_sizes(first)} and {_sizes(second)}. Compare scores of one "
            "model."
        )
    if test == "paired-t" and len(first) != len(second):
        raise ValueError(
            f"'paired-t' pairs prompt i of a with prompt i of b, and they have {len(first)} and {len(second)} prompts. "
            "Give equally many, or use test='welch'."
        )
    layers, heads = np.indices(first.shape[1:]).reshape(2, -1)
    first, second = (scores.reshape(len(scores), -1) for scores in (first, second))
    floor = noise_floor(torch.float32, max(float(np.nan_to_num(np.abs(scores)).max()) for scores in (first, second)))
    if test == "mann-whitney":
        tested = _compare_ranks(first, second, floor)
    else:
        tested = _compare_means(first, second, test, floor)
    p_corrected = correct(tested["p"], method=correction)
    return HeadComparison(
        layer=layers,
        head=heads,
        **tested,
        p_corrected=p_corrected,
        different=p_corrected < alpha,
        test=test,
        correction=correction,
        alpha=alpha,
        n_prompts=[len(first), len(second)],
        provenance=provenance,
    )


def _scores(values: Array | SubjectAttention, name: str) -> Array:
    scores = np.asarray(getattr(values, "per_prompt", values), dtype=np.float64)
    if scores.ndim != 3 or 0 in scores.shape[1:]:
        raise ValueError(f"{name} must be scores [prompt, layer, head]; got an array of shape {scores.shape}.")
    if len(scores) < 2:
        raise ValueError(f"A test needs at least 2 prompts, better 20; {name} has {len(scores)}.")
    return scores


def _sizes(scores: Array) -> str:
    return f"{scores.shape[1]} layers x {scores.shape[2]} heads"


def _compare_means(a: Array, b: Array, test: Test, floor: float) -> dict[str, Array]:
    """Compare means of `[prompt, row]`, in which differences up to `floor` are rounding."""
    from scipy import stats

    with warnings.catch_warnings(), np.errstate(invalid="ignore", divide="ignore"):
        # scores that are all the same are no accident here: a head may not attend at all; nor are heads without scores
        warnings.filterwarnings("ignore", message="Precision loss|Mean of empty|Degrees of freedom|.*too small")
        if test == "paired-t":
            differences = settled(a - b, floor)
            result = stats.ttest_rel(differences, 0 * differences, nan_policy="omit")
            effect, spread = np.nanmean(differences, axis=0), np.nanstd(differences, axis=0, ddof=1)
        else:
            a, b = _equalised(a, b, floor)
            result = stats.ttest_ind(a, b, equal_var=test == "t", nan_policy="omit")
            effect, spread = np.nanmean(a, axis=0) - np.nanmean(b, axis=0), _pooled_deviation(a, b)
        low, high = result.confidence_interval(0.95)
        size = effect / spread
    return {"effect": effect, "low": low, "high": high, "size": size, "p": np.asarray(result.pvalue)}


def _pooled_deviation(a: Array, b: Array) -> Array:
    """Return the pooled standard deviation `[row]` of two sets `[prompt, row]`."""
    freedom = [np.isfinite(values).sum(0) - 1 for values in (a, b)]
    squares = [np.nanvar(values, axis=0, ddof=1) * n for values, n in zip((a, b), freedom, strict=True)]
    pooled: Array = np.sqrt(sum(squares) / sum(freedom))
    return pooled


def _equalised(a: Array, b: Array, floor: float) -> tuple[Array, Array]:
    """Return scores `[prompt, row]`, with 0 in rows that differ by rounding only: a test of those is undefined.

    Also the mean of equal scores is rounded, so that some had a variance and a p, and others had none.
    """
    both = np.concatenate([a, b])
    same = np.fmax.reduce(both) - np.fmin.reduce(both) <= floor
    both = np.where(same & ~np.isnan(both), 0.0, both)
    return both[: len(a)], both[len(a) :]


def _compare_ranks(a: Array, b: Array, floor: float) -> dict[str, Array]:
    """Compare ranks of `[prompt, row]`, in which scores closer than `floor` are ties."""
    from scipy import stats

    rows = []
    # one head at a time: over all at once scipy would choose the exact or the approximate test by all heads' ties
    for first, second in zip(a.T, b.T, strict=True):
        first, second = first[~np.isnan(first)], second[~np.isnan(second)]
        if not (len(first) and len(second)):
            rows.append((np.nan, np.nan, np.nan))
            continue
        level = levels(np.concatenate([first, second]), floor)
        u, p = stats.mannwhitneyu(level[: len(first)], level[len(first) :])
        rows.append((first.mean() - second.mean(), 2 * u / (len(first) * len(second)) - 1, p))
    effect, size, p = np.array(rows).T
    unknown = np.full(len(rows), np.nan)
    return {"effect": effect, "low": unknown, "high": unknown, "size": size, "p": p}
