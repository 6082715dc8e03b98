"""Distances to the nearest neighbours of points, with sentences where there are too few."""

from __future__ import annotations

import numpy as np

from scope_widgets import _kernels
from scope_widgets._types import Array
from scope_widgets.geometry.points import Points


def most_neighbours(points: Points) -> int:
    """Return how many neighbours of other groups every row has at least."""
    return len(points) - (1 if points.groups is None else int(np.bincount(points.groups).max()))


def neighbours(points: Points, k: int) -> tuple[Array, Array]:
    """Return the k nearest neighbours [row, k] of other groups, and their distances.

    Raises
    ------
    ValueError
        Where a point has fewer.
    """
    if k >= len(points):
        raise ValueError(
            f"k = {k} neighbours need {k + 1} different points at least, and there are {len(points):,}: give more "
            "rows, or a smaller k=."
        )
    near, distances = _kernels.nearest(points.x, k, groups=points.groups)
    few = np.flatnonzero(near[:, -1] < 0)
    if len(few):
        raise ValueError(
            f"{len(few):,} rows have fewer than k = {k} neighbours of other groups, row {points.rows[few[0]]} has "
            f"{int((near[few[0]] >= 0).sum())}: give rows of more prompts, or a smaller k=."
        )
    return near, distances
