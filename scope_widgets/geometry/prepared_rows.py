"""`Prepared`: rows as each measure takes them, with the neighbours and components that several measures need."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from torch import Tensor

from scope_widgets._types import Array
from scope_widgets.geometry.neighbours import most_neighbours, neighbours
from scope_widgets.geometry.points import Points, distinct, points_of
from scope_widgets.geometry.principal import principal


class Prepared:
    """Checked rows, and what is computed of them once for all who ask.

    Parameters
    ----------
    x, groups, standardise
        As `points_of` takes them.
    most : int, default 0
        Neighbours that will be asked for, at most: as many are sought at the first question.
    """

    def __init__(self, x: Any, *, groups: Any = None, standardise: bool = False, most: int = 0) -> None:
        self.given = points_of(x, groups=groups)
        self.points = points_of(self.given, standardise=standardise)
        self.standardised = standardise
        self._most = most
        self._near: dict[tuple[int, ...], tuple[Array, Array]] = {}

    def different(self, least: int, for_what: str) -> tuple[Points, Array]:
        """Return the different rows, and of all which of these they are; ValueError for fewer than `least`."""
        points, which = self._different
        if len(points) < max(2, least):
            distinct(self.points, least, for_what)  # says so
        return points, which

    @cached_property
    def _different(self) -> tuple[Points, Array]:
        return distinct(self.points, 2, "a shape")

    @cached_property
    def principal(self) -> tuple[Array, Array, Tensor]:
        """Components of all rows."""
        return principal(self.points)

    @cached_property
    def principal_of_different(self) -> tuple[Array, Array, Tensor]:
        """Components of different rows."""
        points = self._different[0]
        return self.principal if points is self.points else principal(points)

    def neighbours(self, k: int) -> tuple[Array, Array]:
        """Return the k nearest of different rows [row, k], and their distances."""
        points = self._different[0]
        return self._sought((), points, k, max(k, min(self._most, most_neighbours(points))))

    def neighbours_of_part(self, part: Points, k: int, seed: int) -> tuple[Array, Array]:
        """Return the same of a part of the different rows, which its size and seed say."""
        return self._sought((len(part), seed), part, k, k)

    def _sought(self, name: tuple[int, ...], points: Points, k: int, most: int) -> tuple[Array, Array]:
        if name not in self._near or self._near[name][0].shape[1] < k:
            self._near[name] = neighbours(points, most)
        near, distances = self._near[name]
        return np.ascontiguousarray(near[:, :k]), np.ascontiguousarray(distances[:, :k])
