"""What the model is made of."""

from __future__ import annotations

from scope_widgets._files import as_csv, write_text
from scope_widgets.report.architecture import architecture
from scope_widgets.report.pipeline.stage import Context, Stage


def _run(given: Context) -> list[str]:
    found = architecture(given.scope)
    write_text(given.work / "architecture.json", found.to_json())
    write_text(given.work / "architecture.csv", as_csv(found.to_dataframe()))
    return []


STAGE = Stage("architecture", _run, folder="architecture")
