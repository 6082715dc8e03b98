"""The residual streams of single tokens: of a few, or of the whole vocabulary piece by piece."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from typing import Any, Literal

import torch
from torch import Tensor

from scope_widgets.experiments.qk_ov_circuits.bare_embeddings import bare_embeddings
from scope_widgets.models.execution.read_activations import read_activations
from scope_widgets.models.microscope import Microscope

Stream = Literal["embedding", "first_block"]

#: numbers of one piece
_AT_ONCE = 2**21
#: bytes of a vocabulary's streams that are kept for the next question
_KEPT = 2**28
#: of a microscope: the version of its weights, and the pieces
_known: weakref.WeakKeyDictionary[Any, tuple[int, list[tuple[Tensor, Tensor]]]] = weakref.WeakKeyDictionary()


def single_tokens(scope: Microscope, stream: Stream) -> Callable[[Tensor], Tensor]:
    """Return a function of ids `[token]` to their streams `[token, d_model]`.

    "embedding" is what enters block 0 without a position, see `bare_embeddings`; "first_block" what leaves block 0 of
    each token alone, after the beginning-of-sequence token where there is one, as in Wang et al. 2022, section 3.1.
    """
    if stream == "embedding":
        return bare_embeddings(scope)
    bos = [] if scope.tokenizer.bos_token_id is None else [int(scope.tokenizer.bos_token_id)]
    point = ("residual", 1)
    return lambda ids: read_activations(scope, [[*bos, i] for i in ids.tolist()], [point])[point][:, -1]


def vocabulary_streams(scope: Microscope, stream: Stream) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield ids `[token]` and streams `[token, d_model]` of the whole vocabulary.

    What needed a run is kept for the next question, as far as this one came, where it is small.
    """
    version, size = scope.weights_version(), vocabulary_size(scope)
    if stream == "embedding" or size * scope.d_model * scope.model.dtype.itemsize > _KEPT:
        known: list[tuple[Tensor, Tensor]] = []
    else:
        if _known.get(scope, (None,))[0] != version:
            _known[scope] = version, []
        known = _known[scope][1]
    streams: Callable[[Tensor], Tensor] | None = None
    for at, ids in enumerate(torch.split(torch.arange(size), max(1, _AT_ONCE // scope.d_model))):
        if at < len(known):  # another question may have come further meanwhile
            yield known[at]
            continue
        streams = streams or single_tokens(scope, stream)
        piece = ids, streams(ids)
        if stream == "first_block" and at == len(known) and known is _known.get(scope, (None, None))[1]:
            known.append(piece)
        yield piece


def vocabulary_size(scope: Microscope) -> int:
    """Return how many tokens are both read and written."""
    embed: Any = scope.anatomy.embed
    return min(scope.anatomy.d_vocab, len(embed.weight))


def stream_note(scope: Microscope, stream: Stream) -> str:
    """Return what these streams are, and what they leave out, as sentences."""
    if stream == "embedding":
        return "By weights, of bare embeddings: what other positions and earlier layers write is left out."
    after = "" if scope.tokenizer.bos_token_id is None else f" after {scope.tokenizer.bos_token!r}"
    return f"By weights, of what leaves block 0 of each token alone{after}: what later layers write is left out."
