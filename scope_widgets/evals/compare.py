"""`compare`: a model on suites before and after an intervention."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from scope_widgets._check_choice import checked_number
from scope_widgets._partial_result import result_or_interrupt
from scope_widgets._provenance import Provenance
from scope_widgets._result import made_with
from scope_widgets._types import Array
from scope_widgets.evals.comparison import Comparison
from scope_widgets.evals.eval_result import EvalResult
from scope_widgets.evals.interventions import Intervention, described
from scope_widgets.evals.measures.options import Scorer
from scope_widgets.evals.metrics import TaskScores, hardly_vary
from scope_widgets.evals.run import SuiteLike, chosen_suites, measured, options_of
from scope_widgets.evals.tracked import note_metrics
from scope_widgets.experiments.statistics.bca import bca_interval
from scope_widgets.experiments.statistics.half_width import HALF_WIDTH
from scope_widgets.experiments.statistics.multiple_comparisons import correct
from scope_widgets.experiments.statistics.paired_tests import (
    clustered_error,
    equivalence,
    mcnemar,
    rare_error,
    sign_flip,
    smallest_detectable,
)
from scope_widgets.experiments.statistics.rounding import settled
from scope_widgets.models.microscope import Microscope

#: of the largest value: what rounding may move each item by, all in one way, where two ways of running a model meet
_ROUNDING = 1e-5


def compare(
    scope: Microscope,
    suites: SuiteLike | Sequence[SuiteLike] | None,
    intervention: Intervention,
    *,
    n: int | None = None,
    bounds: Mapping[str, float] | None = None,
    alpha: float = 0.05,
    samples: int = 4,
    max_new_tokens: int = 24,
    scorer: Scorer | None = None,
    seed: int = 0,
    progress: bool = True,
) -> Comparison:
    """Measure a model on suites before and after an intervention, on the same items with the same seeds.

    "changed" is a metric whose difference is not 0, "kept" one whose difference is shown to be smaller than its bound;
    of any other nothing is shown. Differences are paired item by item, clusters (a relation, a template, a document)
    are the independent samples, and p values are corrected over all metrics.

    Parameters
    ----------
    scope : Microscope
    suites : str, Path, Suite, or several, or None
        As for `run`; None: all of the package.
    intervention : optional
        As for `run`.
    n : int, optional
        So many items of each suite, drawn by the seed; all by default.
    bounds : mapping of str to float, optional
        The difference that would matter, by the name of a metric ("facts.efficacy" or "efficacy"); those of
        `evals.METRICS` by default, which are conventions.
    alpha : float, default 0.05
    samples : int, default 4
    max_new_tokens : int, default 24
    scorer : callable, optional
    seed : int, default 0
    progress : bool, default True
        These as for `run`.

    Returns
    -------
    Comparison

    Raises
    ------
    TypeError, ValueError
        As `run`; for a patch that is on already, and for bounds of metrics that there are not.
    Interrupted
        By Ctrl-C outside of a notebook, with the comparison of the suites that both sides have as its `result`.

    References
    ----------
    Miller 2024 (arXiv 2411.00640), errors robust to clusters; Schuirmann 1987, two one-sided tests; docs/decisions/
    evals.md.

    Examples
    --------
    >>> weaker = steering.ScaleHead(3, 1, 0.5)
    >>> done = evals.compare(scope, ["facts", "bias"], weaker, n=6, progress=False)
    >>> done.to_dataframe()[["metric", "verdict"]].shape
    (7, 2)
    """
    alpha = checked_number("alpha", alpha)
    if alpha >= 1:
        raise ValueError(f"alpha= is a number between 0 and 1; got {alpha!r}.")
    if intervention is None:
        raise TypeError("compare() needs an intervention; evals.run(scope, suites) measures the model as it is.")
    chosen = chosen_suites(suites, n, seed)
    options = options_of(seed, samples, max_new_tokens, scorer)
    checked = {name: checked_number(f"bounds[{name!r}]", bound) for name, bound in (bounds or {}).items()}
    before, stopped = measured(scope, chosen, None, options, progress)
    if stopped:
        after = EvalResult(described(intervention), (), np.empty(0), np.empty(0), (), before.provenance)
    else:
        after, stopped = measured(scope, chosen, intervention, options, progress)
    found = compared(before, after, checked, alpha)
    for name, values in (("before", found.before), ("after", found.after), ("difference", found.difference)):
        note_metrics({f"{metric}/{name}": value for metric, value in zip(found.names, values.tolist(), strict=True)})
    return result_or_interrupt(made_with(found, scope), stopped)


class _Row(NamedTuple):
    """What is found of one metric, in the order of `Comparison`'s fields."""

    n: int
    clusters: int
    before: float
    after: float
    difference: float
    low: float
    high: float
    p: float
    error: float
    freedom: int
    bound: float


