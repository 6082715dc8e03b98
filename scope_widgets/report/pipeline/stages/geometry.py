"""The shapes of activations, a file a layer."""

from __future__ import annotations

import pandas as pd

from scope_widgets._files import as_csv, write_text
from scope_widgets.features.recording.recording import Recording
from scope_widgets.geometry.summarise import GeometrySummary, summarise
from scope_widgets.report.pipeline.stage import Context, Stage

#: rows of a layer at most
_ROWS = 4000


def _run(given: Context) -> list[str]:
    rec = Recording.load(given.out / "recording")
    tables, notes = [], []
    for layer in rec.layers:
        path = given.work / f"layer-{layer:02d}.json"
        if path.is_file():  # of a run that was killed
            found = GeometrySummary.from_json(path.read_text("utf-8"))
        else:
            n = given.fewer(_ROWS, 500)
            found = summarise(given.scope, rec, layers=layer, n=n, seed=given.settings.seed, progress=False)
            write_text(path, found.to_json())
        tables.append(found.to_dataframe())
        missing = [f"{name} of layer {layer}: {why}" for name, why in found[layer].problems.items()]
        notes += missing
    write_text(given.work / "geometry.csv", as_csv(pd.concat(tables, ignore_index=True)))
    return notes


STAGE = Stage("geometry", _run, options=("seed",), inputs=("recording",), folder="geometry")
