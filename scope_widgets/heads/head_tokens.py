"""`HeadTokens`: the tokens that stand highest and lowest in what a head writes, copies, or matches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor

from scope_widgets._check_choice import is_whole
from scope_widgets._provenance import Provenance
from scope_widgets._result import Result
from scope_widgets._types import Array
from scope_widgets.experiments.statistics.rounding import largest
from scope_widgets.models.tokens import token_texts

if TYPE_CHECKING:
    import pandas as pd

Quantity = Literal["writes", "ov", "copied", "qk"]
_SAID = {"writes": "writes at", "ov": "writes of", "copied": "copies", "qk": "of the query"}


@dataclass(frozen=True, eq=False, repr=False)
class HeadTokens(Result):
    """The tokens with the largest and the smallest numbers, of one head; a row for each token that was asked of.

    Attributes
    ----------
    quantity : {"writes", "ov", "copied", "qk"}
        Of which function this is: `writes`, `ov_tokens`, `copied_tokens` or `qk_tokens`.
    layer, head : int
    of : list of str [row]
        The token at the position, the source token or the query token; empty where the row is of all tokens.
    of_ids : list of int [row]
    position : int
        Of `writes`; -1 for what is of no prompt.
    up_ids, down_ids : ndarray of int [row, n]
        From the largest number down, and from the smallest up.
    up, down : ndarray of float64 [row, n]
        The numbers: logits, or scores before the softmax.
    mean : ndarray of float64 [row]
        The mean over the vocabulary that was subtracted; 0 of what is not centred.
    texts : dict of str to str
        Text of each token, by its id.
    provenance : Provenance
    """

    plotted_by: ClassVar[str] = "scope_widgets.plots.heads:head_tokens"

    quantity: Quantity
    layer: int
    head: int
    of: list[str]
    of_ids: list[int]
    position: int
    up_ids: Array
    down_ids: Array
    up: Array
    down: Array
    mean: Array
    texts: dict[str, str]
    provenance: Provenance

    def __post_init__(self) -> None:
        shapes = {one.shape for one in (self.up_ids, self.down_ids, self.up, self.down)}
        rows = len(self.mean)
        if len(shapes) != 1 or {len(shape) for shape in shapes} != {2} or {shape[0] for shape in shapes} != {rows}:
            raise ValueError(f"up, down and their ids are [row, n] of {rows} rows; got {sorted(shapes)}.")
        if len(self.of) != len(self.of_ids) or len(self.of) not in (0, rows):
            raise ValueError(f"of= names a token for each of {rows} rows, or none; got {len(self.of)}.")

    def text(self, token_id: int) -> str:
        """Return the text of a token of this result."""
        return self.texts[str(int(token_id))]

    def top(self, row: int = 0) -> list[tuple[str, float]]:
        """Return the tokens with the largest numbers as (text, number), of one row."""
        return [(self.text(i), float(x)) for i, x in zip(self.up_ids[row], self.up[row], strict=True)]

    def bottom(self, row: int = 0) -> list[tuple[str, float]]:
        """Return the tokens with the smallest numbers as (text, number), of one row."""
        return [(self.text(i), float(x)) for i, x in zip(self.down_ids[row], self.down[row], strict=True)]

    def _said(self) -> str:
        of = f" {self.of[0]!r}" if self.of else ""
        more = f" and {len(self.of) - 1} more" if len(self.of) > 1 else ""
        up, down = (", ".join(f"{text!r} {x:+.3f}" for text, x in part[:3]) for part in (self.top(), self.bottom()))
        return f"head {self.layer}.{self.head} {_SAID[self.quantity]}{of}{more}: up {up}; down {down}"

    def to_dataframe(self) -> pd.DataFrame:
        """Return a table: of, direction ("up" or "down"), rank (from 0), token (its id), text, value."""
        import pandas as pd

        rows = [
            (self.of[row] if self.of else "", direction, rank, int(token), self.text(token), float(value))
            for row in range(len(self.mean))
            for direction, ids, values in (("up", self.up_ids, self.up), ("down", self.down_ids, self.down))
            for rank, (token, value) in enumerate(zip(ids[row], values[row], strict=True))
        ]
        return pd.DataFrame(rows, columns=["of", "direction", "rank", "token", "text", "value"])


def ranked(values: Tensor, n: int, tokenizer: Any) -> dict[str, Any]:
    """Return the fields of a `HeadTokens` that say which `n` of `values` `[row, vocabulary]` are largest and smallest.

    Raises
    ------
    ValueError
        Where the vocabulary has no `n` tokens, or a value is NaN or infinite.
    """
    size = values.shape[-1]
    if not is_whole(n) or not 1 <= n <= size:
        raise ValueError(f"n= is how many tokens are named, 1 to {size}; got {n!r}.")
    if not bool(torch.isfinite(values).all()):
        raise ValueError("What this head makes of the token is NaN or infinite, so that no token stands above another.")
    up_ids, down_ids = largest(values, int(n)), largest(-values, int(n))
    seen = np.unique(torch.cat([up_ids, down_ids])).tolist()
    return {
        "up_ids": up_ids.numpy(),
        "down_ids": down_ids.numpy(),
        "up": values.gather(-1, up_ids).numpy(),
        "down": values.gather(-1, down_ids).numpy(),
        "texts": {str(i): text for i, text in zip(seen, token_texts(tokenizer, seen), strict=True)},
    }


def checked_head(layer: int, head: int, n_layers: int, n_heads: int) -> tuple[int, int]:
    """Return layer and head counted from 0.

    Raises
    ------
    TypeError
        Where one is no whole number.
    IndexError
        Where the model has no such head.
    """
    for name, value in (("layer", layer), ("head", head)):
        if not is_whole(value):
            raise TypeError(f"{name} is a whole number; got {value!r}.")
    if not -n_layers <= layer < n_layers:
        raise IndexError(f"Layer {layer} is out of range: the model has layers 0 to {n_layers - 1}.")
    if not n_heads:
        raise IndexError("This model has no heads: no layer of it attends.")
    if not 0 <= head < n_heads:
        raise IndexError(f"Head {head} is out of range: a layer has heads 0 to {n_heads - 1}.")
    return int(layer) % n_layers, int(head)
