"""What training notes in the run that is open, where one is."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

from scope_widgets import tracking


def note_settings(name: str, settings: Mapping[str, Any]) -> None:
    """Add the settings of a training to the config of the run that is open."""
    if (run := tracking.current()) is not None:
        try:
            run.add_config({name: dict(settings)})
        except OSError as error:
            _warn(error)


def note_measures(name: str, measures: Mapping[str, float], step: int) -> None:
    """Log measures of a step in the run that is open, as `name/measure`."""
    if (run := tracking.current()) is not None:
        try:
            run.log({f"{name}/{measure}": value for measure, value in measures.items()}, step=step)
        except OSError as error:
            _warn(error)


def _warn(error: OSError) -> None:
    """Say what went wrong, and let training go on: its history has all measures too."""
    warnings.warn(str(error), stacklevel=2)
