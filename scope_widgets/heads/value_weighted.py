"""`value_weighted_attention`: attention times the size of what is written of the key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import torch
from torch import Tensor

from scope_widgets._provenance import Provenance
from scope_widgets._result import ArrayResult
from scope_widgets._types import Array
from scope_widgets.experiments.qk_ov_circuits.head_reads import check_ungated
from scope_widgets.experiments.trace_model import scope_of
from scope_widgets.heads.head_tokens import checked_head
from scope_widgets.models.architecture.unembedding import FrozenNorm, freeze_norm, one_head_writes, output_matrix
from scope_widgets.models.guards.locks import held
from scope_widgets.models.guards.restore_on_exit import recording_gradients
from scope_widgets.models.microscope import Microscope
from scope_widgets.models.remote_dispatch import remotable
from scope_widgets.traces.trace import Trace

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False, repr=False)
class ValueWeightedAttention(ArrayResult):
    """Size of what each query gets of each key, of heads of a layer.

    Attributes
    ----------
    values : ndarray of float32 [head, query, key]
        In units of the residual stream; rows do not sum to 1.
    layer : int
    heads : list of int [head]
    tokens : list of str [position]
        Of the prompt.
    provenance : Provenance
    """

    plotted_by: ClassVar[str] = "scope_widgets.plots.attention_patterns:value_weighted_attention"

    values: Array
    layer: int
    heads: list[int]
    tokens: list[str]
    provenance: Provenance

    def to_dataframe(self) -> pd.DataFrame:
        """Return a table, a row for each key up to its query: head, query, key, query_token, key_token, value."""
        import pandas as pd

        query, key = np.tril_indices(self.values.shape[-1])
        tokens, cells = np.array(self.tokens, dtype=object), len(query)
        columns = {
            "head": np.repeat(np.array(self.heads, dtype=int), cells),
            "query": np.tile(query, len(self.heads)),
            "key": np.tile(key, len(self.heads)),
            "query_token": np.tile(tokens[query], len(self.heads)),
            "key_token": np.tile(tokens[key], len(self.heads)),
        }
        return pd.DataFrame(columns | {"value": self.values[:, query, key].ravel()})


@remotable
def value_weighted_attention(
    trace: Trace, layer: int, head: int | None = None, *, scope: Microscope | None = None
) -> ValueWeightedAttention:
    """Weigh attention by what it carries: `A[query, key] * ||v_key W_O||` (Kobayashi et al. 2020, "norm-based").

    The norm of what a head writes at the query of the key alone. A head may attend to a token whose value is next to
    nothing (the first token, most often): attention shows that, this does not. Rows are not normalised: then a head
    that writes nothing at a query would look like one that writes much.

    Where a norm follows attention (Gemma 2, Gemma 3, OLMo 2) its scale is held as it was at the query.

    Parameters
    ----------
    trace : Trace
        Of one prompt, with "v" and with "attention" or "q" and "k"; where a norm follows attention, with "z".
    layer : int
    head : int, optional
        By default all heads of the layer.
    scope : Microscope, optional
        The model, for a trace that was read from a file.

    Returns
    -------
    ValueWeightedAttention
        `.values` [head, query, key] in units of the residual stream; NumPy takes the result as that array.

    Raises
    ------
    ValueError
        For several prompts.
    IndexError
        When the model has no such layer or head.
    NotCapturedError
        When the trace lacks one of the quantities.
    UnsupportedModelError
        Where something stands between values and output matrix (a gate, a norm): what comes of one key is not known.

    Examples
    --------
    >>> trace = scope.trace("When Mary and John went to the store")
    >>> heads.value_weighted_attention(trace, 3).shape  # [head, query, key]
    (4, 9, 9)
    """
    scope = scope_of(trace, scope)
    if trace.batched:
        raise ValueError(f"This takes one prompt and the trace has {len(trace)}: choose one with trace[i].")
    layer, first = checked_head(layer, 0 if head is None else head, trace.n_layers, trace.n_heads)
    wanted = range(trace.n_heads) if head is None else [first]
    check_ungated(scope, layer, "What a head writes of one key")
    values = trace.v(layer)
    grouped = trace.n_heads // values.shape[-2]
    scale = scope.anatomy.blocks[layer].attention_scale
    after = _norm_after(trace, scope, layer)
    found = np.empty((len(wanted), *[len(trace.tokens)] * 2), dtype=np.float32)
    for row, one in enumerate(wanted):
        parts = one_head_writes(scope, values[:, one // grouped], layer, one).cpu().double()
        parts = parts - parts.mean(-1, keepdim=True) if after.centres else parts
        # a gain for each query, or one for all
        squares = (after.gain * scale).square() @ parts.square().T
        found[row] = (trace.head_attention(layer, one).cpu().double() * squares.sqrt()).float().numpy()
    return ValueWeightedAttention(found, layer, list(wanted), list(trace.tokens), trace.provenance)


def _norm_after(trace: Trace, scope: Microscope, layer: int) -> FrozenNorm:
    """Return the norm after attention as it was at each position; without one, of one row for all."""
    norm = scope.anatomy.blocks[layer].attention_norm
    if norm is None:
        return freeze_norm(None, torch.zeros(1, scope.d_model))
    with recording_gradients(False), held(scope.model):
        whole: Tensor = output_matrix(scope.anatomy, layer)(trace.z(layer).flatten(-2).to(scope.model.device))
        return freeze_norm(norm, whole)
