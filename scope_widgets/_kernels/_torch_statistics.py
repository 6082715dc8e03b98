"""Head statistics by torch, on the device of the attention, or where there are no compiled modules.

Each function takes what its compiled namesake takes, tensors on any device as well, and returns the same. Attention is
read a block of queries at a time, so that little memory is needed beside it; only results leave the device.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from . import _checks
from ._means import earlier_equal_tokens, inverse_log, means, visible_keys

Array = NDArray[Any]
#: entries [head, query, key] of a block: 32 MB in float64
BLOCK_ENTRIES = 2**22


def head_statistics(
    attention: Array | Tensor,
    tokens: Array | Tensor,
    threads: int | None = None,
    *,
    window: int | None = None,
    chunk: int | None = None,
) -> dict[str, NDArray[np.float64]]:
    """Compute the statistics of every head; see `_statistics.head_statistics`. torch chooses its threads itself."""
    entries = as_attention(attention)
    _checks.threads(threads)
    n_heads, n_tokens, _ = entries.shape
    ids = as_tokens(tokens, n_tokens)
    n_visible = visible_keys(n_tokens, window, chunk)
    sums = Sums(n_heads, ids, n_visible, entries.device)
    for first, block in causal_blocks(entries):
        sums.add(first, block)
    return means(sums.numpy(), n_visible, earlier_equal_tokens(ids))


def entropy_per_query(attention: Array | Tensor, threads: int | None = None) -> NDArray[np.float32]:
    """Return the entropy of every attention row; see `_statistics.entropy_per_query`."""
    entries = as_attention(attention)
    _checks.threads(threads)
    entropies = torch.cat([_entropies(block) for _, block in causal_blocks(entries)], dim=1)
    _checks.all_finite(entropies.isfinite().all(1).cpu().numpy(), "attention")
    found: NDArray[np.float32] = entropies.float().cpu().numpy()
    return found


def head_statistics_from_qk(
    q: Array | Tensor,
    k: Array | Tensor,
    tokens: Array | Tensor,
    *,
    scaling: float,
    window: int | None = None,
    softcap: float | None = None,
    threads: int | None = None,
) -> dict[str, NDArray[np.float64]]:
    """Compute `head_statistics` from queries and keys; see `_statistics_from_qk.head_statistics_from_qk`."""
    queries = as_tensor(q, "q", ("head", "query", "d_head"), (np.float32,), contiguous=False)
    keys = as_tensor(k, "k", ("kv_head", "key", "d_head"), (np.float32,), contiguous=False)
    _checks.queries_and_keys(tuple(queries.shape), tuple(keys.shape), scaling, softcap)
    _checks.threads(threads)
    if queries.device != keys.device:
        raise ValueError(f"q is on {queries.device} and k on {keys.device}, expected both on one device: move one.")
    n_heads, n_tokens, d_head = queries.shape
    n_visible = visible_keys(n_tokens, window)
    ids = as_tokens(tokens, n_tokens)
    sums = Sums(n_heads, ids, n_visible, queries.device)
    # in float64, as a GPU may be set to multiply float32 with the ten bits of TF32
    queries, keys = queries.to(sums.dtype) * scaling, keys.to(sums.dtype)
    groups = queries.reshape(len(keys), -1, n_tokens, d_head)
    for first, last in _rows_at_once(n_heads, n_tokens):
        scores = groups[:, :, first:last].flatten(1, 2) @ keys[:, :last].mT
        scores = scores.reshape(n_heads, last - first, last)
        if softcap is not None:
            scores = torch.tanh(scores / softcap) * softcap
        seen = torch.ones(scores.shape[1:], dtype=torch.bool, device=scores.device).tril(first)
        seen = seen.triu(first + 1 - int(n_visible[-1]))
        not_finite = ~(scores.isfinite() | ~seen).all(2)
        weights = scores.masked_fill_(~seen, -torch.inf).softmax(-1)
        sums.add(first, weights.masked_fill_(not_finite[..., None], torch.nan))
    return means(sums.numpy(), n_visible, earlier_equal_tokens(ids), "the product of q and k")


def repetition_statistics(attention: Tensor, tokens: Array | Tensor) -> dict[str, NDArray[np.float64]]:
    """Compute the duplicate_token and induction of `head_statistics` alone, which reads few entries."""
    entries = as_attention(attention)
    ids = as_tokens(tokens, entries.shape[1])
    n_repeats = np.count_nonzero(earlier_equal_tokens(ids)[2])
    if n_repeats == 0:
        return {"duplicate_token": np.full(len(entries), np.nan), "induction": np.full(len(entries), np.nan)}
    at, after = _repetitions(entries, 0, torch.as_tensor(ids, device=entries.device))
    return {"duplicate_token": _float64(at) / n_repeats, "induction": _float64(after) / n_repeats}


def cell_means(attention: Array | Tensor, queries: Array, keys: Array) -> NDArray[np.float64]:
    """Return the mean attention at the given queries and keys, over the last axis of these.

    Parameters
    ----------
    attention : array or Tensor [..., query, key]
        A tensor is read on its device.
    queries, keys : array of int
        Of the same shape, or of shapes that broadcast.

    Returns
    -------
    array of float64
        The leading axes of `attention`, then those of `queries` and `keys` but the last.
    """
    if not isinstance(attention, Tensor):
        found: NDArray[np.float64] = attention[..., queries, keys].mean(-1, dtype=np.float64)
        return found
    rows, columns = (torch.as_tensor(given, device=attention.device) for given in (queries, keys))
    return _float64(attention[..., rows, columns].mean(-1, dtype=sum_dtype(attention.device)))


class Sums:
    """Sums of the statistics over queries, in the columns of head_sums.h, on the device of the attention."""

    def __init__(self, n_heads: int, tokens: Array, n_visible: NDArray[np.int64], device: torch.device) -> None:
        self.dtype = sum_dtype(device)
        self._tokens = torch.as_tensor(tokens, device=device)
        self._inverse_log = torch.as_tensor(inverse_log(n_visible), dtype=self.dtype, device=device)
        self._sums = torch.zeros(n_heads, 8, dtype=self.dtype, device=device)

    def add(self, first: int, block: Tensor) -> None:
        """Add queries `first`, `first + 1`, ... from their attention [head, query, key], 0 at later keys."""
        n_queries, last = block.shape[1:]
        n_later = n_queries * last - sum(range(first + 1, last + 1))
        entropies = _entropies(block)
        previous, current = block.diagonal(first - 1, 1, 2), block.diagonal(first, 1, 2)
        columns = [
            entropies.sum(1),
            (entropies * self._inverse_log[first:last]).sum(1),
            previous.sum(1, dtype=self.dtype),
            current.sum(1, dtype=self.dtype),
            block[:, int(first == 0) :, 0].sum(1, dtype=self.dtype),
            *_repetitions(block, first, self._tokens[:last]),
            (block < 0.01).sum((1, 2)) - n_later,
        ]
        self._sums += torch.stack([column.to(self.dtype) for column in columns], dim=1)

    def numpy(self) -> NDArray[np.float64]:
        """Return the sums [head, statistic]."""
        return _float64(self._sums)


def causal_blocks(attention: Tensor) -> Iterator[tuple[int, Tensor]]:
    """Yield the first query and the attention of blocks of queries, float32 [head, query, key], 0 at later keys."""
    n_heads, n_tokens, _ = attention.shape
    for first, last in _rows_at_once(n_heads, n_tokens):
        yield first, attention[:, first:last, :last].float().tril(first)


def as_tensor(
    given: Array | Tensor, name: str, axes: tuple[str, ...], dtypes: tuple[type, ...], contiguous: bool = True
) -> Tensor:
    """Return `given` as a tensor where it is an array that `_checks.array` lets pass, or such a tensor."""
    if not isinstance(given, Tensor):
        checked = _checks.array(given, name, axes, dtypes, contiguous)
        return torch.from_numpy(np.require(checked, requirements=["C", "W"]))
    given = plain(given)
    stand_in = torch.empty((), dtype=given.dtype).expand(given.shape).numpy()  # the same shape and type, no entries
    _checks.array(stand_in, name, axes, dtypes, contiguous=False)
    return given


def plain(given: Tensor) -> Tensor:
    """Return `given` without its gradient, and bfloat16, which NumPy does not have, as float32."""
    return given.detach().float() if given.dtype == torch.bfloat16 else given.detach()


def as_attention(given: Array | Tensor) -> Tensor:
    """Return `given` as attention [head, query, key]."""
    checked = as_tensor(given, "attention", ("head", "query", "key"), _checks.FLOATS)
    _checks.square(tuple(checked.shape), "attention")
    return checked


def as_tokens(given: Array | Tensor, n_queries: int) -> Array:
    """Return `given` as int64 token ids [query], one per query."""
    return _checks.tokens(given.cpu().numpy() if isinstance(given, Tensor) else given, n_queries)


def sum_dtype(device: torch.device) -> torch.dtype:
    """Return the type to sum in: float64, which Apple's GPUs do not have."""
    return torch.float32 if device.type == "mps" else torch.float64


