"""The interval of a share."""

from __future__ import annotations

#: of a normal distribution, for 95 %
_Z = 1.959964


def wilson(share: float, n: float) -> tuple[float, float]:
    """Return the 95 % interval of a share of `n` answers (Wilson 1927)."""
    square = _Z**2 / n
    middle = (share + square / 2) / (1 + square)
    half = _Z / (1 + square) * (share * (1 - share) / n + square / (4 * n)) ** 0.5
    return max(0.0, middle - half), min(1.0, middle + half)
