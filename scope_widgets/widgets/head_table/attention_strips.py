"""Attention of each head of a table over one prompt, as a result may bring it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd


@dataclass(frozen=True)
class Strips:
    """A row of attention for each head: uint8 [row, position], 255 is 1, from its query over the tokens of a prompt."""

    levels: npt.NDArray[np.uint8]
    tokens: list[str]
    queries: list[int]

    @classmethod
    def of(cls, scores: Any, n_rows: int) -> Strips | None:
        """Take them from a result that has any.

        Raises
        ------
        ValueError
            When they do not fit the rows or the tokens.
        """
        if not n_rows or isinstance(scores, pd.DataFrame) or getattr(scores, "strips", None) is None:
            return None
        levels, queries = np.asarray(scores.strips), [int(query) for query in scores.strip_queries]
        shape = n_rows, len(scores.strip_tokens)
        if levels.dtype != np.uint8 or levels.shape != shape or len(queries) != n_rows:
            raise ValueError(
                f"`strips` must be uint8 [{shape[0]}, {shape[1]}], a row a head and a column a token of strip_tokens, "
                f"with a query each, not {levels.dtype} {list(levels.shape)} with {len(queries)} queries."
            )
        if any(not 0 <= query < shape[1] for query in queries):
            known = sorted(set(queries))
            raise ValueError(f"`strip_queries` are positions from 0 to {shape[1] - 1}, and there are {known}.")
        return cls(levels, [str(token) for token in scores.strip_tokens], queries)
