"""What evaluations note in the run that is open, where one is."""

from __future__ import annotations

import warnings
from collections.abc import Mapping

from scope_widgets import tracking


def note_metrics(metrics: Mapping[str, float]) -> None:
    """Log metrics in the run that is open, as `evals/metric`."""
    if metrics and (run := tracking.current()) is not None:
        try:
            run.log({f"evals/{name}": float(value) for name, value in metrics.items()})
        except OSError as error:  # the result has them too
            warnings.warn(str(error), stacklevel=2)
