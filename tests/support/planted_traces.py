"""Traces whose attention is set by hand, so that what each head is is known."""

from __future__ import annotations

import numpy as np
import torch

from scope_widgets import Provenance, Trace
from scope_widgets.traces.attention_scoring import AttentionScoring


def planted_trace(patterns, token_ids, tokens=None):
    """Make a trace of `patterns` [layer, head, query, key] over `token_ids`."""
    patterns = torch.as_tensor(np.asarray(patterns, dtype=np.float32))
    n_layers, n_heads, length, _ = patterns.shape
    ids = torch.as_tensor(token_ids)
    return Trace(
        token_ids=ids,
        tokens=[f"t{i}" for i in ids.tolist()] if tokens is None else tokens,
        kept_logits=torch.zeros(length, 4),
        n_layers=n_layers,
        n_heads=n_heads,
        n_kv_heads=n_heads,
        provenance=Provenance(model="planted", prompts=("planted",)),
        mask=torch.ones(length, dtype=torch.bool),
        scoring=(AttentionScoring(1.0),) * n_layers,
        values={"attention": list(patterns)},
    )


def one_hot(keys):
    """Patterns [query, key] of a head that looks at one key each."""
    pattern = np.zeros((len(keys), len(keys)), dtype=np.float32)
    pattern[np.arange(len(keys)), keys] = 1
    return pattern


def previous(length):
    return one_hot(np.maximum(np.arange(length) - 1, 0))


def first(length):
    return one_hot(np.zeros(length, dtype=int))


def current(length):
    return one_hot(np.arange(length))


def uniform(length):
    return np.tril(np.ones((length, length), dtype=np.float32)) / np.arange(1, length + 1, dtype=np.float32)[:, None]


def random(length, rng, sharpness=1.0):
    scores = np.where(
        np.tril(np.ones((length, length), dtype=bool)), rng.normal(size=(length, length)) * sharpness, -np.inf
    )
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    return (weights / weights.sum(-1, keepdims=True)).astype(np.float32)


def duplicate(token_ids, shift=0):
    """A head that looks at the last earlier equal token (or `shift` behind it), else at the first position."""
    ids = np.asarray(token_ids)
    keys = np.zeros(len(ids), dtype=int)
    for query in range(len(ids)):
        earlier = np.flatnonzero(ids[:query] == ids[query])
        keys[query] = earlier[-1] + shift if len(earlier) else 0
    return one_hot(keys)


def induction(token_ids):
    return duplicate(token_ids, shift=1)
