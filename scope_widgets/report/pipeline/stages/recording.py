"""Activations of texts."""

from __future__ import annotations

from typing import Literal

from scope_widgets.features.recording.record import record
from scope_widgets.models.execution.token_batches import AT_ONCE
from scope_widgets.models.microscope import LocalMicroscope, Microscope
from scope_widgets.report.pipeline.stage import Context, Stage
from scope_widgets.report.pipeline.texts import recorded_texts

#: bytes up to which rows are kept as float32
_EXACT = 2 * 10**9
_CONTEXT = 256


def _run(given: Context) -> list[str]:
    layers = given.settings.layers_of(given.scope)
    texts, notes = recorded_texts(given.scope, given.settings)
    context = min(_CONTEXT, given.scope.anatomy.context)
    rows = len(layers) * len(texts) * context * given.scope.d_model
    dtype: Literal["float32", "bfloat16"] = "float32" if 4 * rows <= _EXACT else "bfloat16"
    at_once = given.fewer(tokens_at_once(given.scope, context), context)
    record(
        given.scope, texts, layers=layers, dtype=dtype, context=context, folder=given.work, at_once=at_once,
        progress=False,
    )  # fmt: skip
    return notes


def tokens_at_once(scope: Microscope, context: int) -> int:
    """Return the tokens of a forward: halved until the estimate of its memory fits into what is free."""
    at_once = AT_ONCE
    if not isinstance(scope, LocalMicroscope):
        return at_once
    while at_once > context:
        wanted = scope.estimate([[0] * context] * max(1, at_once // context), capture=("residual",), logits=None)
        if wanted.peak <= wanted.available:
            break
        at_once //= 2
    return at_once


STAGE = Stage(
    "recording", _run, options=("num_samples", "layers", "texts", "column", "seed"), folder="recording"
)  # fmt: skip
