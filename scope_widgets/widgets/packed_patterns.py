"""Patterns of heads as bytes for the browser: the lower triangle, row by row."""

from __future__ import annotations

import operator

import numpy as np
import numpy.typing as npt

from scope_widgets import _kernels
from scope_widgets.widgets.core.requests import Answer

Float32 = npt.NDArray[np.float32]


def packed(pattern: Float32, exact: bool) -> Answer:
    """Return the triangle as float32, or as uint8 with the step between two levels."""
    if exact:
        return {"exact": True, "step": 1}, [pattern[np.tril_indices(len(pattern))].tobytes()]
    quantised, scale = _kernels.pack_triangle(_finite(pattern))
    return {"exact": False, "step": float(scale) / 255}, [quantised.tobytes()]


def rows(pattern: Float32, first: int, last: int) -> Answer:
    """Return the exact rows `first` to `last` - 1 of the triangle, float32."""
    between = range(max(0, operator.index(first)), min(len(pattern), operator.index(last)))
    found = [pattern[query, : query + 1] for query in between]
    return {}, [np.concatenate(found).tobytes() if found else b""]


def within(index: int, count: int | None, what: str) -> int:
    """Return an index that a browser sent; raise a sentence where there is no such thing."""
    index = operator.index(index)
    if not 0 <= index < (count or 0):
        raise ValueError(f"There is no {what} {index}: they are counted from 0 to {(count or 0) - 1}.")
    return index


def _finite(attention: Float32) -> Float32:
    """Return the same with 0 for NaN, which coarse pictures cannot show; exact values keep it."""
    # A sum is NaN where any term is, and several times cheaper than asking each.
    return attention if np.isfinite(attention.sum()) else np.nan_to_num(attention, posinf=1.0, neginf=0.0)
