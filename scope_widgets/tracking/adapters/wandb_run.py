"""Runs of Weights & Biases, offline unless asked."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd


class WandbRun:
    """See `Adapter`. Options are those of `wandb.init`; `mode="online"` sends, else `wandb sync` does later."""

    def __init__(self, folder: Path, name: str, config: dict[str, Any], options: dict[str, Any]) -> None:
        mode = options.get("mode", os.environ.get("WANDB_MODE", "offline"))
        if mode != "online":
            os.environ.setdefault("WANDB_ERROR_REPORTING", "false")  # read at import: reports would go out
        import wandb

        self._wandb: Any = wandb
        plain = {"project": "scope-widgets", "name": name, "config": config, "dir": str(folder), "mode": mode}
        self._run: Any = wandb.init(**{**plain, **options})

    def log(self, values: dict[str, Any], step: int) -> None:
        """See `Adapter.log`."""
        self._run.log(values, step=step)

    def config(self, config: dict[str, Any]) -> None:
        """See `Adapter.config`."""
        self._run.config.update(config, allow_val_change=True)

    def table(self, name: str, frame: pd.DataFrame) -> None:
        """See `Adapter.table`."""
        self._run.log({name: self._wandb.Table(dataframe=frame)})

    def file(self, name: str, path: Path) -> None:
        """See `Adapter.file`."""
        if path.suffix == ".html":
            self._run.log({name: self._wandb.Html(str(path))})
            return
        artifact = self._wandb.Artifact(name.replace(" ", "_"), type="file")
        artifact.add_file(str(path))
        self._run.log_artifact(artifact)

    def end(self, status: str) -> None:
        """See `Adapter.end`."""
        self._run.finish(exit_code=int(status != "done"))
