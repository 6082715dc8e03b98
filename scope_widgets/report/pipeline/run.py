"""`run`: the stages of a pipeline one after the other, each once."""

from __future__ import annotations

import gc
import platform
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from scope_widgets import tracking
from scope_widgets._files import sha256_of
from scope_widgets.models.guards.out_of_memory import is_out_of_memory
from scope_widgets.models.microscope import Microscope
from scope_widgets.report.fingerprint import fingerprint
from scope_widgets.report.pipeline.manifest import Finished, Manifest, key_of
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
from scope_widgets.report.pipeline.work_folder import finish, left_by, publish, work_folder

#: what hears of the stages: `tell("begun" | "finished" | "kept" | "halved", stage's name, **about)`
Tell = Callable[..., None]

_STAGES = (architecture, recording, geometry, saes, heads, circuits, documentation, evaluations, page)
#: how often a stage is tried with half as much
MOST_HALVINGS = 4


def stages_of(settings: Settings) -> list[Stage]:
    """Return the stages that settings ask for, in their order."""
    left_out = {"saes": settings.skip_sae, "evals": not settings.evals}
    return [one.STAGE for one in _STAGES if not left_out.get(one.STAGE.name, False)]


def keys_of(scope: Microscope, settings: Settings) -> dict[str, str]:
    """Return the key of each stage."""
    model = fingerprint(scope)
    values: dict[str, Any] = settings.to_data()
    values["layers"] = settings.layers_of(scope)
    values["texts"] = None if settings.texts is None else sha256_of(settings.texts)
    keys: dict[str, str] = {}
    for stage in stages_of(settings):
        inputs = {name: keys[name] for name in stage.inputs if name in keys}
        options = {name: values[name] for name in stage.options}
        keys[stage.name] = key_of(stage.name, model, scope.model_id, options, inputs)
    return keys


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
    keys = keys_of(scope, settings)
    manifest = Manifest.begun(out, scope.model_id, fingerprint(scope), settings.to_data())
    for stage in stages_of(settings):
        key = keys[stage.name]
        if manifest.has(out, stage.name, key):
            tell("kept", stage.name)
            continue
        tell("begun", stage.name)
        work = work_folder(out, stage, key)
        found = left_by(work, key)
        if found is None:
            inputs = {name: keys[name] for name in stage.inputs if name in keys}
            found = _finished(stage, Context(scope, settings, out, work, (halvings or {}).get(stage.name, 0)), tell)
            found.key, found.inputs = key, inputs
            finish(work, stage, found)
        publish(out, work, stage, found, manifest)
        if (run := tracking.current()) is not None:
            run.log({f"{stage.name}/{name}": found.measured[name] for name in ("seconds", "peak_bytes")})
        tell("finished", stage.name, seconds=found.measured["seconds"], notes=found.notes)
    manifest.stages = {one.name: manifest.stages[one.name] for one in stages_of(settings)}
    manifest.write(out)
    return manifest


def _finished(stage: Stage, given: Context, tell: Tell) -> Finished:
    """Run a stage, with half as much where memory does not suffice."""
    begun = time.monotonic()
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
        "peak_bytes": peak_memory(),
        "machine": f"{platform.platform()}, {platform.machine()}",
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    return Finished("", {}, {}, notes, given.halvings, measured)
