"""`AttentionScoring`: how a layer makes attention of queries and keys, for patterns that a trace did not record."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class AttentionScoring:
    """How a layer scores keys: `softcap * tanh(scaling * q . k / softcap)`, over the keys that the query sees.

    Attributes
    ----------
    scaling : float
        Mostly `1 / sqrt(d_head)`.
    softcap : float or None
        None: no soft-capping.
    window : int or None
        A query sees its own position and the `window - 1` before it; None: all before it.
    """

    scaling: float
    softcap: float | None = None
    window: int | None = None

    def attention(self, q: Tensor, k: Tensor) -> Tensor:
        """Return the patterns `[head, query, key]` of one prompt, float32.

        Parameters
        ----------
        q : Tensor [position, head, d_head]
        k : Tensor [position, kv_head, d_head]
        """
        keys = k.repeat_interleave(q.shape[1] // k.shape[1], dim=1)
        scores = torch.einsum("qhd,khd->hqk", q, keys) * self.scaling
        if self.softcap is not None:
            scores = torch.tanh(scores / self.softcap) * self.softcap
        seen = torch.ones(scores.shape[-2:], dtype=torch.bool, device=q.device).tril()
        if self.window is not None:
            seen = seen.triu(1 - self.window)
        return scores.masked_fill(~seen, -torch.inf).softmax(-1, dtype=torch.float32)
