"""Latents of an index in an order, page by page: only the rows of the page are made."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from scope_widgets._types import Array
from scope_widgets.features import FeatureIndex

Sort = Literal["feature", "rate", "mean", "max"]


def order_of(
    index: FeatureIndex,
    *,
    sort: Sort = "feature",
    descending: bool = False,
    search: str | None = None,
    dead: bool | None = None,
) -> Array:
    """Return the latents that are asked for, in their order; equal ones by their number.

    Parameters
    ----------
    index : FeatureIndex
    sort : {"feature", "rate", "mean", "max"}, default "feature"
    descending : bool, default False
    search : str, optional
        In the label, the tokens or the examples of a latent, whatever its case.
    dead : bool, optional
        Those that never fired, or those that did.
    """
    arrays = index.arrays
    found = np.arange(len(index))
    if search:
        found = np.flatnonzero(_matches(index, search))
    if dead is not None:
        found = found[(arrays["count"][found] == 0) == dead]
    if sort == "feature":
        return found[::-1] if descending else found
    values = arrays["count" if sort == "rate" else sort][found].astype(np.float64)
    values = np.where(np.isnan(values), -np.inf, values)
    return found[np.lexsort((found, -values if descending else values))]


def _matches(index: FeatureIndex, search: str) -> Array:
    """Return which latents have a text in their label, tokens or examples."""
    hits = np.zeros(len(index), dtype=bool)
    for condition in ({"text": search}, {"label": search}):
        try:
            given: Any = condition
            hits[index.search(n=len(index), **given).feature.to_numpy()] = True
        except ValueError:
            continue  # there are no labels, or the text is only spaces
    wanted = search.lower()
    ids = [one for one in np.unique(index.arrays["token"]).tolist() if one >= 0 and wanted in index.text(one).lower()]
    found: Array = hits | np.isin(index.arrays["token"], ids).any(1)
    return found
