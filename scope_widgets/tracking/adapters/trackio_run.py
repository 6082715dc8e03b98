"""Runs of trackio, which keeps them in a database of its own on this machine."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd


class TrackioRun:
    """See `Adapter`. Options are those of `trackio.init`; without `space_id` nothing leaves the machine."""

    def __init__(self, folder: Path, name: str, config: dict[str, Any], options: dict[str, Any]) -> None:
        import trackio

        self._trackio = trackio
        plain = {"project": "scope-widgets", "name": name, "config": config, "embed": False}
        self._run = trackio.init(**{**plain, "auto_log_gpu": False, "auto_log_cpu": False, **options})

    def log(self, values: dict[str, Any], step: int) -> None:
        """See `Adapter.log`."""
        self._run.log(values, step=step)

    def config(self, config: dict[str, Any]) -> None:
        """See `Adapter.config`."""
        self._run.config.update(config)

    def table(self, name: str, frame: pd.DataFrame) -> None:
        """See `Adapter.table`."""
        rows = frame.astype(object).where(frame.notna(), None)
        plain = rows.map(lambda one: str(one) if isinstance(one, float) and not math.isfinite(one) else one)
        self._run.log({name: self._trackio.Table(dataframe=plain)})

    def file(self, name: str, path: Path) -> None:
        """See `Adapter.file`."""
        self._run.log_artifact(str(path), name=name)

    def end(self, status: str) -> None:
        """See `Adapter.end`."""
        self._run.finish()