def compared(
    before: EvalResult, after: EvalResult, bounds: Mapping[str, float] | None = None, alpha: float = 0.05
) -> Comparison:
    """Return the comparison of two results on the same suites with the same seed, such as of two files.

    Parameters
    ----------
    before, after : EvalResult
    bounds : mapping of str to float, optional
        As for `compare`.
    alpha : float, default 0.05

    Raises
    ------
    ValueError
        Where they have no metric or no item in common, another seed, or bounds name metrics that there are not.

    Examples
    --------
    >>> runs = [evals.run(scope, "bias", n=8, seed=1, progress=False) for _ in range(2)]
    >>> evals.compared(*runs).difference.tolist()
    [0.0, 0.0]
    """
    if before.provenance.seed != after.provenance.seed:
        raise ValueError(
            f"Paired differences need the same seed on both sides; got {before.provenance.seed} and "
            f"{after.provenance.seed}."
        )
    seed = before.provenance.seed or 0
    sides = {one.name: one for one in after.tasks}
    rows, names, unlike = [], [], []
    for one in before.tasks:
        if one.name not in sides:
            continue
        pair = _common(one, sides[one.name])
        if pair is None:
            unlike.append(one.name)
            continue
        names.append(one.name)
        rows.append(_row(*pair, _bound(one, bounds or {}), seed))
    known = {*names, *unlike} | {name.partition(".")[2] for name in (*names, *unlike)}
    if rows and (unknown := [name for name in bounds or {} if name not in known]):
        raise ValueError(f"bounds= names {unknown[0]!r}; the metrics here are {', '.join(names)}.")
    columns = {name: np.array([getattr(row, name) for row in rows]) for name in _Row._fields}
    p_kept = np.array([equivalence(row.difference, row.error, row.freedom, row.bound) for row in rows], dtype=float)
    detectable = [smallest_detectable(row.error, row.freedom, alpha=alpha / max(1, len(rows))) for row in rows]
    note = (
        f"{', '.join(unlike)}: not compared, for both sides have other tokens or no item in common." if unlike else ""
    )
    provenance = Provenance(
        before.provenance.model,
        before.provenance.revision,
        seed=before.provenance.seed,
        ablation=f"Intervention: {after.what}",
        note=" ".join(one for one in (before.provenance.note, note) if one),
    )
    floats = {name: columns[name].astype(np.float64) for name in ("before", "after", "difference", "low", "high", "p")}
    return Comparison(
        what=after.what,
        names=tuple(names),
        n=columns["n"].astype(np.int64),
        clusters=columns["clusters"].astype(np.int64),
        **floats,
        corrected=correct(floats["p"]),
        bound=columns["bound"].astype(np.float64),
        p_kept=correct(p_kept),
        detectable=np.array(detectable, dtype=np.float64),
        alpha=alpha,
        of_before=before,
        of_after=after,
        provenance=provenance,
    )


def _common(before: TaskScores, after: TaskScores) -> tuple[TaskScores, Array, Array] | None:
    """Return the metric and the values of both sides on the items that both have; None where they do not compare."""
    at = {name: i for i, name in enumerate(after.ids)}
    mine = [i for i, name in enumerate(before.ids) if name in at]
    theirs = [at[before.ids[i]] for i in mine]
    if not mine or not np.array_equal(before.weights[mine], after.weights[theirs]):
        return None
    one = TaskScores(
        before.suite,
        before.metric,
        before.unit,
        before.better,
        before.yes_no,
        before.bound,
        before.target,
        tuple(before.ids[i] for i in mine),
        tuple(before.clusters[i] for i in mine),
        before.values[mine],
        before.weights[mine],
    )
    return one, before.values[mine], after.values[theirs]


def _bound(one: TaskScores, bounds: Mapping[str, float]) -> float:
    return bounds.get(one.name, bounds.get(one.metric, one.bound))


def _row(one: TaskScores, before: Array, after: Array, bound: float, seed: int) -> _Row:
    largest = float(np.abs([before, after]).max())
    differences = settled(after - before, _ROUNDING * largest)
    about: dict[str, Any] = {"weights": one.weights, "clusters": one.clusters}
    mean = float((differences * one.weights).sum() / one.weights.sum())
    low, high = bca_interval(differences, **about, seed=seed)
    p = sign_flip(differences, **about, seed=seed)
    error, freedom = clustered_error(differences, **about)
    if one.yes_no:  # NaN stays: of one cluster there is nothing to tell chance from
        p = float(np.maximum(p, mcnemar(differences < 0, differences > 0)))
    if freedom:
        # of what hardly varies the spread that was seen says little: rare ones may be as large as a share can be
        rare = one.is_share and (one.yes_no or all(hardly_vary(side, one.clusters) for side in (before, after)))
        error = max(error, rare_error(differences, 1.0 if rare else bound, **about))
        if hardly_vary(differences, one.clusters):  # the bootstrap knows of no others than these few
            low, high = min(low, mean - HALF_WIDTH * error), max(high, mean + HALF_WIDTH * error)
    first, second = (float((side * one.weights).sum() / one.weights.sum()) for side in (before, after))
    return _Row(len(before), one.n_clusters, first, second, mean, low, high, p, error, freedom, bound)
