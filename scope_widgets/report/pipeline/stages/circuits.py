"""The circuits of tasks: found on half of the pairs, tested on the other half."""

from __future__ import annotations

from typing import cast

from scope_widgets._files import as_csv, write_text
from scope_widgets.circuits.discovery.discover import discover
from scope_widgets.circuits.drawing.svg import to_svg
from scope_widgets.circuits.evaluation.measures import faithfulness
from scope_widgets.experiments.named_tasks import TaskName, make_task
from scope_widgets.report.pipeline.stage import Context, Stage


def _run(given: Context) -> list[str]:
    notes = []
    for name in given.settings.tasks:
        folder = given.work / name
        if (folder / "note.txt").is_file():  # of a run that was killed: this one was done
            notes.append((folder / "note.txt").read_text("utf-8"))
            continue
        folder.mkdir(exist_ok=True)
        notes.append(f"{name}: {_one(given, name)}")
        write_text(folder / "note.txt", notes[-1])
    return notes


def _one(given: Context, name: str) -> str:
    """Write the files of one task, and return a sentence on what was found."""
    folder, seed = given.work / name, given.settings.seed
    try:
        task = make_task(given.scope, cast("TaskName", name), n=given.fewer(given.settings.pairs, 4), seed=seed)
    except ValueError as error:
        return str(error)
    half = len(task) // 2
    circuit = discover(given.scope, task[:half], seed=seed)
    write_text(folder / "circuit.json", circuit.to_json())
    write_text(folder / "circuit.dot", circuit.to_dot())
    write_text(folder / "circuit.svg", to_svg(circuit))
    write_text(folder / "edges.csv", as_csv(circuit.to_dataframe()))
    if not circuit.n_edges:
        return circuit.provenance.note
    tested = faithfulness(given.scope, circuit, task=task[half:], seed=seed)
    write_text(folder / "faithfulness.json", tested.to_json())
    return (
        f"{circuit.n_edges:,} of {circuit.graph.n_edges:,} edges; faithfulness on {len(task) - half} other pairs "
        f"{tested.value:.2f} (95 %: {tested.low:.2f} to {tested.high:.2f})"
    )


STAGE = Stage("circuits", _run, options=("tasks", "num_samples", "seed"), folder="circuits")
