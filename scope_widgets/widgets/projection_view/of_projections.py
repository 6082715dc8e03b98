"""What a `ProjectionView` shows of results of `geometry.project`: one, or one a layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from typing import Any

import numpy as np

from scope_widgets.geometry.project import Projection
from scope_widgets.widgets.projection_view.fidelity import NAMES

#: what the view's own options are of projections, by name
Options = dict[str, Any]


def projections_in(points: Any) -> list[Projection]:
    """Return the projections that a view was given in place of points: none, one, or one a layer.

    Raises
    ------
    TypeError
        When a list holds projections and other things.
    """
    if isinstance(points, Projection):
        return [points]
    if not isinstance(points, (list, tuple)) or not any(isinstance(one, Projection) for one in points):
        return []
    if other := [one for one in points if not isinstance(one, Projection)]:
        raise TypeError(f"Of several layers a Projection each is given, and one is of type {type(other[0]).__name__}.")
    return list(points)


def named(projections: Sequence[Projection]) -> dict[str, Projection]:
    """Return projections by the variables that code has them in."""
    if len(projections) == 1:
        return {"projection": projections[0]}
    numbers = [one.layer for one in projections]
    if None in numbers or len(set(numbers)) < len(numbers):
        numbers = list(range(len(projections)))
    return {f"projection_{number}": one for number, one in zip(numbers, projections, strict=True)}


def options_of(projections: Sequence[Projection], colours: Any) -> tuple[Any, Options, int]:
    """Return the places, the view's options, and how many points not every layer has.

    Points are those that all layers have. `colours` are of the rows of the first layer; without any these are the norm
    of each row, of several layers the position of each token.

    Raises
    ------
    ValueError
        When layers have no point in common, or two are of the same number.
    """
    first = projections[0]
    common = reduce(np.intersect1d, [one.rows for one in projections])
    if not len(common):
        raise ValueError("These projections have no row in common: take the same rows of each layer, with one seed=.")
    of_each = [np.flatnonzero(np.isin(one.rows, common)) for one in projections]
    # rows of a recording stand in order; those of an array may not
    of_each = [at[np.argsort(one.rows[at], kind="stable")] for at, one in zip(of_each, projections, strict=True)]
    places = np.stack([one.coordinates[at, :2] for at, one in zip(of_each, projections, strict=True)])
    at = of_each[0]
    methods = {one.method for one in projections}
    is_plane = all(len(one.explained) == 2 for one in projections)
    explained = np.array([one.explained[:2] for one in projections])
    options: Options = {
        "method": first.method if len(methods) == 1 else " and ".join(sorted(NAMES[one] for one in methods)),
        "explained": explained if np.isfinite(explained).all() else None,
        "kept": [one.value for one in projections] if is_plane else None,
        "neighbours": first.k if is_plane and len({one.k for one in projections}) == 1 else None,
        "provenance": first.provenance,
        "colours": _colours(first, at, colours, several=len(projections) > 1),
    }
    if first.samples is not None and first.positions is not None:
        options |= {"samples": first.samples[at], "positions": first.positions[at]}
    if first.texts:
        options["texts"] = first.texts
    if len(projections) == 1:
        return places[0], options, 0
    numbers = [one.layer for one in projections]
    if None not in numbers:
        options["layers"] = numbers
    return places, options, max(len(one.rows) for one in projections) - len(common)


def _colours(first: Projection, at: Any, colours: Any, *, several: bool) -> Any:
    if colours is None:
        known = {} if several else {"norm": first.norms[at]}
        return known | ({} if first.positions is None else {"position": first.positions[at]})
    if len(at) == len(first.rows) and (np.diff(at) == 1).all():
        return colours
    if not isinstance(colours, Mapping) and not hasattr(colours, "items"):
        return colours  # which is refused with a sentence
    values = {name: one.detach().cpu() if hasattr(one, "detach") else one for name, one in colours.items()}
    return {name: np.asarray(one)[at] if np.shape(one) == (len(first.rows),) else one for name, one in values.items()}
