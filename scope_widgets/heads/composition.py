"""How strongly the weights of a later head read what an earlier head writes (Elhage et al. 2021)."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm.auto import tqdm

from scope_widgets.experiments.project_qkv import read
from scope_widgets.models.architecture.anatomy import UnsupportedModelError
from scope_widgets.models.architecture.unembedding import output_matrices
from scope_widgets.models.microscope import Microscope
from scope_widgets.models.remote_dispatch import remotable


@remotable
def composition(scope: Microscope, kind: str = "k") -> np.ndarray[Any, Any]:
    """Score how much each later head composes with each earlier one, from the weights alone.

    `||W_QK . W_OV||_F / (||W_QK||_F ||W_OV||_F)` with the later head's W_QK (transposed for "q"; its W_OV for "v") and
    the earlier head's W_OV; the gains and centring of norms are folded into the matrices. Rotary embedding is left
    out: queries and keys are those of one and the same position.

    Parameters
    ----------
    scope : Microscope
    kind : {"k", "q", "v"}
        Through which of the later head's inputs.

    Returns
    -------
    ndarray [later layer, later head, earlier layer, earlier head]
        Between 0 and 1; NaN where the second is not of an earlier layer.

    Raises
    ------
    ValueError
        For another kind.
    UnsupportedModelError
        For GPT-Neo, whose attention cannot be looked into, and where queries or keys are no linear map of what enters.
    """
    if kind not in ("k", "q", "v"):
        raise ValueError(f"kind= is 'k', 'q' or 'v', the later head's input; got {kind!r}.")
    reading = {site: [_heads_first(scope, x) for x in layers] for site, layers in _maps(scope, kind).items()}
    v, o = reading["v"], [output_matrices(scope, layer) for layer in range(scope.n_layers)]
    gram_v, gram_o = [x.mT @ x for x in v], [x @ x.mT for x in o]
    # ||A C B||_F with C = W_O . (what reads it) needs only the d_head x d_head Gram matrices of A and B
    other, gram_other = {"k": ("q", None), "q": ("k", None), "v": ("v", gram_o)}[kind]
    right = gram_other or [x.mT @ x for x in reading[other]]
    gram_reader = [x.mT @ x for x in reading[kind]]
    size_later = [_product(a, b) for a, b in zip(gram_reader, right, strict=True)]
    size_earlier = [_product(a, b) for a, b in zip(gram_v, gram_o, strict=True)]
    scores = torch.full((scope.n_layers, scope.n_heads) * 2, torch.nan, dtype=torch.float64)
    for later in tqdm(range(scope.n_layers), desc=f"{kind.upper()}-composition", leave=False):
        for earlier in range(later):
            middle = torch.einsum("eid,ldj->leij", o[earlier], reading[kind][later])
            squared = ((gram_v[earlier] @ middle @ right[later][:, None]) * middle).sum((-2, -1))
            sizes = size_later[later][:, None] * size_earlier[earlier]
            scores[later, :, earlier] = (squared.clamp_min(0) / sizes).sqrt()
    return scores.numpy()


def _product(a: Tensor, b: Tensor) -> Tensor:
    """Squared Frobenius norm of X Y from the Gram matrices `X^T X` and `Y Y^T`, for each head."""
    return (a * b).sum((-2, -1))


def _heads_first(scope: Microscope, matrix: Tensor) -> Tensor:
    """Give one `[d_model, d_head]` matrix a query head, from those of the key-value heads where there are fewer."""
    return matrix.repeat_interleave(scope.n_heads // matrix.shape[1], dim=1).transpose(0, 1)


def _maps(scope: Microscope, kind: str) -> dict[str, list[Tensor]]:
    """Give the linear maps `[d_model, head, d_head]` from the residual stream to what each layer reads, up to factors.

    Basis vectors go through each block's own norm and projection. They have one norm among them, so the norm's scale is
    one factor for all. Where nothing has a bias they are tiny: then also a norm on queries and keys (Qwen 3, Gemma 3,
    OLMo 2), which is ruled by its epsilon, scales all alike.
    """
    sites = ("v",) if kind == "v" else ("q", "k", "v")
    basis = torch.eye(scope.d_model)
    tests = torch.cat([0 * basis[:1], basis[:1] + basis[1:2]])
    at_zero = read(scope, tests, sites)
    biased = any(bool(x[0].any()) for layers in at_zero.values() for x in layers)
    found = read(scope, torch.cat([tests, basis]) * (1.0 if biased else 1e-12), sites)
    maps: dict[str, list[Tensor]] = {}
    for site, layers in found.items():
        maps[site] = []
        for layer, values in enumerate(layers):
            exact = values.cpu().double()
            linear = exact[1:] - exact[0]
            linear /= linear.abs().max().clamp_min(1e-300)
            of_sum, sum_of = linear[0].flatten(), (linear[1] + linear[2]).flatten()
            if not (of_sum @ sum_of).square() >= 0.998 * (of_sum @ of_sum) * (sum_of @ sum_of):  # not parallel
                raise UnsupportedModelError(
                    f"{site} of layer {layer} is no linear map of what enters the block of this "
                    f"{type(scope.model).__name__}, so its heads have no composition score."
                )
            maps[site].append(linear[1:])
    return maps
