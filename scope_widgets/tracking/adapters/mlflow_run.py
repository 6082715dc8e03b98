"""Runs of MLflow, in a database beside the folder of the run."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scope_widgets.tracking.adapters.adapter import flat, numbers_of

if TYPE_CHECKING:
    import pandas as pd

#: characters of a parameter that MLflow takes
_LONGEST = 6000


class MlflowRun:
    """See `Adapter`. Options are `tracking_uri`, by default of the environment or mlflow.db here, and `experiment`."""

    def __init__(self, folder: Path, name: str, config: dict[str, Any], options: dict[str, Any]) -> None:
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        from mlflow import MlflowClient

        beside = folder.resolve().parent
        uri = options.pop("tracking_uri", os.environ.get("MLFLOW_TRACKING_URI", f"sqlite:///{beside / 'mlflow.db'}"))
        experiment = options.pop("experiment", "scope-widgets")
        if options:
            raise ValueError(f"Options of 'mlflow' are tracking_uri and experiment; got {', '.join(options)}.")
        self._client = MlflowClient(uri)
        known = self._client.get_experiment_by_name(experiment)
        where = (beside / "mlflow_artifacts").as_uri() if uri.startswith("sqlite:") else None
        number = known.experiment_id if known else self._client.create_experiment(experiment, where)
        self._id = self._client.create_run(number, run_name=name).info.run_id
        self.config(config)

    def log(self, values: dict[str, Any], step: int) -> None:
        """See `Adapter.log`."""
        from mlflow.entities import Metric

        now = time.time_ns() // 10**6
        self._client.log_batch(self._id, [Metric(key, one, now, step) for key, one in numbers_of(values).items()])

    def config(self, config: dict[str, Any]) -> None:
        """See `Adapter.config`."""
        for key, value in flat(config).items():
            self._client.log_param(self._id, key, str(value)[:_LONGEST])

    def table(self, name: str, frame: pd.DataFrame) -> None:
        """See `Adapter.table`."""
        self._client.log_table(self._id, frame, f"{name}.json")

    def file(self, name: str, path: Path) -> None:
        """See `Adapter.file`."""
        self._client.log_artifact(self._id, str(path))

    def end(self, status: str) -> None:
        """See `Adapter.end`."""
        self._client.set_terminated(self._id, "FINISHED" if status == "done" else "FAILED")
