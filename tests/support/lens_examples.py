"""A logit lens that no model made: random logits that turn into those of the last layer."""

from __future__ import annotations

from typing import Any

import numpy as np

from scope_widgets._provenance import Provenance
from scope_widgets.lens import LogitLens

WORDS = [
    "When",
    " Mary",
    " and",
    " John",
    " went",
    " to",
    " the",
    " store",
    ",",
    " John",
    " gave",
    " a",
    " drink",
    " to",
]
VOCABULARY = [" the", " Mary", " John", " a", "\n", " drink", ",", " it", *(f" word{i}" for i in range(42))]


def made_lens(n_layers: int = 4, tokens: Any = 14, watch: Any = (1, 2), vocabulary: Any = ()) -> LogitLens:
    """Make one of `n_layers` + 1 rows; `watch` are ids, places in `vocabulary`."""
    texts = list(vocabulary or VOCABULARY)
    tokens = [WORDS[i % 14] for i in range(tokens)] if isinstance(tokens, int) else tokens
    draw = np.random.default_rng(0)
    depth = np.linspace(0, 1, n_layers + 1)[:, None, None]
    shape = len(tokens), len(texts)
    logits = depth * draw.normal(0, 4, shape) + (1 - depth) * draw.normal(0, 2, (n_layers + 1, *shape))
    log_p = (logits - np.log(np.exp(logits).sum(-1, keepdims=True))).astype(np.float32)
    p = np.exp(log_p)
    ids = np.argsort(-p, -1, kind="stable")[..., :5]
    followed = list(watch)
    return LogitLens(
        tokens=list(tokens),
        layers=list(range(n_layers + 1)),
        top_ids=ids,
        top_probabilities=np.take_along_axis(p, ids, -1),
        entropy=-(p * log_p).sum(-1),
        kl=(p[-1] * (log_p[-1] - log_p)).sum(-1).clip(0),
        texts={str(i): text for i, text in enumerate(texts)},
        watched=followed,
        watched_ranks=np.moveaxis((log_p[..., None, :] > log_p[..., followed][..., None]).sum(-1), -1, 0),
        watched_probabilities=np.moveaxis(p[..., followed], -1, 0),
        provenance=Provenance("somewhere/tiny-model", prompts=("".join(tokens),)),
    )
