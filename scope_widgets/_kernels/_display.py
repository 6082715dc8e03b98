"""Attention made small enough to send to a browser."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from . import _checks
from ._compiled import display


def thumbnails(
    attention: NDArray[np.float32] | NDArray[np.float16], size: int = 32, threads: int | None = None
) -> NDArray[np.uint8]:
    """Return small pictures of every head's attention, max-pooled so that a single bright entry stays visible.

    Parameters
    ----------
    attention
        [head, query, key], float32 or float16, C-contiguous, or a tensor on any device, which is read on it.
    size
        Rows and columns of a picture; where there are fewer tokens, their number. Row i shows queries
        i * T // size to (i + 1) * T // size of T, the columns do so with the keys.
    threads
        Number of threads; None: as many as the machine has and the work is worth.

    Returns
    -------
    array
        [head, row, column] uint8, attention 0..1 as 0..255, rounded half up (below 1/510 it is 0) and cut at
        both ends.

    Raises
    ------
    TypeError, ValueError
        When the array has the wrong type, shape or layout or is not finite, or size is below 1.
    """
    attention = _checks.attention(attention)
    _checks.at_least_one(size, "size", "rows and columns of a picture")
    levels, not_finite = display.max_pool(
        _checks.bits(attention), min(size, attention.shape[1]), _checks.threads(threads)
    )
    _checks.all_finite(not_finite.sum(axis=1) == 0, "attention")
    return levels


def pack_triangle(
    matrix: NDArray[np.float32] | NDArray[np.float16], scale: float | None = None
) -> tuple[NDArray[np.uint8], float]:
    """Return the lower triangle of one head's attention in 256 levels, row by row.

    Parameters
    ----------
    matrix
        [query, key], float32 or float16, C-contiguous, or a tensor on any device, which is read on it. Only keys <=
        query are read.
    scale
        The attention that becomes 255; larger values are cut. None: the largest of the triangle.

    Returns
    -------
    levels, scale
        uint8 [T * (T + 1) / 2], in which query q starts at q * (q + 1) / 2, rounded half up; attention is
        about levels * scale / 255. The scale is 0, as are the levels, where all of the attention is.

    Raises
    ------
    TypeError, ValueError
        When the matrix has the wrong type, shape or layout or is not finite, or scale is not a positive number.
    """
    matrix = _checks.array(matrix, "matrix", ("query", "key"), _checks.FLOATS)
    _checks.square(matrix.shape, "matrix")
    _checks.positive_scale(scale)
    maximum = display.triangle_maximum(_checks.bits(matrix))
    _checks.finite_maximum(maximum)
    scale = maximum if scale is None else float(scale)
    return display.triangle_levels(_checks.bits(matrix), scale), scale
