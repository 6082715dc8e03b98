"""Traces of many heads that look at the token before, the first token, a copy, or everywhere."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.support.planted_traces import planted_trace

WORDS = [" the", " dog", " runs", " and", " Mary", " went", " to", " store", ",", " John", " gave", " a", " drink", "."]


def stacked_trace(tokens: int = 64, layers: int = 12, heads: int = 12, seed: int = 0) -> Any:
    """Return a trace whose heads each have a pattern of their own, sharper in later layers."""
    rng = np.random.default_rng(seed)
    query, key = np.arange(tokens)[:, None], np.arange(tokens)[None]
    patterns = np.zeros((layers, heads, tokens, tokens), np.float32)
    for layer in range(layers):
        for head in range(heads):
            kind = rng.integers(4)
            back = rng.integers(1, max(2, tokens // 4))
            logits = rng.normal(size=(tokens, tokens)) * 0.7
            if kind == 0:
                logits += 6.0 * (key == query - 1)
            elif kind == 1:
                logits += 5.0 * (key == 0)
            elif kind == 2:
                logits += 5.0 * (key == query - back)
            logits = np.where(key <= query, logits * (0.6 + layer / layers), -np.inf)
            weights = np.exp(logits - logits.max(-1, keepdims=True))
            patterns[layer, head] = weights / weights.sum(-1, keepdims=True)
    texts = [WORDS[at % len(WORDS)] for at in range(tokens)]
    return planted_trace(patterns, np.arange(tokens), texts)
