"""Recording a forward that the user runs: plain hooks, one whole forward, nothing of any other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from scope_widgets.models.attention.hook_attention import hooked_attention
from scope_widgets.models.call_arguments import call_arguments
from scope_widgets.models.encoder_decoder.source import EncodedSource
from scope_widgets.models.execution.recorder import CapturePoint, Recorder
from scope_widgets.models.guards.restore_on_exit import PutBack, putting_back, with_block
from scope_widgets.models.guards.uncompiled import uncompiled
from scope_widgets.traces.trace import last_of
from scope_widgets.traces.trace_data import KeptLogits


class RecordedCall:
    """The call that was recorded: its token ids and mask `[batch, position]`, and its logits."""

    def __init__(self) -> None:
        self.inputs: dict[str, Any] | None = None
        self.output: Any = None

    def call(self, keep: KeptLogits, source: EncodedSource | None = None) -> tuple[Tensor, Tensor, Tensor | None]:
        """Return ids, mask and the logits to keep, NaN where the call left logits out."""
        if self.inputs is None:
            raise ValueError("Nothing was recorded: call the model inside `with scope.watch() as trace:`.")
        given = self.inputs if source is None else source.of_decoder(self.inputs)
        ids = given.get("input_ids")
        if ids is None:
            raise ValueError("watch() records a call with input_ids; this one had none (inputs_embeds are not text).")
        logits = self.output[0] if isinstance(self.output, tuple) else self.output.logits
        if not isinstance(logits, Tensor) or logits.ndim != 3:
            raise ValueError("watch() records a call that returns logits; this one returned something else first.")
        ids = ids if ids.ndim == 2 else ids[None]
        mask = given.get("attention_mask")
        if mask is None:
            mask = torch.ones_like(ids)
        if mask.shape != ids.shape:
            raise ValueError(
                f"watch() reads an attention_mask [batch, position] like the token ids {tuple(ids.shape)}; "
                f"this call had one of shape {tuple(mask.shape)}."
            )
        mask, logits = mask.bool(), logits.detach()
        if keep is None:
            return ids, mask, None
        there = mask[:, ids.shape[1] - logits.shape[1] :]  # generate() asks for the last logits only
        if keep == "last":
            of_each = last_of(logits, there).masked_fill(~there.any(-1, keepdim=True), torch.nan)
            return ids, mask, of_each
        if logits.shape[1] < ids.shape[1]:
            whole = logits.new_full((*ids.shape, logits.shape[-1]), torch.nan)
            whole[:, ids.shape[1] - logits.shape[1] :] = logits
            logits = whole
        return ids, mask, logits


@with_block
def recording(model: Any, recorder: Recorder) -> Iterator[RecordedCall]:
    """Record the first whole forward of `model` in this thread while the block runs."""
    seen = RecordedCall()
    recorder.open = False

    def hook_at(back: PutBack, point: CapturePoint) -> None:
        def on_input(_: nn.Module, args: Any, kwargs: dict[str, Any]) -> None:
            recorder.store(point.name, point.layer, point.read(args or kwargs["hidden_states"]))

        def on_output(_: nn.Module, args: Any, output: Any) -> None:
            recorder.store(point.name, point.layer, point.read(output))

        if point.side == "input":
            back.hook(point.module.register_forward_pre_hook, on_input, with_kwargs=True)
        else:
            back.hook(point.module.register_forward_hook, on_output)

    def begin(_: nn.Module, args: Any) -> None:
        if seen.inputs is None:
            recorder.clear()  # of a forward before, which did not come to its end
            recorder.open = True

    def end(_: nn.Module, args: Any, kwargs: dict[str, Any], output: Any) -> None:
        if recorder.active:
            recorder.open = False
            seen.inputs, seen.output = call_arguments(model, args, kwargs), output

    attention = hooked_attention(model, recorder.attention_modules, recorder.attention_hook, recorder.scoring_hook)
    with uncompiled(), putting_back() as back:
        for point in recorder.capture_points():
            hook_at(back, point)
        back.hook(model.register_forward_pre_hook, begin)
        back.hook(model.register_forward_hook, end, with_kwargs=True)
        with recorder.hooks(), attention:
            yield seen
