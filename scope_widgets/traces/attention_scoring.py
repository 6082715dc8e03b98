"""`AttentionScoring`: how a layer makes attention of queries and keys, for patterns that a trace did not record."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from scope_widgets.traces.not_captured import NotCapturedError


@dataclass(frozen=True)
class AttentionScoring:
    """How a layer scores keys: `softcap * tanh(scaling * q . k / softcap)`, over the keys that the query sees.

    What is added to the scores in a forward (masks, position biases) is described by few numbers, see `of_forward`.

    Attributes
    ----------
    scaling : float
        Mostly `1 / sqrt(d_head)`.
    softcap : float or None
        None: no soft-capping.
    window : int or None
        A query sees its own position and the `window - 1` before it (where attention is not causal, also behind it);
        None: all.
    chunk : int or None
        A query sees the positions of its own chunk alone, of so many; None: there are no chunks.
    causal : bool
        Whether a query sees nothing behind its own position.
    slopes : tuple of float or None
        Of each head, what is added to the score for each position that a key stands further back (ALiBi: below 0).
    sinks : tuple of float or None
        Of each head, the score of a sink: a key without position and value, whose share of the attention is left out.
    unknown : str
        Why patterns cannot be computed from queries and keys; empty where they can.
    """

    scaling: float
    softcap: float | None = None
    window: int | None = None
    chunk: int | None = None
    causal: bool = True
    slopes: tuple[float, ...] | None = None
    sinks: tuple[float, ...] | None = None
    unknown: str = ""

    @classmethod
    def of_mask(cls, mask: Tensor, kept: Tensor, window: int | None = None) -> AttentionScoring:
        """Return which keys are seen, and what is added to their scores, by a forward's additive mask; scaling is 1.

        Parameters
        ----------
        mask : Tensor [1 or batch, 1 or head, query, key]
            Added to the scores; far below all others, or `-inf`, where nothing is seen.
        kept : Tensor of bool [batch, position]
            Where there are tokens, not padding.
        window : int, optional
            What the model says; it counts where no prompt is long enough to tell.
        """
        plain = cls(1.0, window=window)
        if mask.shape[-2:] != (kept.shape[1], kept.shape[1]):
            return replace(plain, unknown="the forward went on from a cache, or read keys from elsewhere")
        longest = int(kept.sum(1).argmax())
        found = _described(plain, _without_padding(mask, kept, longest))
        if len(mask) > 1 and not found.unknown and not found._explains_all(mask, kept, longest):
            return replace(found, unknown="prompts of one batch are masked in different ways")
        return found

    def with_scores(
        self, *, scaling: float, softcap: float | None = None, sinks: Tensor | None = None
    ) -> AttentionScoring:
        """Return this with another scale and cap, and with sinks `[head]`."""
        unknown = self.unknown
        if sinks is not None and (sinks.ndim != 1 or self.slopes is not None):
            unknown = "what its sinks score depends on the prompt"
        scores = None if sinks is None or unknown else tuple(sinks.detach().float().tolist())
        return replace(self, scaling=scaling, softcap=softcap, sinks=scores, unknown=unknown)

    @property
    def from_products(self) -> bool:
        """Whether scores need nothing but products, a scale, a cap and a window: what the kernels can do."""
        return self.causal and self.chunk is None and self.slopes is None and self.sinks is None and not self.unknown

    def of_head(self, head: int) -> AttentionScoring:
        """Return the scoring of one head alone."""
        slopes, sinks = (None if value is None else (value[head % len(value)],) for value in (self.slopes, self.sinks))
        return replace(self, slopes=slopes, sinks=sinks)

    def seen(self, n_positions: int, device: torch.device | None = None) -> Tensor:
        """Return which keys each query sees, bool `[query, key]`."""
        seen = torch.ones(n_positions, n_positions, dtype=torch.bool, device=device)
        if self.causal:
            seen = seen.tril()
        if self.window is not None:
            seen = seen.triu(1 - self.window).tril(self.window - 1)
        if self.chunk is not None:
            chunk = torch.arange(n_positions, device=device) // self.chunk
            seen = seen & (chunk[:, None] == chunk)
        return seen

    def attention(self, q: Tensor, k: Tensor) -> Tensor:
        """Return the patterns `[head, query, key]` of one prompt, float32.

        Parameters
        ----------
        q : Tensor [position, head, d_head]
        k : Tensor [position, kv_head, d_head]

        Raises
        ------
        NotCapturedError
            Where something is added to the scores that is neither window nor chunk nor slope.
        """
        if self.unknown:
            raise NotCapturedError(
                f"Patterns cannot be computed from the queries and keys of this layer: {self.unknown}. "
                "Trace with capture=('attention',), which records them."
            )
        keys = k.repeat_interleave(q.shape[1] // k.shape[1], dim=1)
        scores = torch.einsum("qhd,khd->hqk", q, keys) * self.scaling
        if self.softcap is not None:
            scores = torch.tanh(scores / self.softcap) * self.softcap
        if self.slopes is not None:
            scores = scores + self._added(len(q), scores)
        scores = scores.masked_fill(~self.seen(len(q), q.device), -torch.inf)
        if self.sinks is None:
            return scores.softmax(-1, dtype=torch.float32)
        sinks = torch.tensor(self.sinks, dtype=scores.dtype, device=q.device)[:, None, None]
        return torch.cat([scores, sinks.expand(*scores.shape[:2], 1)], -1).softmax(-1, dtype=torch.float32)[..., :-1]

    def _added(self, n_positions: int, like: Tensor) -> Tensor:
        """Return what is added to scores for the distance of keys, `[head, query, key]`."""
        positions = torch.arange(n_positions, device=like.device)
        return torch.tensor(self.slopes, device=like.device)[:, None, None] * (positions[:, None] - positions)

    def _explains(self, mask: Tensor) -> bool:
        """Whether a mask `[head, query, key]` without padding is what this says; slopes, up to a number a query."""
        seen = self.seen(mask.shape[-1], mask.device)
        if not bool((_hidden(mask) == ~seen).all()):
            return False
        if self.slopes is None:
            return not bool(mask.masked_fill(~seen, 0.0).any())
        rest = mask.masked_fill(~seen, 0.0) - self._added(mask.shape[-1], mask)
        rest = (rest - rest.diagonal(dim1=-2, dim2=-1)[..., None]).masked_fill(~seen, 0.0)
        return bool(rest.abs().max() <= 1e-4 * mask.masked_fill(~seen, 0.0).abs().max())

    def _explains_all(self, mask: Tensor, kept: Tensor, longest: int) -> bool:
        """Whether the masks of all prompts are what this says, which it does of the longest one's."""
        if bool((kept[:, :-1] >= kept[:, 1:]).all()):  # padded behind, so that all can be compared at once
            both = kept[:, None, :, None] & kept[:, None, None, :]
            return not bool(((mask != mask[longest]) & both).any())
        return all(self._explains(_without_padding(mask, kept, row)) for row in range(len(mask)))


