"""A map of effects on paper: layers up, heads or positions across, in the colours of the view."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from scope_widgets.widgets.core.drawing.colours import NOT_RUN, SIGNED, coloured
from scope_widgets.widgets.core.drawing.picture_svg import Axes, draw_cells, visible
from scope_widgets.widgets.core.drawing.svg_sheet import Paper
from scope_widgets.widgets.figures.captions import number
from scope_widgets.widgets.patching_map.cells import values_of

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Sheet:
    """The cells that a map shows at once, the lowest row first.

    Attributes
    ----------
    values : ndarray [row, column]
        NaN where there is none.
    exact, undefined : ndarray of bool [row, column]
    rows, columns : list of str
    row_name, column_name, shows : str
        `shows`: what the crossings are, where that is a choice.
    """

    values: npt.NDArray[Any]
    exact: Bools
    undefined: Bools
    rows: list[str]
    columns: list[str]
    row_name: str
    column_name: str
    shows: str = ""

    @classmethod
    def of(cls, view: Any) -> Sheet:
        """Return what a `PatchingMap` shows."""
        values, estimates = values_of(view.result)
        known = values if estimates is None else np.where(np.isfinite(values), values, estimates)
        if view.components:
            return cls._of_components(values, view.components)
        cube = np.where(np.isfinite(known), known, np.nan).reshape(view.shape)
        exact, undefined = np.isfinite(values).reshape(view.shape), np.isinf(values).reshape(view.shape)
        layers = [str(layer) for layer in range(view.shape[0])]
        if view.over == "residual":  # what enters the final norm
            layers[-1] = "final norm"
        positions, heads = list(view.positions), [str(head) for head in range(view.shape[1] if cube.ndim > 1 else 0)]
        if cube.ndim == 1:
            cube, exact, undefined = (array[:, None] for array in (cube, exact, undefined))
            return cls(cube, exact, undefined, layers, [""], "layer", "all positions at once")
        if cube.ndim == 2:
            tokens = "position" in view.axes
            return cls(
                cube, exact, undefined, layers, positions if tokens else heads, "layer", "" if tokens else "head"
            )
        if view.shows == "selected heads" and view.selected_heads:
            at = [(layer, head) for layer, head in view.selected_heads if layer < len(layers) and head < len(heads)][
                ::-1
            ]
            pick = tuple(np.array(at).T)
            names = [f"{layer}.{head}" for layer, head in at]
            return cls(cube[pick], exact[pick], undefined[pick], names, positions, "head", "", "the selected heads")
        axis = 2 if view.shows == "heads" else 1
        chosen = view.selected_tokens[-1] if view.selected_tokens and axis == 2 else None
        if chosen is not None and chosen < len(positions):
            index = np.full((*cube.shape[:2], 1), chosen)
            shows = f"each head at {visible(positions[chosen])}"
        else:
            index = np.expand_dims(np.nan_to_num(np.abs(cube), nan=-1).argmax(axis), axis)
            shows = (
                "each head at the position of its largest effect" if axis == 2 else "the strongest head of each layer"
            )
        flat, some, none = (np.take_along_axis(array, index, axis).squeeze(axis) for array in (cube, exact, undefined))
        columns, name = (heads, "head") if axis == 2 else (positions, "")
        return cls(flat, some, none, layers, columns, "layer", name, shows)

    @classmethod
    def _of_components(cls, values: npt.NDArray[Any], components: list[list[Any]]) -> Sheet:
        """Heads first, then what else a layer has; what belongs to no layer in rows and a column of its own.

        What is 0 everywhere, because the model has none, is left out.
        """
        none = np.isinf(values)
        kept = dict.fromkeys(name for value, (name, _, _) in zip(values, components, strict=True) if value != 0)
        places = {
            (head, "" if head >= 0 else name): None
            for name, layer, head in components
            if layer >= 0 and (head >= 0 or name in kept)
        }
        columns = sorted(places, key=lambda place: place[0] < 0)  # stable: heads first
        others = [name for name, layer, _ in components if layer < 0 and name in kept]
        layers = 1 + max((layer for _, layer, _ in components), default=-1)
        sheet = np.full((len(others) + layers, max(1, len(columns) + bool(others))), np.nan)
        undefined = np.zeros_like(sheet, bool)
        for value, without, (name, layer, head) in zip(values, none, components, strict=True):
            if name in kept or head >= 0:
                row = len(others) + layer if layer >= 0 else others.index(name)
                at = columns.index((head, "" if head >= 0 else name)) if layer >= 0 else len(columns)
                sheet[row, at], undefined[row, at] = np.nan if without else value, without
        rows = [name.replace("_", " ") for name in others] + [str(layer) for layer in range(layers)]
        names = [str(head) if head >= 0 else name.replace("_", " ") for head, name in columns]
        names += ["other"] if others else []
        return cls(sheet, ~np.isnan(sheet), undefined, rows, names, "layer", "head or part")

    def limit(self, given: float | None) -> float:
        """Return where the colours end."""
        return float(given or np.nanmax(np.abs(self.values), initial=1e-12))

    def picture(self, limit: float) -> npt.NDArray[np.uint8]:
        """Return the colours, the highest row first, uint8 [row, column, 3]."""
        colours = coloured(self.values, -limit, limit, SIGNED)
        colours[np.isnan(self.values)] = NOT_RUN
        return np.ascontiguousarray(colours[::-1])


def draw_effects(paper: Paper, view: Any) -> None:
    """Draw what a `PatchingMap` shows."""
    sheet = Sheet.of(view)
    limit = sheet.limit(view.limit)
    words = f"{view.quantity} ({'logits' if view.components else '0: nothing, 1: all of it'})"
    if above := int((np.abs(sheet.values) > limit * (1 + 1e-9)).sum()):
        words += f"; {above:,} above"
    known = ~np.isnan(sheet.values)
    outside = np.zeros_like(known)
    if view.components:  # a part that a model lacks has no cell
        outside = ~known & ~sheet.undefined
    axes = Axes(
        sheet.rows[::-1],
        [visible(name, 18) if name else "" for name in sheet.columns],
        sheet.row_name,
        sheet.column_name,
        (SIGNED, f"−{number(limit)}", number(limit), words),
        estimated=(known & ~sheet.exact)[::-1],
        undefined=sheet.undefined[::-1],
        empty=(~known & ~sheet.undefined & ~outside)[::-1],
    )
    picture = sheet.picture(limit)
    picture[outside[::-1]] = 255
    draw_cells(paper, picture, axes)
