"""Numbers of each head by which a view sorts, filters and finds heads, and the head that stands out by them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from scope_widgets.widgets.head_table.columns import read_frame

Float32 = npt.NDArray[np.float32]

#: what a head attends to by its content or place; the first token is where heads rest that have nothing to do
_PATTERNS = ("induction", "duplicate_token", "previous_token")


def statistics_of(scores: Any, n_layers: int, n_heads: int) -> dict[str, Float32]:
    """Return the columns of numbers of a table of heads, each `[layer, head]`; NaN for heads that it does not name.

    Parameters
    ----------
    scores : HeadScores, any result with ``to_dataframe()``, or a DataFrame
        A row a head. Of a head that is there several times the first row counts.

    Raises
    ------
    TypeError, ValueError
        When it is no table of heads, or names a head that the model does not have.

    Examples
    --------
    >>> statistics_of(pd.DataFrame({"layer": [1], "head": [0], "effect": [0.5]}), 2, 1)["effect"].tolist()
    [[nan], [0.5]]
    """
    frame = read_frame(scores).drop_duplicates(["layer", "head"])
    layer, head = frame["layer"].to_numpy(), frame["head"].to_numpy()
    for at in np.flatnonzero((layer >= n_layers) | (head >= n_heads))[:1]:
        raise ValueError(
            f"`scores` name head {layer[at]}.{head[at]}, but there are {n_layers} layers of {n_heads} heads."
        )
    found: dict[str, Float32] = {}
    for name in frame.columns:
        types = pd.api.types
        if name in ("layer", "head") or not types.is_numeric_dtype(frame[name]) or types.is_bool_dtype(frame[name]):
            continue
        found[name] = np.full((n_layers, n_heads), np.nan, np.float32)
        found[name][layer, head] = frame[name].to_numpy(dtype=np.float32, na_value=np.nan)
    return found


def strongest(statistics: Mapping[str, Float32], names: tuple[str, ...] = _PATTERNS) -> tuple[int, int, str] | None:
    """Return the head with the largest of the named statistics, as (layer, head, statistic); None where all are NaN."""
    known = [name for name in names if name in statistics and np.isfinite(statistics[name]).any()]
    if not known:
        return None
    best = max(known, key=lambda name: float(np.nanmax(statistics[name])))
    layer, head = np.unravel_index(int(np.nanargmax(statistics[best])), statistics[best].shape)
    return int(layer), int(head), best
