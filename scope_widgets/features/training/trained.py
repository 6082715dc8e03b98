"""What `train` and `train_several` share: settings from their arguments, and runs that go to their end or to Ctrl-C."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from scope_widgets._check_choice import checked_count
from scope_widgets.features.sae.sae import SAE
from scope_widgets.features.training.processes import Processes
from scope_widgets.features.training.run import TrainingRun, all_steps
from scope_widgets.features.training.settings import Architecture, Settings
from scope_widgets.features.training.tracked import note_settings
from scope_widgets.features.training.training_rows import TrainingRows
from scope_widgets.models.guards.restore_on_exit import recording_gradients


def settings_of(
    rows: TrainingRows,
    d_sae: int | None,
    k: int,
    architecture: Architecture,
    steps: int | None,
    batch: int,
    learning_rate: float | None,
    seed: int,
    skip: bool,
) -> Settings:
    """Return the settings that arguments of `train` stand for; raise ValueError for what are none."""
    if skip and not rows.transcodes:
        raise ValueError(
            "skip=True is of a transcoder, which has a target=: an autoencoder would learn its input alone."
        )
    batch = min(checked_count("batch", batch), rows.n)
    d_sae = 8 * rows.d if d_sae is None else checked_count("d_sae", d_sae)
    return Settings(
        d_sae=d_sae,
        k=k,
        architecture=architecture,
        steps=max(4000, rows.n // batch) if steps is None else steps,
        batch=batch,
        seed=seed,
        learning_rate=2e-3 / max(1.0, d_sae / 4096) ** 0.5 if learning_rate is None else learning_rate,
        skip=bool(skip),
    )


def trained(
    settings: Sequence[Settings],
    rows: TrainingRows,
    folders: Sequence[Path | None],
    progress: bool,
    processes: Processes,
) -> tuple[list[SAE], str]:
    """Return what is trained over one reading of rows, and "" or how far it came before Ctrl-C."""
    several = len(settings) > 1
    names = [f"train-{one.architecture}-{one.d_sae}-{one.k}" if several else "train" for one in settings]
    runs = [TrainingRun(one, rows, processes, name) for one, name in zip(settings, names, strict=True)]
    for run in runs if processes.is_first else ():
        note_settings(run.name, run.settings.to_dict())
    for run, folder in zip(runs, folders, strict=True):
        if folder is not None:
            run.go_on_from(folder)
    note = ""
    try:
        with recording_gradients(False):
            all_steps(runs, rows, folders, progress and processes.is_first)
    except KeyboardInterrupt:
        kept = ": the same call goes on from there" if folders[0] is not None else ""
        done = min(run.step_number for run in runs)
        note = f"Training was stopped after {done:,} of {settings[0].steps:,} steps{kept}."
    saes = []
    for run, folder in zip(runs, folders, strict=True):
        if folder is not None and processes.is_first:
            run.checkpoint().write(folder)
        saes.append(run.result())
        if folder is not None and not note and processes.is_first:
            saes[-1].save(folder)
    if not note:
        processes.wait()  # so that each can read what the first has written
    return saes, note
