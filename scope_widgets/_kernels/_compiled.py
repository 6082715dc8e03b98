"""The compiled modules, as far as they are built."""

from __future__ import annotations

__all__ = ["COMPILED", "MISSING", "display", "ranking", "statistics"]

#: why they are not there
MISSING = ""
try:
    from . import display, ranking, statistics
except ImportError as error:
    display = ranking = statistics = None  # type: ignore[assignment]
    MISSING = str(error)

#: whether they are there
COMPILED = not MISSING
