"""The width of an interval of normal errors."""

from __future__ import annotations

#: half of a 95 % interval in standard errors
HALF_WIDTH = 1.959964
