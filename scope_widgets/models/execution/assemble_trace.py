"""From what a `Recorder` has recorded to a `Trace`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from scope_widgets._provenance import Provenance
from scope_widgets.models.architecture.model_parts import ModelParts
from scope_widgets.models.execution.recorder import Recorder
from scope_widgets.models.tokens import token_texts
from scope_widgets.traces.attention_scoring import AttentionScoring
from scope_widgets.traces.trace import Trace


def assemble_trace(
    scope: ModelParts,
    recorder: Recorder,
    ids: Tensor,
    mask: Tensor,
    logits: Tensor | None,
    texts: Sequence[str | None],
    model_id: str,
    revision: str | None,
) -> Trace:
    """Return the trace of a forward, with a batch axis, padding NaN.

    Parameters
    ----------
    ids, mask : Tensor [batch, position]
    logits : Tensor [batch, position, vocabulary] or [batch, vocabulary], or None
    texts : sequence of str or None
        The prompts, as far as they were given as text.
    """
    recorder.check(ids.shape[1])
    rows = [[int(i) for i in row[keep]] for row, keep in zip(ids, mask, strict=True)]
    return Trace(
        token_ids=ids.cpu(),
        tokens=[token_texts(scope.tokenizer, row) for row in rows],
        kept_logits=blank_padding(logits, mask) if logits is not None and logits.ndim == 3 else logits,
        n_layers=scope.n_layers,
        n_heads=scope.n_heads,
        n_kv_heads=scope.anatomy.n_kv_heads,
        provenance=Provenance(
            model=model_id,
            revision=revision,
            prompts=prompt_texts(scope.tokenizer, rows, texts),
            note="the model was in training mode" if scope.model.training else "",
        ),
        mask=mask.cpu(),
        scoring=scoring_of(recorder.scoring, scope.n_layers, mask),
        values={
            site: [
                arrange(site, layers[layer], mask) if layer in layers else torch.empty(0)
                for layer in range(scope.n_layers + (site == "residual"))
            ]
            for site, layers in recorder.values.items()
        },
        modules={name: _by_position(value, mask) for name, value in recorder.modules.items()},
        source_tokens=() if scope.source is None else scope.source.tokens,
        scope=scope,
    )


def scoring_of(recorded: Mapping[int, Mapping[str, Any]], n_layers: int, kept: Tensor) -> tuple[AttentionScoring, ...]:
    """Return how each layer scores keys.

    Parameters
    ----------
    recorded : mapping of int to mapping
        Of each layer whose attention was seen, what a `ScoringHook` gets.
    n_layers : int
    kept : Tensor of bool [batch, position]
    """
    of_masks: dict[tuple[int, int | None], AttentionScoring] = {}
    found: list[AttentionScoring] = []
    for layer in range(n_layers):
        if (one := recorded.get(layer)) is None:
            found.append(AttentionScoring(1.0, unknown="no attention of queries and keys was seen in it"))
            continue
        key = id(one["mask"]), one["window"]
        if key not in of_masks:
            of_masks[key] = AttentionScoring.of_mask(one["mask"], kept, one["window"])
        found.append(of_masks[key].with_scores(scaling=one["scaling"], softcap=one["softcap"], sinks=one["sinks"]))
    return tuple(found)


def prompt_texts(tokenizer: object, rows: list[list[int]], texts: Sequence[str | None]) -> tuple[str, ...]:
    """Return the text of each prompt, decoded where it was given as token ids."""
    return tuple(
        tokenizer.decode(row, skip_special_tokens=True) if text is None else text  # type: ignore[attr-defined]
        for row, text in zip(rows, texts, strict=True)
    )


def arrange(site: str, value: Tensor, mask: Tensor) -> Tensor:
    """Return a recorded value with its axes in the order that a trace promises, and padding NaN."""
    if site in ("q", "k", "v"):
        value = value.transpose(1, 2)
    if site in ("attention", "cross_attention"):
        return blank_padding(value.transpose(1, 2), mask).transpose(1, 2)
    return blank_padding(_by_position(value, mask), mask)


def _by_position(value: Tensor, mask: Tensor) -> Tensor:
    """Restore the batch axis where a family runs a module over all prompts as one list of positions (OPT's MLP)."""
    return value.reshape(*mask.shape, -1) if value.ndim == 2 and len(value) == mask.numel() else value


def blank_padding(value: Tensor, mask: Tensor) -> Tensor:
    """Return `value` `[batch, position, ...]` with NaN where there is padding."""
    if bool(mask.all()):
        return value
    shape = (*mask.shape, *(1,) * (value.ndim - 2))
    return value.masked_fill(~mask.view(shape), torch.nan)
