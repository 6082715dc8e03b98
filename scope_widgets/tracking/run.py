"""`run`: begin a run that leaves a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from scope_widgets.tracking.adapters.open_adapters import Options
from scope_widgets.tracking.open_run import Run


def run(
    folder: str | Path,
    *,
    config: Any = None,
    name: str | None = None,
    adapters: Options = (),
) -> Run:
    """Begin a run, which leaves a folder: what was logged, tables, figures, files, and how it ended.

    The folder holds run.json (config, versions, machine, status), events.jsonl (what was logged, an object a line),
    tables/ (Parquet), figures/ (pages and pictures) and files/ (under their SHA-256). `tracking.load` reads it, while
    it is written too. Its status is "running"; "done" or "failed" when the block has ended; or "killed", where its
    process is gone without a word, or has given no sign of life on another machine. Nothing leaves the machine.

    Parameters
    ----------
    folder : str or Path
        Of its own: it is made, and must hold no other run.
    config : dict, dataclass or argparse.Namespace, optional
        What it is run with: numbers, texts, and lists and dicts of them.
    name : str, optional
        What to call it; by default the name of the folder.
    adapters : sequence of str, or dict of dict, default ()
        Other packages that are told too, with options of theirs where it is a dict: "trackio" (`trackio.init`), "wandb"
        (`wandb.init`; offline unless `mode="online"`, in the folder), "mlflow" (`tracking_uri`, `experiment`; by
        default mlflow.db beside the folder) and "tensorboard" (`SummaryWriter`; in the folder). What goes wrong in one
        of them is a warning.

    Returns
    -------
    Run
        For a `with` block, at whose end it ends; without one `run.end()` ends it.

    Raises
    ------
    FileExistsError
        Where the folder holds another run.
    TypeError, ValueError
        For a config or adapters that are none.
    ImportError
        Where the package of an adapter is not installed.
    OSError
        Where the folder cannot be written.

    Examples
    --------
    >>> with tracking.run(folder, config={"layer": 2, "seed": 0}) as run:
    ...     for step in range(3):
    ...         run.log({"loss": 1 / (1 + step)}, step=step)
    ...     run.table("scores", {"head": ["3.1", "2.0"], "score": [0.9, 0.4]})
    >>> read = tracking.load(folder)
    >>> read.status, read.history["loss"].tolist(), read.table("scores").shape
    ('done', [1.0, 0.5, 0.3333333333333333], (2, 2))
    """
    return Run(folder, name, config, adapters)
