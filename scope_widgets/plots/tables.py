"""Any result that has a table: the first column of numbers, with intervals where the table has them."""

from __future__ import annotations

from collections.abc import Sequence
from html import unescape
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from scope_widgets._provenance import Provenance
from scope_widgets.plots.drawing.dots import add_dots, rows_down
from scope_widgets.plots.drawing.labels import literal, number, shortened, words
from scope_widgets.plots.drawing.maps import rows_height
from scope_widgets.plots.drawing.theme import ThemeName, new_figure, theme_of

if TYPE_CHECKING:
    from scope_widgets._result import Result

#: of a table that is drawn: characters across, pixels of a line
_ACROSS, _LINE = 115, 16
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
        The table itself where it has no numbers.

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
    if column is not None and chosen not in numbers:
        raise ValueError(
            f"This {type(result).__name__} has no column of numbers {column!r}: it has {', '.join(numbers) or 'none'}."
        )
    rows = frame.head(n)
    if chosen is None:
        more = f", the first {len(rows):,} of {len(frame):,} rows" if len(frame) > len(rows) else ""
        return cells(rows, f"{type(result).__name__}{more}", result.provenance, theme)
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


def cells(
    frame: pd.DataFrame,
    title: str,
    provenance: Provenance,
    theme: ThemeName,
    *,
    widths: Sequence[float] = (),
) -> go.Figure:
    """Return a table as a figure, its texts literal and broken into lines."""
    colours = theme_of(theme)
    texts = [[_cell(value) if not isinstance(value, str) else literal(value) for value in frame[one]] for one in frame]
    widths = widths or [
        min(40, max([len(str(name)), *map(len, column)])) + 2 for name, column in zip(frame, texts, strict=True)
    ]
    # characters that a column has room for, in a figure of the usual width
    room = [max(4.0, one / sum(widths) * _ACROSS) for one in widths]
    lines = [
        max((-(-len(unescape(column[row])) // wide) for column, wide in zip(texts, room, strict=True)), default=1)
        for row in range(len(frame))
    ]
    figure = new_figure(colours, title, provenance, height=110 + sum(_LINE * max(1, int(one)) + 8 for one in lines))
    figure.add_trace(
        go.Table(
            columnwidth=list(widths),
            header={
                "values": [f"<b>{words(str(one))}</b>" for one in frame],
                "align": "left",
                "fill": {"color": colours.ground},
                "line": {"color": colours.line, "width": 1},
                "font": {"color": colours.ink, "size": 11},
            },
            cells={
                "values": texts,
                "align": "left",
                "fill": {"color": colours.ground},
                "line": {"color": colours.grid, "width": 1},
                "font": {"color": colours.ink, "size": 11},
                "height": _LINE + 4,
            },
        )
    )
    figure.update_layout(margin={"l": 16, "r": 16, "b": 12, "t": figure.layout.margin.t - 14})
    return figure


def _cell(value: object) -> str:
    return number(float(value), 6) if isinstance(value, (float, np.floating)) else shortened(value, 60)
