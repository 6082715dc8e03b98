"""Any result that has a table: the first column of numbers, with intervals where the table has them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from scope_widgets.plots.drawing.dots import add_dots, rows_down
from scope_widgets.plots.drawing.labels import number, shortened, words
from scope_widgets.plots.drawing.maps import rows_height
from scope_widgets.plots.drawing.theme import ThemeName, new_figure, theme_of

if TYPE_CHECKING:
    from scope_widgets._result import Result

#: whole numbers that name a row, and do not measure it
_NAMES = {"layer", "head", "position", "query", "key", "rank", "token", "feature", "latent", "neuron", "prompt", "row"}


def table(result: Result, column: str | None = None, *, n: int = 40, theme: ThemeName = "light") -> go.Figure:
    """Plot a column of a result's table, a dot a row, with its interval where there are columns "low" and "high".

    What is plotted where a result has no figure of its own, which the title says.

    Parameters
    ----------
    result : Result
    column : str, optional
        By default the first of numbers that is no name, such as a layer.
    n : int, default 40
        How many rows; those after them are counted in the title.
    theme : {"light", "dark"}, default "light"

    Returns
    -------
    plotly.graph_objects.Figure

    Raises
    ------
    ValueError
        Where the table has no such column of numbers.

    Examples
    --------
    >>> scores = heads.score(scope.trace("When Mary and John went to the store"))
    >>> plots.table(scores, "induction", n=5).layout.xaxis.title.text
    'induction'
    """
    colours, frame = theme_of(theme), result.to_dataframe()
    numbers = [str(one) for one in frame if pd.api.types.is_numeric_dtype(frame[one]) and frame[one].dtype != bool]
    measured = [one for one in numbers if one not in _NAMES] or numbers
    chosen = column or next(iter(measured), None)
    if chosen not in numbers:
        raise ValueError(
            f"This {type(result).__name__} has no column of numbers {column!r}: it has {', '.join(numbers) or 'none'}."
            if column
            else f"This {type(result).__name__} has no column of numbers to plot: see to_dataframe()."
        )
    rows = frame.head(n)
    named = [one for one in frame if one not in measured and frame[one].dtype != bool][:3]
    labels = [" ".join(shortened(value, 24) for value in row) for row in rows[named].itertuples(index=False)]
    labels = labels if named else [str(one) for one in rows.index]
    values = rows[chosen].to_numpy(float)
    # "low" and "high" are of the first numbers of a table, not of any others
    bounded = {"low", "high"} <= set(numbers) and chosen == measured[0]
    low, high = (rows[end].to_numpy(float) if bounded else None for end in ("low", "high"))
    more = f", the first {len(rows):,} of {len(frame):,} rows" if len(frame) > len(rows) else ""
    figure = new_figure(
        colours,
        f"{type(result).__name__}: {words(chosen)} of its table{more}",
        result.provenance,
        height=rows_height(len(rows), each=18, least=220),
    )
    hover = [
        "<br>".join(f"{words(str(key))} {_cell(value)}" for key, value in row.items())
        for row in rows.to_dict("records")
    ]
    add_dots(figure, values, colours.hues[0], hover, low=low, high=high)
    rows_down(figure, labels, words(", ".join(map(str, named))))
    figure.update_xaxes(title_text=words(chosen))
    return figure


def _cell(value: object) -> str:
    return number(float(value), 6) if isinstance(value, (float, np.floating)) else shortened(value, 60)
