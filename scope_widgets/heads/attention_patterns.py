"""`entropy`, `top_attended` and `rollout`: quantities of attention patterns that are not one number a head."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from torch import Tensor

from scope_widgets import _kernels
from scope_widgets._aliases import former_options
from scope_widgets._provenance import Provenance
from scope_widgets._result import ArrayResult, Result
from scope_widgets._types import Array
from scope_widgets.experiments.trace_model import check_trace
from scope_widgets.heads.null_distribution import Patterns
from scope_widgets.heads.score import pattern
from scope_widgets.models.remote_dispatch import remotable
from scope_widgets.traces.trace import Trace

if TYPE_CHECKING:
    import pandas as pd

# --- entropy ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False, repr=False)
class AttentionEntropy(ArrayResult):
    """Entropy of the attention of each head of a layer at each query.

    Attributes
    ----------
    values : ndarray of float32 [head, query]
        In nats.
    layer : int
    tokens : list of str [query]
        Of the prompt.
    provenance : Provenance
    """

    plotted_by: ClassVar[str] = "scope_widgets.plots.attention_patterns:attention_entropy"

    values: Array
    layer: int
    tokens: list[str]
    provenance: Provenance

    def to_dataframe(self) -> pd.DataFrame:
        """Return a table: head, query, token, entropy."""
        import pandas as pd

        head, query = np.indices(self.values.shape).reshape(2, -1)
        token = [self.tokens[at] for at in query]
        return pd.DataFrame({"head": head, "query": query, "token": token, "entropy": self.values.ravel()})


@remotable
def entropy(trace: Trace, layer: int) -> AttentionEntropy:
    """Return the entropy of each query's attention in nats: 0 on one key, ln(q + 1) when spread evenly.

    Parameters
    ----------
    trace : Trace
        Of one prompt, with "attention" or "q" and "k".
    layer : int

    Returns
    -------
    AttentionEntropy
        `.values` [head, query]; NumPy takes the result as that array.

    Raises
    ------
    ValueError
        For several prompts.
    IndexError
        When the model has no such layer.
    NotCapturedError
        When the trace recorded neither attention nor queries and keys.

    Examples
    --------
    >>> trace = scope.trace("When Mary and John went to the store")
    >>> heads.entropy(trace, 1).shape  # [head, query]
    (4, 9)
    """
    _check_single(trace)
    values = _kernels.entropy_per_query(pattern(trace, layer))
    return AttentionEntropy(values, range(trace.n_layers)[layer], list(trace.tokens), trace.provenance)


# --- the most attended keys -------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False, repr=False)
class TopAttended(Result):
    """The most attended keys of each query, the most attended first.

    Attributes
    ----------
    positions : ndarray of int32 [head, query, n]
        Of the keys; -1 where a query sees fewer.
    weights : ndarray of float32 [head, query, n]
        The attention to them; 0 where there is none.
    layer : int
    tokens : list of str [position]
        Of the prompt.
    provenance : Provenance
    """

    plotted_by: ClassVar[str] = "scope_widgets.plots.attention_patterns:top_attended"

    positions: Array
    weights: Array
    layer: int
    tokens: list[str]
    provenance: Provenance

    def __iter__(self) -> Iterator[Array]:
        """Iterate over positions and weights, so that the result unpacks as these two."""
        return iter((self.positions, self.weights))

    def to_dataframe(self) -> pd.DataFrame:
        """Return a table: head, query, rank (from 0), key, token (the key's), attention."""
        import pandas as pd

        head, query, rank = np.nonzero(self.positions >= 0)
        key = self.positions[head, query, rank]
        columns = {"head": head, "query": query, "rank": rank, "key": key, "token": [self.tokens[at] for at in key]}
        return pd.DataFrame(columns | {"attention": self.weights[head, query, rank]})


@former_options("n", k="n")
@remotable
def top_attended(trace: Trace, layer: int, *, n: int = 5) -> TopAttended:
    """Return the `n` most attended keys of each query.

    Parameters
    ----------
    trace : Trace
        Of one prompt, with "attention" or "q" and "k".
    layer : int
    n : int, default 5
        How many keys of each query.

    Returns
    -------
    TopAttended
        `.positions` and `.weights` [head, query, n]; ties go to the earlier key.

    Raises
    ------
    ValueError
        For several prompts, or fewer than one key.
    IndexError
        When the model has no such layer.
    NotCapturedError
        When the trace recorded neither attention nor queries and keys.

    Examples
    --------
    >>> trace = scope.trace("When Mary and John went to the store, John gave a drink to")
    >>> found = heads.top_attended(trace, 3, n=2)
    >>> [trace.tokens[key] for key in found.positions[1, -1]]  # head 3.1, at the last query
    ['Mary', 'John']
    """
    _check_single(trace)
    positions, weights = _kernels.top_keys(pattern(trace, layer), n)
    return TopAttended(positions, weights, range(trace.n_layers)[layer], list(trace.tokens), trace.provenance)


# --- rollout ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False, repr=False)
class AttentionRollout(ArrayResult):
    """Attention followed through all layers.

    Attributes
    ----------
    values : ndarray of float64 [query, key]
        Rows sum to 1; row q says which input positions the last layer's position q draws on.
    residual : float
        The share that skips each layer.
    tokens : list of str [position]
        Of the prompt.
    provenance : Provenance
    """

    plotted_by: ClassVar[str] = "scope_widgets.plots.attention_patterns:attention_flow"

    values: Array
    residual: float
    tokens: list[str]
    provenance: Provenance

    def to_dataframe(self) -> pd.DataFrame:
        """Return a table, one row for each key that is not later than its query: query, key, share, their tokens."""
        import pandas as pd

        query, key = np.tril_indices(len(self.values))
        columns = {"query": query, "key": key, "share": self.values[query, key]}
        tokens = np.array(self.tokens, dtype=object)
        return pd.DataFrame(columns | {"query_token": tokens[query], "key_token": tokens[key]})


@remotable
def rollout(trace: Trace, *, residual: float = 0.5) -> AttentionRollout:
    """Follow attention through all layers: the product of `residual * I + (1 - residual) * (mean over heads)`.

    Abnar and Zuidema 2020. It shows where attention could carry information, not what it did carry.

    Parameters
    ----------
    trace : Trace
        Of one prompt, with "attention" or "q" and "k".
    residual : float, default 0.5
        The share, 0 to 1, that skips each layer in the residual stream.

    Returns
    -------
    AttentionRollout
        `.values` [query, key]; NumPy takes the result as that array.

    Raises
    ------
    ValueError
        For several prompts, or when `residual` is not a share.
    NotCapturedError
        When the trace recorded neither attention nor queries and keys.

    Examples
    --------
    >>> flow = heads.rollout(scope.trace("When Mary and John went to the store"))
    >>> flow.values.sum(-1).round(6).tolist()
    [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]
    """
    _check_single(trace)
    if not 0 <= residual <= 1:
        raise ValueError(f"residual= is the share that skips each layer, 0 to 1; got {residual}.")
    flow = np.eye(len(trace.tokens))
    for layer in range(trace.n_layers):
        flow = (residual * np.eye(len(flow)) + (1 - residual) * _mean_over_heads(pattern(trace, layer))) @ flow
    return AttentionRollout(flow, residual, list(trace.tokens), trace.provenance)


def _mean_over_heads(attention: Patterns) -> Array:
    if isinstance(attention, Tensor):
        return attention.mean(0).cpu().numpy().astype(np.float64)
    mean: Array = attention.mean(0, dtype=np.float64)
    return mean


def _check_single(trace: Trace) -> None:
    check_trace(trace)
    if trace.batched:
        raise ValueError(f"This takes one prompt and the trace has {len(trace)}: choose one with trace[i].")
