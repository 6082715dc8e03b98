"""The model on the package's suites, as it is."""

from __future__ import annotations

from scope_widgets._files import as_csv, write_text
from scope_widgets.evals.run import run
from scope_widgets.report.pipeline.stage import Context, Stage


def _run(given: Context) -> list[str]:
    found = run(given.scope, n=given.settings.num_samples, samples=1, seed=given.settings.seed, progress=False)
    write_text(given.work / "evals.json", found.to_json())
    write_text(given.work / "evals.csv", as_csv(found.to_dataframe()))
    return [found.provenance.note] if found.provenance.note else []


STAGE = Stage("evals", _run, options=("num_samples", "seed"), folder="evals")
