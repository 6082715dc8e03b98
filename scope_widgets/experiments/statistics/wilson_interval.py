"""The interval of a share."""

from __future__ import annotations

from scope_widgets.experiments.statistics.half_width import HALF_WIDTH


def wilson(share: float, n: float) -> tuple[float, float]:
    """Return the 95 % interval of a share of `n` answers (Wilson 1927)."""
    square = HALF_WIDTH**2 / n
    middle = (share + square / 2) / (1 + square)
    half = HALF_WIDTH / (1 + square) * (share * (1 - share) / n + square / (4 * n)) ** 0.5
    return max(0.0, middle - half), min(1.0, middle + half)
