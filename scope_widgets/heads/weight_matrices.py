"""`weight_matrices`: the matrices of the single heads of a layer."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from scope_widgets.models.architecture.anatomy import UnsupportedModelError
from scope_widgets.models.architecture.qkv_projections import QKV_SITES, matrix, qkv_projections
from scope_widgets.models.architecture.unembedding import output_matrix
from scope_widgets.models.microscope import Microscope


class HeadMatrices(NamedTuple):
    """The matrices of the heads of one layer, as they are in the model: no gain of a norm is folded in.

    Attributes
    ----------
    q, k, v : Tensor [head, d_model, d_head]
        From what the norm before attention gives to queries, keys and values; of query heads that share a key-value
        head the same.
    o : Tensor [head, d_head, d_model]
        From a head's output to what it writes.
    """

    q: Tensor
    k: Tensor
    v: Tensor
    o: Tensor


def weight_matrices(scope: Microscope, layer: int) -> HeadMatrices:
    """Return the matrices W_Q, W_K, W_V and W_O of each head of a layer (Elhage et al. 2021).

    A head's OV circuit is `v[head] @ o[head]`, its QK circuit `q[head] @ k[head].T`, without the rotary embedding. What
    tokens they lead to is in `ov_tokens` and `qk_tokens`.

    Parameters
    ----------
    scope : Microscope
    layer : int

    Returns
    -------
    HeadMatrices
        Copies, on the model's device, in its dtype.

    Raises
    ------
    IndexError
        When the model has no such layer.
    UnsupportedModelError
        Where the matrices are not known, or not plain numbers (quantised, on a server, with an adapter on them).

    Examples
    --------
    >>> of_layer = heads.weight_matrices(scope, 3)
    >>> ov = of_layer.v[1] @ of_layer.o[1]
    >>> tuple(ov.shape), int(torch.linalg.matrix_rank(ov))
    ((128, 128), 32)
    """
    if not 0 <= layer < scope.n_layers:
        raise IndexError(f"layer= is 0 to {scope.n_layers - 1} in {scope.model_id}; got {layer}.")
    found = {}
    for projection in qkv_projections(scope, layer).projections:
        for site, columns in projection.columns.items():
            of_heads = projection.matrix[:, columns.to(projection.matrix.device)]  # [d_model, head, d_head]
            found[site] = of_heads.repeat_interleave(scope.n_heads // len(columns), dim=1).transpose(0, 1)
    out = matrix(output_matrix(scope.anatomy, layer))
    if len(out) % scope.n_heads:
        raise UnsupportedModelError(
            f"The output matrix of layer {layer} reads {len(out)} numbers, not those of {scope.n_heads} heads."
        )
    parts = [found[site] for site in QKV_SITES] + [out.reshape(scope.n_heads, -1, out.shape[1])]
    with torch.no_grad():
        return HeadMatrices(*(part.detach().clone(memory_format=torch.contiguous_format) for part in parts))
