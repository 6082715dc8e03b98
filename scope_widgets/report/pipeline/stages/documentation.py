"""Entries with claims that can be run, verified on other prompts, and the score."""

from __future__ import annotations

from scope_widgets.report.analyse import analyse
from scope_widgets.report.pipeline.stage import Context, Stage
from scope_widgets.report.pipeline.stages.saes import read_saes
from scope_widgets.report.writers.behaviours import WRITERS

#: pairs that writers look at
_DISCOVERY = 32


def _run(given: Context) -> list[str]:
    n = given.fewer(given.settings.pairs, 8)
    done = analyse(
        given.scope,
        given.work,
        writers={name: writer for name, writer in WRITERS.items() if name in given.settings.tasks},
        indexes={} if given.settings.skip_sae else read_saes(given.scope, given.out),
        n=n,
        n_discovery=min(n, _DISCOVERY),
        seed=given.settings.seed,
    )
    reasons = [] if done.score is None else [(one.behaviour, one.reason) for one in done.score.behaviours]
    return [f"{behaviour}: {reason}" for behaviour, reason in reasons if reason]


STAGE = Stage(
    "documentation",
    _run,
    options=("tasks", "num_samples", "skip_sae", "seed"),
    inputs=("saes",),
    aside=("steps",),
)
