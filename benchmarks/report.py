"""The command that documents a model, on the demo model: seconds of the clock, and what the documentation is worth."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.figure import Figure
from scope_widgets import report


def measure(quick: bool = False) -> list[Figure]:
    """Return the figures; quick, the stages are only listed."""
    with TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "scope_widgets.cli", "analyze", "--model", "demo", "--out", folder, "--quiet"]
        start = time.perf_counter()
        subprocess.run(command + (["--dry-run"] if quick else []), check=True, stdout=subprocess.DEVNULL)
        seconds = time.perf_counter() - start
        if quick:
            return [Figure("microscope analyze --model demo --dry-run", seconds, "s")]
        score = report.Documentation.load(Path(folder) / "documentation.json").score
    assert score is not None
    behaviours = {name: score[name].value for name in report.SUITE.names}
    return [Figure("microscope analyze --model demo, all outputs", seconds, "s", 120, "lower", behaviours)]
