"""Attention of every kind that the kernels may be given, and how their statistics are compared."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

KINDS = ("softmax", "sharp", "uniform", "one-hot", "dead", "zero rows")


def attention_of_kind(kind, n_heads, n_tokens, dtype, rng):
    """Causal attention; what stands above the diagonal must not matter to the causal kernels."""
    causal = np.tril(np.ones((n_tokens, n_tokens), dtype=bool))
    scores = rng.normal(size=(n_heads, n_tokens, n_tokens)) * {"softmax": 1, "sharp": 20}.get(kind, 0)
    weights = np.where(causal, np.exp(scores - scores.max(axis=-1, keepdims=True)), 0)
    if kind == "one-hot":
        weights[:] = 0
        weights[:, np.arange(n_tokens), rng.integers(0, np.arange(1, n_tokens + 1))] = 1
    if kind == "dead":
        weights[:] = np.arange(n_tokens) == 0
    attention = weights / np.maximum(weights.sum(axis=-1, keepdims=True), 1e-300)
    if kind == "zero rows":
        attention[:, rng.random(n_tokens) < 0.5] = 0
    attention[:, ~causal] = 7.0
    return attention.astype(dtype)


@st.composite
def prompts(draw):
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n_heads, n_tokens = draw(st.integers(1, 3)), draw(st.integers(1, 64))
    dtype = draw(st.sampled_from([np.float32, np.float16]))
    attention = attention_of_kind(draw(st.sampled_from(KINDS)), n_heads, n_tokens, dtype, rng)
    tokens = rng.integers(-3, draw(st.integers(-2, 2 * n_tokens)), n_tokens)
    return attention, tokens


def assert_same_statistics(measured, expected, names=None):
    assert list(measured) == list(expected)
    for name in names or expected:
        assert measured[name].dtype == np.float64
        np.testing.assert_allclose(measured[name], expected[name], atol=1e-5, rtol=0, err_msg=name)
