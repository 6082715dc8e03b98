"""Runs that leave a folder: events, tables, figures, and how they ended."""

from scope_widgets.tracking.open_run import Run, current
from scope_widgets.tracking.recorded_run import RecordedRun, load
from scope_widgets.tracking.run import run
from scope_widgets.tracking.runs import runs

__all__ = ["RecordedRun", "Run", "current", "load", "run", "runs"]
