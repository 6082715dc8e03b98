"""Runs of TensorBoard: a folder of its files within that of the run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from scope_widgets.tracking.adapters.adapter import flat, numbers_of

if TYPE_CHECKING:
    import pandas as pd

#: rows of a table that are shown
_MOST = 200


class TensorBoardRun:
    """See `Adapter`. Options are those of `torch.utils.tensorboard.SummaryWriter`."""

    def __init__(self, folder: Path, name: str, config: dict[str, Any], options: dict[str, Any]) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._writer = SummaryWriter(**{"log_dir": str(folder / "tensorboard"), **options})
        self.config(config)

    def log(self, values: dict[str, Any], step: int) -> None:
        """See `Adapter.log`."""
        for key, value in numbers_of(values).items():
            self._writer.add_scalar(key, value, step)
        for key, value in values.items():
            if isinstance(value, str):
                self._writer.add_text(key, value, step)

    def config(self, config: dict[str, Any]) -> None:
        """See `Adapter.config`."""
        for key, value in flat(config).items():
            self._writer.add_text(f"config/{key}", str(value))

    def table(self, name: str, frame: pd.DataFrame) -> None:
        """See `Adapter.table`."""
        rows = [list(map(str, frame.columns)), ["---"] * frame.shape[1], *frame.head(_MOST).astype(str).to_numpy()]
        lines = ["| " + " | ".join(str(one).replace("|", "\\|") for one in row) + " |" for row in rows]
        self._writer.add_text(name, "\n".join(lines))

    def file(self, name: str, path: Path) -> None:
        """See `Adapter.file`."""
        self._writer.add_text(f"files/{name}", str(path.name))

    def end(self, status: str) -> None:
        """See `Adapter.end`."""
        self._writer.add_text("status", status)
        self._writer.close()