def _described(plain: AttentionScoring, mask: Tensor) -> AttentionScoring:
    """Return the scoring that a mask `[head, query, key]` without padding shows."""
    n, said = mask.shape[-1], plain.window
    seen = ~_hidden(mask[0])
    causal = not bool(seen.triu(1).any())
    width = int(seen[-1].sum())  # of what the last query sees
    window = width if width < n else said if said is not None and said >= n else None
    candidates = [replace(plain, causal=causal, window=window)]
    if candidates[0]._explains(mask):
        return candidates[0]
    if causal:
        starts = (~seen.diagonal(-1)).nonzero()
        candidates.append(replace(plain, window=None, chunk=int(starts[0]) + 1 if len(starts) else None))
    slopes = (mask[:, -1, -1] - mask[:, -1, n - width]) / min(-1, 1 - width)
    candidates += [replace(one, slopes=tuple(slopes.double().tolist())) for one in candidates]
    found = next((one for one in candidates[1:] if one._explains(mask)), None)
    return found or replace(plain, causal=causal, unknown="something is added to its scores that is no window or slope")


def _hidden(mask: Tensor) -> Tensor:
    return mask <= torch.finfo(mask.dtype).min / 2


def _without_padding(mask: Tensor, kept: Tensor, row: int) -> Tensor:
    at = kept[row].nonzero().squeeze(-1)
    own = mask[row if len(mask) > 1 else 0]
    return own if len(at) == mask.shape[-1] else own[:, at][:, :, at]
