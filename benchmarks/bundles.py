"""How large the browser's half is."""

from __future__ import annotations

import gzip
from pathlib import Path

from benchmarks.figure import Figure

STATIC = Path(__file__).parents[1] / "scope_widgets" / "static"


def measure(quick: bool = False) -> list[Figure]:
    return [
        Figure(f"bundle {path.stem}", len(gzip.compress(path.read_bytes(), 9)) / 1000, "kB gzipped", 60, "lower")
        for path in sorted(STATIC.glob("*.js"))
    ]
