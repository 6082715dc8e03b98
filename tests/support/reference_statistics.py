"""The kernels' results by the definitions, in float64 and plain loops."""

from __future__ import annotations

import math

import numpy as np


def attention_from_qk(q, k, *, scaling, window=None, softcap=None):
    """Attention [head, query, key] in float64."""
    n_heads, n_tokens, _ = q.shape
    attention = np.zeros((n_heads, n_tokens, n_tokens))
    for head in range(n_heads):
        keys = k[head // (n_heads // len(k))].astype(np.float64)
        for query in range(n_tokens):
            first = 0 if window is None else max(0, query - window + 1)
            scores = keys[first : query + 1] @ q[head, query].astype(np.float64) * scaling
            if softcap is not None:
                scores = softcap * np.tanh(scores / softcap)
            weights = np.exp(scores - scores.max())
            attention[head, query, first : query + 1] = weights / weights.sum()
    return attention


def entropy(row):
    """-sum A ln A with 0 ln 0 = 0."""
    positive = row[row > 0]
    return -np.sum(positive * np.log(positive))


def head_statistics(attention, tokens, window=None):
    """Every statistic [head] of attention [head, query, key]."""
    attention = attention.astype(np.float64)
    names = [
        "entropy",
        "normalised_entropy",
        "previous_token",
        "current_token",
        "first_token",
        "duplicate_token",
        "induction",
        "sparsity",
    ]
    values = {name: [] for name in names}
    for head in attention:
        parts = {name: [] for name in names}
        for q in range(len(head)):
            row = head[q, : q + 1]
            n_visible = q + 1 if window is None else min(window, q + 1)
            earlier = [j for j in range(q) if tokens[j] == tokens[q]]
            parts["entropy"].append(entropy(row))
            parts["current_token"].append(row[q])
            parts["sparsity"].extend(row < np.float32(0.01))
            if n_visible > 1:
                parts["normalised_entropy"].append(entropy(row) / math.log(n_visible))
            if q > 0:
                parts["previous_token"].append(row[q - 1])
                parts["first_token"].append(row[0])
            if earlier:
                parts["duplicate_token"].append(sum(row[j] for j in earlier))
                parts["induction"].append(sum(row[j + 1] for j in earlier))
        for name, part in parts.items():
            values[name].append(np.mean(part) if part else np.nan)
    return {name: np.array(value) for name, value in values.items()}


def entropy_per_query(attention):
    """Entropy [head, query] of the causal cells."""
    attention = attention.astype(np.float64)
    return np.array([[entropy(head[q, : q + 1]) for q in range(len(head))] for head in attention])


def top_keys(attention, k):
    """Keys and weights [head, query, k], descending, ties to the lower key, -1 and 0 where there are fewer."""
    n_heads, n_tokens, _ = attention.shape
    keys = np.full((n_heads, n_tokens, k), -1)
    weights = np.zeros((n_heads, n_tokens, k), dtype=np.float32)
    for head in range(n_heads):
        for q in range(n_tokens):
            row = attention[head, q, : q + 1].astype(np.float32)
            best = sorted(range(q + 1), key=lambda key: (-row[key], key))[:k]
            keys[head, q, : len(best)] = best
            weights[head, q, : len(best)] = row[best]
    return keys, weights


def levels(values, scale):
    """0..scale as 0..255, rounded half up."""
    return np.floor(np.clip(values.astype(np.float64) / scale, 0, 1) * 255 + 0.5).astype(np.uint8)


def thumbnails(attention, size):
    """Max-pooled levels [head, size, size]."""
    n_tokens = attention.shape[1]
    size = min(size, n_tokens)
    edges = [i * n_tokens // size for i in range(size + 1)]
    pooled = np.zeros((len(attention), size, size))
    for i in range(size):
        for j in range(size):
            cells = attention[:, edges[i] : edges[i + 1], edges[j] : edges[j + 1]]
            pooled[:, i, j] = cells.max(axis=(1, 2))
    return levels(pooled, 1.0)


def triangle(matrix):
    """The cells key <= query, row by row."""
    return np.concatenate([matrix[q, : q + 1] for q in range(len(matrix))])