def all_finite(entries: Tensor) -> Array:
    """Whether all entries [head, ...] of a head are finite, [head], without a copy of them."""
    lowest, highest = entries.flatten(1).aminmax(dim=1)
    finite: Array = (lowest.isfinite() & highest.isfinite()).cpu().numpy()
    return finite


def _float64(result: Tensor) -> NDArray[np.float64]:
    found: NDArray[np.float64] = result.cpu().double().numpy()
    return found


def _rows_at_once(n_heads: int, n_tokens: int) -> Iterator[tuple[int, int]]:
    size = max(1, BLOCK_ENTRIES // (n_heads * n_tokens))
    for first in range(0, n_tokens, size):
        yield first, min(first + size, n_tokens)


def _entropies(block: Tensor) -> Tensor:
    """-sum A ln A of each row [head, query]."""
    logarithms = block.clamp_min(torch.finfo(torch.float32).tiny).log_()  # that of 0 is finite: times 0 it is 0
    return 0.0 - logarithms.mul_(block).sum(2, dtype=sum_dtype(block.device))


def _repetitions(block: Tensor, first: int, tokens: Tensor) -> tuple[Tensor, Tensor]:
    """Sum each head's attention from queries `first`, ... to earlier equal tokens, and to the tokens after these."""
    earlier = (tokens[first : first + block.shape[1], None] == tokens).tril(first - 1)
    queries, keys = earlier.nonzero(as_tuple=True)
    at, after = (block[:, queries, key].sum(1, dtype=sum_dtype(block.device)) for key in (keys, keys + 1))
    return at, after
