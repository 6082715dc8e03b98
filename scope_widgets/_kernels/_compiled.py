"""The compiled modules, as far as they are built."""

from __future__ import annotations

__all__ = ["COMPILED", "MISSING", "autoencoder", "codes", "display", "neighbours", "ranking", "statistics"]

#: why those of attention are not there
MISSING = ""
try:
    from . import display, ranking, statistics
except ImportError as error:
    display = ranking = statistics = None  # type: ignore[assignment]
    MISSING = str(error)

# each by itself: where the others are of an earlier build, they are used
try:
    from . import codes
except ImportError:
    codes = None  # type: ignore[assignment]
try:
    from . import autoencoder
except ImportError:
    autoencoder = None  # type: ignore[assignment]
try:
    from . import neighbours
except ImportError:
    neighbours = None  # type: ignore[assignment]

#: whether those of attention are there
COMPILED = not MISSING
