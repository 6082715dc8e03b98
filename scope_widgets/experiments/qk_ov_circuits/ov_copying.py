"""How far heads copy single tokens: what they read of a token, compared with the unembedding."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from scope_widgets.experiments.qk_ov_circuits.project_qkv import project_qkv
from scope_widgets.experiments.statistics.rounding import noise_floor
from scope_widgets.models.architecture.unembedding import Unembedding, head_writes
from scope_widgets.models.microscope import Microscope

#: numbers in one table of logits that is held at a time
_AT_ONCE = 2**23


def copying_scores(
    scope: Microscope,
    ids: Tensor,
    layers: Sequence[int],
    top: int = 5,
    on_layer: Callable[[], object] = lambda: None,
    *,
    heads: Mapping[int, Sequence[int]] | None = None,
) -> np.ndarray[Any, Any]:
    """Score how far the heads of some layers copy tokens, and the opposite (Wang et al. 2022, section 3.1).

    Parameters
    ----------
    ids : Tensor of int [token]
        Each is run alone, after the beginning-of-sequence token where there is one.
    layers : sequence of int
    top : int, default 5
    on_layer : callable
        Called when a layer is done.
    heads : mapping of layer to sequence of int, optional
        Those to score, by default all; the others are 0.

    Returns
    -------
    ndarray [2, layer, head]
        Shares of the tokens that are among the `top` likeliest when the head writes what it reads of them, and when it
        writes the negative of it; NaN where these logits are NaN or infinite.
    """
    bos = [] if scope.tokenizer.bos_token_id is None else [int(scope.tokenizer.bos_token_id)]
    trace = scope.trace([[*bos, i] for i in ids.tolist()], capture=("residual",), logits=None)
    values = project_qkv(scope, trace.residual(1)[:, -1], ("v",))["v"]
    unembedding = Unembedding(scope.model, scope.anatomy)
    nothing = unembedding.raw(torch.zeros(scope.d_model)).float().cpu()
    scores = np.zeros((2, len(layers), scope.n_heads))
    for at, layer in enumerate(layers):
        v = values[layer]
        writes, _ = head_writes(scope, v.repeat_interleave(scope.n_heads // v.shape[1], dim=1), layer)
        wanted = torch.as_tensor(list(range(scope.n_heads) if heads is None else heads[layer]))
        for some in torch.split(wanted, max(1, _AT_ONCE // (len(ids) * scope.anatomy.d_vocab))):
            scores[:, at, some.numpy()] = _shares(unembedding, writes[:, some], ids, top, nothing)
        on_layer()
    return scores


def _shares(unembedding: Unembedding, writes: Tensor, ids: Tensor, top: int, nothing: Tensor) -> np.ndarray[Any, Any]:
    """Return the shares of tokens that `writes` `[token, head, d_model]`, and their negatives, bring to the top.

    `nothing` `[vocabulary]` are the logits of an empty residual stream. Norms are odd but for their bias, so that one
    product with the unembedding serves both signs.
    """
    raw = unembedding.raw(writes)
    logits = raw.float().cpu()
    floor = logits.abs().amax(-1, keepdim=True) * noise_floor(raw.dtype, 1.0)
    shares = []
    for signed in (logits, 2 * nothing - logits):
        own = signed.gather(-1, ids[:, None, None].expand(*writes.shape[:2], 1))
        # a tie is no copy: a head that writes nothing leaves all tokens alike
        copied = ((signed >= own - floor).sum(-1) <= top).double()
        shares.append(copied.where(floor.squeeze(-1).isfinite(), torch.nan).mean(0).numpy())
    return np.stack(shares)
