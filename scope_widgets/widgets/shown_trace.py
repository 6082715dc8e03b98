"""The trace that an attention view shows: of one prompt, not too long, its patterns as arrays."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import numpy.typing as npt
import torch

#: up to this many tokens a head travels as exact float32, above it as uint8
EXACT_TOKENS = 1024
MOST_TOKENS = 4096
#: a saved page holds exact values of all heads up to so many bytes
SAVED_EXACT_BYTES = 8_000_000
#: how long the cell may wait for pictures of heads; the browser asks for the rest layer by layer
PATIENCE_S = 0.25

_Trace = TypeVar("_Trace")


def single(trace: _Trace, view: str, name: str = "trace") -> _Trace:
    """Return a trace of one prompt that `view` can show; raise a sentence that calls it `name` for another."""
    if not hasattr(trace, "tokens") or not hasattr(trace, "attention_only"):
        raise TypeError(f"{view} shows a trace, scope.trace(prompt), not {type(trace).__name__}.")
    tokens = list(trace.tokens)
    if tokens and not isinstance(tokens[0], str):
        raise ValueError(f"{view} shows one prompt and `{name}` has {len(tokens)}: choose one with {name}[i].")
    if not 0 < len(tokens) <= MOST_TOKENS:
        raise ValueError(
            f"{view} shows prompts of 1 to {MOST_TOKENS:,} tokens and `{name}` has {len(tokens):,}. "
            "Trace a shorter prompt."
        )
    return trace


def as_array(attention: torch.Tensor) -> npt.NDArray[np.float32]:
    """Return a pattern as float32 [query, key] on the CPU."""
    return np.ascontiguousarray(attention.detach().cpu().float().numpy())
