"""Recording a forward that the user runs: plain hooks, one whole forward, nothing of any other."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from scope_widgets.models.execution.attention import probing
from scope_widgets.models.execution.recorder import Recorder, Site


class RecordedCall:
    """The call that was recorded: its token ids and mask `[batch, position]`, and its logits."""

    def __init__(self) -> None:
        self.inputs: dict[str, Any] | None = None
        self.output: Any = None

    def call(self) -> tuple[Tensor, Tensor, Tensor]:
        """Give ids, mask and logits `[batch, position, vocabulary]`, NaN where the call left logits out."""
        if self.inputs is None:
            raise ValueError("Nothing was recorded: call the model inside `with scope.watch() as trace:`.")
        ids = self.inputs.get("input_ids")
        if ids is None:
            raise ValueError("watch() records a call with input_ids; this one had none (inputs_embeds are not text).")
        logits = self.output[0] if isinstance(self.output, tuple) else self.output.logits
        if not isinstance(logits, Tensor) or logits.ndim != 3:
            raise ValueError("watch() records a call that gives logits; this one gave something else first.")
        ids = ids if ids.ndim == 2 else ids[None]
        mask = self.inputs.get("attention_mask")
        if mask is None:
            mask = torch.ones_like(ids)
        if mask.shape != ids.shape:
            raise ValueError(
                f"watch() reads an attention_mask [batch, position] like the token ids {tuple(ids.shape)}; "
                f"this call had one of shape {tuple(mask.shape)}."
            )
        whole = logits.new_full((*ids.shape, logits.shape[-1]), torch.nan)
        whole[:, ids.shape[1] - logits.shape[1] :] = logits.detach()  # generate() asks for the last logits only
        return ids, mask.bool(), whole


@contextmanager
def recording(model: Any, recorder: Recorder) -> Iterator[RecordedCall]:
    """Record the first whole forward of `model` in this thread while the block runs."""
    seen = RecordedCall()
    recorder.open = False
    signature = inspect.signature(model.forward)

    def reader(site: Site) -> torch.utils.hooks.RemovableHandle:
        def on_input(_: nn.Module, args: Any, kwargs: dict[str, Any]) -> None:
            recorder.keep(site.name, site.layer, site.read(args or kwargs["hidden_states"]))

        def on_output(_: nn.Module, args: Any, output: Any) -> None:
            recorder.keep(site.name, site.layer, site.read(output))

        if site.side == "input":
            return site.module.register_forward_pre_hook(on_input, with_kwargs=True)
        return site.module.register_forward_hook(on_output)

    def begin(_: nn.Module, args: Any) -> None:
        if seen.inputs is None and recorder.mine:
            recorder.clear()  # of a forward before, which did not come to its end
            recorder.open = True

    def end(_: nn.Module, args: Any, kwargs: dict[str, Any], output: Any) -> None:
        if recorder.listening:
            recorder.open = False
            seen.inputs, seen.output = signature.bind(*args, **kwargs).arguments, output
            seen.inputs |= seen.inputs.pop("kwargs", {})

    with ExitStack() as stack:
        sites = list(recorder.sites())
        fixed = dict(recorder.scoring)
        for site in sites:
            stack.callback(reader(site).remove)
        stack.callback(model.register_forward_pre_hook(begin).remove)
        stack.callback(model.register_forward_hook(end, with_kwargs=True).remove)
        stack.enter_context(recorder.hooks())
        stack.enter_context(probing(model, recorder.probe, recorder.spec))
        yield seen
    recorder.scoring = fixed | recorder.scoring
