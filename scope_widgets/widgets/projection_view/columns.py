"""What points are coloured by: classes, or numbers with the scale that fits them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from scope_widgets.widgets.figures.tokens import fitted

Float32 = npt.NDArray[np.float32]

#: whole numbers of so few values are classes; so many classes have a hue of their own, and are there at most
FEW, HUES, MOST_CLASSES = 12, 8, 20_000
#: characters of the name of a class or a column
LONGEST = 200


@dataclass(frozen=True)
class Column:
    """One column.

    Attributes
    ----------
    name : str
    values : ndarray of float32 [point]
        Numbers, or of classes their index; NaN where there is none.
    classes : list of str or None
        Names of classes, whole numbers in their order, others the most frequent first; None: these are numbers.
    counts : list of int
        How many points each class has.
    low, high : float
        Where the scale of numbers ends; symmetric where some are below 0.
    """

    name: str
    values: Float32
    classes: list[str] | None
    counts: list[int]
    low: float = 0.0
    high: float = 1.0

    @property
    def signed(self) -> bool:
        """Whether there are numbers below 0."""
        return self.classes is None and bool((self.values < 0).any())

    def about(self) -> dict[str, Any]:
        """Return what the browser is told beside the values."""
        return {
            "name": self.name,
            "classes": self.classes,
            "counts": self.counts,
            "low": self.low,
            "high": self.high,
            "signed": self.signed,
            "missing": int(np.isnan(self.values).sum()),
        }


def columns_of(colours: Any, n_points: int) -> list[Column]:
    """Return the columns of a mapping of names to arrays [point], or of a table of pandas.

    Raises
    ------
    TypeError
        When it is neither.
    ValueError
        When a column does not have one value a point, or has too many classes.
    """
    if colours is None:
        return []
    if not isinstance(colours, Mapping) and not (hasattr(colours, "columns") and hasattr(colours, "items")):
        raise TypeError(
            "Colours are given by name, colours={'cluster': labels}, or as a DataFrame, "
            f"not as {type(colours).__name__}."
        )
    return [_column(str(name)[:LONGEST], values, n_points) for name, values in colours.items()]


def _column(name: str, values: Any, n_points: int) -> Column:
    if hasattr(values, "detach"):
        values = values.detach().cpu().float().numpy()
    given = np.asarray(values)
    if given.shape != (n_points,):
        raise ValueError(
            f"There are {n_points:,} points, and the colours {name!r:.40} are of shape {list(given.shape)}: "
            "give one value a point."
        )
    if given.dtype.kind in "biu":
        if given.dtype.kind == "b" or len(np.unique(given)) <= FEW:
            return _classes(name, given)
    elif given.dtype.kind != "f":
        # numbers with None between them are numbers; texts are classes, even those of digits
        if given.dtype.kind != "O" or any(isinstance(one, str) for one in given.tolist()):
            return _classes(name, given)
        try:
            given = given.astype(np.float64)
        except (TypeError, ValueError):
            return _classes(name, given)
    with np.errstate(over="ignore"):  # what float32 cannot hold is beyond any scale
        numbers = given.astype(np.float32)
    finite = numbers[np.isfinite(numbers)].astype(np.float64)
    low, high = fitted(finite, bool((finite < 0).any()), False, None)
    return Column(name, numbers, None, [], float(low), float(high))


def _classes(name: str, given: npt.NDArray[Any]) -> Column:
    texts = np.array(["" if _missing(one) else str(one)[:LONGEST] or "∅" for one in given.tolist()], object)
    known, at, counts = np.unique(texts.astype(str), return_inverse=True, return_counts=True)
    if len(known) > MOST_CLASSES:
        raise ValueError(
            f"The colours {name!r:.40} have {len(known):,} classes, and up to {MOST_CLASSES:,} are taken: "
            "group them, or give numbers."
        )
    # numbers in their order, names by how frequent they are
    sizes = np.array([int(one) for one in known]) if given.dtype.kind in "iu" else -counts
    order = [one for one in np.argsort(sizes, kind="stable").tolist() if known[one]]
    place = np.full(len(known), np.nan, np.float32)
    place[order] = np.arange(len(order))
    return Column(name, place[at], [str(known[one]) for one in order], [int(counts[one]) for one in order])


def _missing(one: Any) -> bool:
    return one is None or one is getattr(np, "nan", None) or (isinstance(one, float) and one != one)
