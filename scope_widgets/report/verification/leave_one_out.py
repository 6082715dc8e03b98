"""Test (b): without an entry the documentation recovers less, or without the group that it belongs to."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from scope_widgets.circuits.evaluation.circuit_run import Mask
from scope_widgets.experiments.statistics.bootstrap import bootstrap_weights
from scope_widgets.experiments.statistics.rounding import settled
from scope_widgets.report.entries.components import documented_edges
from scope_widgets.report.entries.entry import Entry, Evidence
from scope_widgets.report.scoring.recovery import RecoveryRun


def documented(run: RecoveryRun, entries: Sequence[Entry]) -> Mask:
    """Return the edges of the union of the components of entries, `[edge]` of bool."""
    return documented_edges(run.graph, [name for entry in entries for name in entry.components])


def leave_one_out_evidence(run: RecoveryRun, entries: Sequence[Entry], without: Sequence[Entry], seed: int) -> Evidence:
    """Return by how much R falls when some of the entries are left out.

    Parameters
    ----------
    run : RecoveryRun
    entries : sequence of Entry
        All that are still in.
    without : sequence of Entry
        The one that is tested, or its group.
    seed : int
        Of the bootstrap over the pairs; R is made anew in each sample.
    """
    gone = {entry.digest for entry in without}
    rest = [entry for entry in entries if entry.digest not in gone]
    measured = run.measure(np.array([documented(run, entries), documented(run, rest)]))
    whole, less = measured.R()
    effect = float(settled(whole - less, measured.rounding))
    drawn = measured.R(bootstrap_weights(len(run.task), seed))
    drops = settled(drawn[:, 0] - drawn[:, 1], measured.rounding)
    p = float((drops <= 0).mean())
    low, high = np.percentile(drops, [2.5, 97.5])
    what = "the entry" if len(without) == 1 else f"the {len(without)} entries of its group"
    return Evidence(
        test="leave one out",
        effect=effect,
        low=float(low),
        high=float(high),
        p=p,
        q=float("nan"),
        null=0.0,
        prompts=len(run.task),
        seed=seed,
        ablation=f"R with {what} ({whole:.3f}) less R without ({less:.3f}), the worst of three ablations",
        passed=p < 0.05,
    )
