"""`run`: the stages of a pipeline one after the other, each once."""

from __future__ import annotations

import gc
import platform
import time
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from scope_widgets import tracking
from scope_widgets._files import sha256_of
from scope_widgets.models.guards.out_of_memory import is_out_of_memory
from scope_widgets.models.microscope import Microscope
from scope_widgets.report.fingerprint import fingerprint
from scope_widgets.report.pipeline.folder_lock import locked
from scope_widgets.report.pipeline.manifest import RUNS, Finished, Manifest, stage_key
from scope_widgets.report.pipeline.peak_memory import peak_memory, reset_peak_memory
from scope_widgets.report.pipeline.settings import Settings
from scope_widgets.report.pipeline.stage import Context, Stage
from scope_widgets.report.pipeline.stages import (
    architecture,
    circuits,
    documentation,
    evaluations,
    geometry,
    heads,
    page,
    recording,
    saes,
)
from scope_widgets.report.pipeline.work_folder import finish, left_by, publish, remove_work, work_folder

#: what hears of the stages: `tell("begun" | "finished" | "kept" | "halved", stage's name, **about)`
Tell = Callable[..., None]

_STAGES = (architecture, recording, geometry, saes, heads, circuits, documentation, evaluations, page)
#: how often a stage is tried with half as much
MOST_HALVINGS = 4


def stages_of(settings: Settings) -> list[Stage]:
    """Return the stages that settings ask for, in their order."""
    return [one.STAGE for one in _STAGES if one.STAGE.name not in settings.left_out]


def finished_in(scope: Microscope, settings: Settings, out: Path) -> dict[str, bool]:
    """Return of each stage whether a folder has it.

    Raises
    ------
    ValueError
        Where the folder holds something else.
    """
    model = fingerprint(scope)
    manifest = Manifest.of(out, scope.model_id, model, settings.to_data())
    keys = _keys(scope, settings, model)
    return {stage.name: manifest.has(out, stage.name, keys[stage.name]) for stage in stages_of(settings)}


def _keys(scope: Microscope, settings: Settings, model: str) -> dict[str, str]:
    """Return the key of each stage."""
    values: dict[str, Any] = settings.to_data()
    values["layers"] = settings.layers_of(scope)
    values["texts"] = None if settings.texts is None else sha256_of(settings.texts)
    keys: dict[str, str] = {}
    for stage in stages_of(settings):
        options = {name: values[name] for name in stage.options}
        keys[stage.name] = stage_key(stage.name, model, scope.model_id, options, _inputs(stage, keys))
    return keys


def _inputs(stage: Stage, keys: Mapping[str, str]) -> dict[str, str]:
    """Return the keys of what a stage reads."""
    return {name: keys[name] for name in stage.inputs if name in keys}


def run(
    scope: Microscope,
    settings: Settings,
    out: str | Path,
    *,
    tell: Tell = lambda *_, **__: None,
    halvings: Mapping[str, int] | None = None,
) -> Manifest:
    """Run the stages that are not finished; killed anywhere, the same call goes on to the same bytes.

    Parameters
    ----------
    scope : Microscope
    settings : Settings
    out : str or Path
        A folder of its own, made if need be.
    tell : callable, optional
        Hears of each stage that is begun, finished, or kept from a run before.
    halvings : dict of str to int, optional
        By stage: how often memory did not suffice before.

    Returns
    -------
    Manifest

    Raises
    ------
    ValueError
        Where the folder holds something else; and what a stage says of the model or its texts.
    OSError
        Where it cannot be written.
    """
    out = Path(out)
    model = fingerprint(scope)
    Manifest.of(out, scope.model_id, model, settings.to_data())  # before anything is made
    keys = _keys(scope, settings, model)
    out.mkdir(parents=True, exist_ok=True)
    with locked(out):
        for left in out.glob(".*.part"):  # of a file that a killed run was writing
            if left.is_file():
                left.unlink()
        manifest = Manifest.of(out, scope.model_id, model, settings.to_data())
        manifest.write(out)
        with tracking.run(_run_folder(out), config=settings.to_data(), name=f"analyze {scope.model_id}") as tracked:
            for stage in stages_of(settings):
                if manifest.has(out, stage.name, keys[stage.name]):
                    remove_work(out, stage)
                    tell("kept", stage.name, notes=manifest.stages[stage.name].notes)
                    continue
                tell("begun", stage.name)
                measured = _done(stage, scope, settings, out, manifest, keys, tell, (halvings or {}).get(stage.name, 0))
                tracked.log({f"{stage.name}/{name}": measured[name] for name in ("seconds", "peak_bytes")})
                tell("finished", stage.name, seconds=measured["seconds"], notes=manifest.stages[stage.name].notes)
        manifest.stages = {one.name: manifest.stages[one.name] for one in stages_of(settings)}
        manifest.write(out)
    return manifest


def _run_folder(out: Path) -> Path:
    """Return a folder for what is tracked of this run."""
    numbers = [int(one.name) for one in (out / RUNS).glob("*") if one.name.isdecimal()]
    return out / RUNS / f"{max(numbers, default=0) + 1:03d}"


def _done(
    stage: Stage,
    scope: Microscope,
    settings: Settings,
    out: Path,
    manifest: Manifest,
    keys: Mapping[str, str],
    tell: Tell,
    halvings: int,
) -> dict[str, Any]:
    """Run a stage and put its files in their places; return what was measured."""
    key = keys[stage.name]
    work = work_folder(out, stage, key)
    found = left_by(work, stage, key)
    if found is None:
        found = _finished(stage, Context(scope, settings, out, work, halvings), tell)
        found.key, found.inputs = key, _inputs(stage, keys)
        finish(work, stage, found)
    publish(out, work, stage, found, manifest)
    return found.measured


def _finished(stage: Stage, given: Context, tell: Tell) -> Finished:
    """Run a stage, with half as much where memory does not suffice."""
    begun, worked = time.monotonic(), time.process_time()
    reset_peak_memory()
    while True:
        try:
            notes = stage.run(given)
            break
        except (MemoryError, RuntimeError, OSError) as error:
            if not is_out_of_memory(error) or given.halvings >= MOST_HALVINGS:
                raise
        given = Context(given.scope, given.settings, given.out, given.work, given.halvings + 1)
        gc.collect()
        tell("halved", stage.name, halvings=given.halvings)
    if given.halvings:
        notes = [*notes, f"Memory did not suffice: 1/{2**given.halvings} was done at once, or of as many."]
    measured = {
        "seconds": round(time.monotonic() - begun, 2),
        "cpu_seconds": round(time.process_time() - worked, 2),
        "peak_bytes": peak_memory(),
        "machine": f"{platform.platform()}, {platform.machine()}",
        "finished": datetime.now(timezone.utc).isoformat(timespec="seconds"),
    }
    return Finished("", {}, {}, notes, given.halvings, measured)
