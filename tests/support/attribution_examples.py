"""Attributions that no model made: parts drawn at random that sum to what they say, some heads large."""

from __future__ import annotations

import numpy as np

from scope_widgets._provenance import Provenance
from scope_widgets.lens import Attribution


def made_attribution(
    n_layers: int = 4, n_heads: int = 4, prompts: int = 1, *, versus: bool = True, biases: bool = False, seed: int = 0
) -> Attribution:
    """Make one of a model of these sizes; `biases`: heads and the end have them."""
    draw = np.random.default_rng(seed)
    rows = [("embedding", -1, -1)]
    for layer in range(n_layers):
        rows += [("attention", layer, head) for head in range(n_heads)]
        rows += [("attention_bias", layer, -1), ("mlp", layer, -1)]
    rows += [("final_norm_bias", -1, -1), ("unembedding_bias", -1, -1)]
    component, layers, heads = (list(column) for column in zip(*rows, strict=True))
    depth = np.clip(np.array(layers), 0, None) / max(1, n_layers - 1)
    mean = draw.normal(0, 0.06, len(rows)) * (0.3 + depth)
    for at in np.flatnonzero(np.array(heads) >= 0)[draw.permutation(n_layers * n_heads)[: max(3, n_layers // 2)]]:
        mean[at] += draw.normal(0.25, 0.6)
    mean[np.array(component) == "mlp"] *= 4
    for name in ("attention_bias", "final_norm_bias", "unembedding_bias"):
        mean[np.array(component) == name] *= biases
    per_prompt = mean * (1 + draw.normal(0, 0.3, (prompts, len(rows))) * (prompts > 1))
    return Attribution(
        component=component,
        layer=np.array(layers),
        head=np.array(heads),
        contribution=per_prompt.mean(0),
        per_prompt=per_prompt,
        total=per_prompt.sum(1),
        residue=3e-7,
        answer=[" Mary"] * prompts,
        versus=[" John"] * prompts if versus else [],
        n_layers=n_layers,
        n_heads=n_heads,
        provenance=Provenance("somewhere/tiny-model", prompts=("When Mary and John went to the store",) * prompts),
        answer_ids=[1] * prompts,
        versus_ids=[2] * prompts if versus else [],
    )
