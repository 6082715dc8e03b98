"""A stage's files are written beside, and take their places when all are whole: a kill leaves nothing half."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import asdict
from pathlib import Path

from scope_widgets._files import sha256_of, write_text
from scope_widgets._untrusted import parse_json, read_text
from scope_widgets.report.pipeline.manifest import Finished, Manifest, finished_of
from scope_widgets.report.pipeline.stage import Stage

#: under which key a folder is worked in, and what is finished in it and only has to take its place
_KEY, _FINISHED = ".key", ".finished.json"


def work_folder(out: Path, stage: Stage, key: str) -> Path:
    """Return the folder that a stage works in, with what a killed run of the same key left; else it is empty.

    It lies where the files of the stage will lie, so that paths from one to the others stay the same.
    """
    work = _place(out, stage)
    if not (work / _KEY).is_file() or (work / _KEY).read_text("utf-8", "replace") != key:
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir()
        write_text(work / _KEY, key)
    return work


def remove_work(out: Path, stage: Stage) -> None:
    """Remove what a run left that was killed after its stage was finished, and before this was done."""
    shutil.rmtree(_place(out, stage), ignore_errors=True)


def _place(out: Path, stage: Stage) -> Path:
    return out / f".{stage.name}.part"


def left_by(work: Path, stage: Stage, key: str) -> Finished | None:
    """Return the stage that was finished in a folder before its files took their places; None where it was not."""
    try:
        found = finished_of(parse_json(read_text(work / _FINISHED)))
    except (OSError, ValueError):
        return None
    own = all(Path(name).is_relative_to(stage.folder) for name in found.files)
    measured = all(isinstance(found.measured.get(name), int | float) for name in ("seconds", "peak_bytes"))
    return found if own and measured and found.key == key else None


def finish(work: Path, stage: Stage, found: Finished) -> None:
    """Note the files of a stage that is done, each safe on the disk."""
    for path in sorted(work.rglob("*")):
        within = path.relative_to(work)
        if path.is_file() and not within.name.startswith(".") and not set(within.parts) & set(stage.aside):
            with path.open("rb+") as file:
                os.fsync(file.fileno())
            found.files[(Path(stage.folder) / within).as_posix()] = sha256_of(path)
    write_text(work / _FINISHED, json.dumps(asdict(found)))


def publish(out: Path, work: Path, stage: Stage, found: Finished, manifest: Manifest) -> None:
    """Put the files of a finished stage in their places, those of before away, and note it in the manifest.

    Killed anywhere in it, it goes on when it is called again.
    """
    before = manifest.stages.pop(stage.name, None)
    manifest.write(out)  # from here on nobody takes the files for a whole
    there = [path.relative_to(out).as_posix() for path in (out / stage.folder).rglob("*")] if stage.folder else []
    for name in {*there, *(before.files if before else ())} - found.files.keys():
        if not (out / name).is_dir():
            (out / name).unlink(missing_ok=True)
    for name in found.files:
        new, place = work / Path(name).relative_to(stage.folder), out / name
        if new.exists():
            place.parent.mkdir(parents=True, exist_ok=True)
            os.replace(new, place)
    manifest.stages[stage.name] = found
    manifest.write(out)
    shutil.rmtree(work, ignore_errors=True)
