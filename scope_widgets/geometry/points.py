"""`Points`: rows of activations with what is known of them, and what every function here checks of its rows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from torch import Tensor

from scope_widgets._provenance import Provenance
from scope_widgets._types import Array

#: above it squares of differences overflow, below its inverse they vanish
_LARGEST = 1e150


@dataclass(frozen=True, eq=False)
class Points:
    """Rows of activations and where they are from, as `geometry.points` takes them from a recording.

    Attributes
    ----------
    x : ndarray of float32 or float64 [row, d]
    rows : ndarray of int [row]
        Their numbers in what they were taken from.
    groups : ndarray of int64 [row], optional
        Their prompts, where several are of one: rows of a group are not each other's neighbours.
    provenance : Provenance
        Its note says what was left out.
    layer : int, optional
        Of the recording that they are from.
    samples, positions : ndarray of int64 [row], optional
        The sample of a recording that each is of, and the position in it.
    texts : tuple of tuple of str
        The tokens of each sample, by its number; none of those that no row is of, and of tokens that were not recorded
        "". Empty where they are not known.
    """

    x: Array
    rows: Array
    groups: Array | None
    provenance: Provenance
    layer: int | None = None
    samples: Array | None = None
    positions: Array | None = None
    texts: tuple[tuple[str, ...], ...] = ()

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.x)

    def __repr__(self) -> str:
        """Say how many there are, and of what."""
        return f"Points({len(self):,} rows of width {self.x.shape[1]}; {self.provenance.model}: {self.provenance.note})"

    def taken(self, chosen: Array) -> Points:
        """Return some of the rows, by number or as a mask."""
        of_rows = (self.groups, self.samples, self.positions)
        groups, samples, positions = (None if one is None else one[chosen] for one in of_rows)
        x, rows = np.ascontiguousarray(self.x[chosen]), self.rows[chosen]
        # which are taken no call says
        provenance = replace(self.provenance, calls=())
        return replace(self, x=x, rows=rows, groups=groups, samples=samples, positions=positions, provenance=provenance)

    def said(self, *sentences: str) -> Points:
        """Return the same with more sentences in the note."""
        note = "; ".join(one for one in (self.provenance.note, *sentences) if one)
        return replace(self, provenance=replace(self.provenance, note=note))


def points_of(x: Any, *, groups: Any = None, standardise: bool = False) -> Points:
    """Return what a function was given as points: finite float32 or float64 rows, two at least, standardised if asked.

    Raises
    ------
    TypeError, ValueError
        Where they are no such rows.
    """
    if not isinstance(standardise, (bool, np.bool_)):
        raise ValueError(f"standardise= is True or False; got {standardise!r}.")
    given = x if isinstance(x, Points) else Points(*_rows_of(x), None, Provenance("an array"))
    if given.x.dtype.kind in "iu":
        given = given.said("whole numbers, which lie on a grid")
    given = replace(given, x=_checked(given.x))
    if groups is not None:
        given = replace(given, groups=_checked_groups(groups, len(given)))
    return _standardised(given) if standardise else given


def of_other_prompts(points: Points) -> Points:
    """Return points whose note says so where neighbours of the same prompt do not count."""
    return points if points.groups is None else points.said("neighbours of other prompts only")


def distinct(points: Points, least: int, for_what: str) -> tuple[Points, Array]:
    """Return points without those that are equal to an earlier one, and of all which of the returned they are [row].

    Raises
    ------
    ValueError
        Where fewer than `least` are left.
    """
    # -0 becomes 0, whose bits are others
    rows = np.ascontiguousarray(points.x + points.x.dtype.type(0))
    as_bytes = rows.view(np.dtype((np.void, rows.itemsize * rows.shape[1]))).ravel()
    _, first, which = np.unique(as_bytes, return_index=True, return_inverse=True)
    n_equal = len(points) - len(first)
    if len(first) == 1:
        raise ValueError(f"All {len(points):,} rows of x are equal: they have no shape. Give other rows.")
    if len(first) < least:
        equal = f", {n_equal:,} more are equal to others" if n_equal else ""
        raise ValueError(f"x has {len(first):,} different rows{equal}; {for_what} needs {least:,}: give more rows.")
    if not n_equal:
        return points, np.arange(len(points))
    kept = np.sort(first)
    return points.taken(kept), np.searchsorted(kept, first[which])


def _rows_of(x: Any) -> tuple[Array, Array]:
    if isinstance(x, Tensor):
        held = x.detach().cpu()
        x = (held.float() if str(held.dtype) == "torch.bfloat16" else held).numpy()
    try:
        rows = np.asarray(x)
    except ValueError:
        raise ValueError("x is a list of rows of several lengths, expected an array [row, d].") from None
    return rows, np.arange(len(rows) if rows.ndim else 0)


def _checked(rows: Array) -> Array:
    if rows.dtype.kind not in "fiu":
        raise TypeError(f"x is of {rows.dtype}, expected numbers [row, d]: an array, a tensor or rows of a recording.")
    if rows.ndim != 2:
        raise ValueError(f"x has shape {rows.shape}, expected [row, d]: reshape it to a row a point.")
    if rows.shape[1] == 0:
        raise ValueError("x has rows of width 0, expected one number a row at least.")
    if len(rows) < 2:
        raise ValueError(f"x has {len(rows)} row{'s' * (len(rows) != 1)}, expected two at least: one has no shape.")
    # half precision is exact in single, whole numbers and longer floats are taken as double
    number = np.float32 if rows.dtype in (np.float16, np.float32) else np.float64
    rows = np.ascontiguousarray(rows, dtype=number)
    bad = np.flatnonzero(~np.isfinite(rows).all(1))
    if len(bad):
        raise ValueError(
            f"{len(bad):,} of {len(rows):,} rows of x hold NaN or infinities, row {bad[0]} first: leave them out "
            "(x[numpy.isfinite(x).all(1)]), or look for an overflow (float16?) where they were made."
        )
    largest = float(np.abs(rows).max())
    if largest and not 1 / _LARGEST < largest < _LARGEST:
        raise ValueError(f"The largest number of x is {largest:g}, whose square float64 cannot hold: divide x by it.")
    return rows


def _checked_groups(groups: Any, n: int) -> Array:
    found = np.asarray(groups.detach().cpu() if isinstance(groups, Tensor) else groups)
    if found.shape != (n,):
        raise ValueError(f"groups= has one entry of each row, {n:,}; got shape {found.shape}.")
    return np.unique(found, return_inverse=True)[1].astype(np.int64)


def _standardised(points: Points) -> Points:
    """Return columns of mean 0 and variance 1; those that rounding alone changes become 0."""
    x = points.x.astype(np.float64)
    size = np.abs(x).max(0)
    x -= x.mean(0)
    spread = np.sqrt((x**2).mean(0))
    constant = spread <= 8 * np.finfo(points.x.dtype).eps * size
    x /= np.where(constant, 1.0, spread)
    x[:, constant] = 0.0
    return replace(points, x=x).said("columns standardised")
