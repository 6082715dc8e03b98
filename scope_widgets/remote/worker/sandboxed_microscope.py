"""`SandboxedMicroscope`: a microscope on a server whose requests run in a process without the model's weights.

nnsight's block runs there and the forward elsewhere: what the block reads is a copy, and what it sets is sent back.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import nn

from scope_widgets.models.architecture.anatomy import Anatomy
from scope_widgets.models.attention.attention_function import AttentionHook, ScoringHook, active_hook, attention
from scope_widgets.models.execution.nnsight_model import NNsightModel
from scope_widgets.models.guards.restore_on_exit import with_block
from scope_widgets.models.microscope import LocalMicroscope


class SandboxedMicroscope(LocalMicroscope):
    """A microscope that knows shapes, and runs forwards through nnsight's model alone."""

    has_gradients = False

    def __init__(self, model: Any, model_id: str, revision: str | None) -> None:
        module = model._module
        kind = type(module)
        # of the weights it would be "meta": what is made for them must be made here
        here = {"device": property(lambda self: torch.device("cpu")), "__module__": kind.__module__}
        module.__class__ = type(kind.__name__, (kind,), here)
        module.eval()  # as the one that computes is
        super().__init__(module, model.tokenizer, model_id, revision)
        self._wrapped = SandboxedModel(model, self.anatomy)

    def _under_nnsight(self) -> NNsightModel:
        assert self._wrapped is not None
        return self._wrapped


class SandboxedModel(NNsightModel):
    """nnsight's model as the server gives it."""

    by_source = True

    def __init__(self, model: Any, anatomy: Anatomy) -> None:
        self.nnsight, self._model, self._unembed = model, model._module, anatomy.unembed
        self._envoys = {id(envoy._module): envoy for envoy in _all(model)}

    @property
    def current(self) -> bool:
        """Nobody changes it here."""
        return True

    @with_block
    def controllers(self, touched: Iterable[nn.Module] | None = None) -> Iterator[None]:
        """Leave the server's as they are."""
        yield

    def envoy(self, module: nn.Module | None) -> Any:
        """Give nnsight's envoy of a module of the model."""
        return self._envoys[id(module)]

    def attend(self, module: nn.Module, hook: AttentionHook, scoring_hook: ScoringHook | None = None) -> None:
        """Compute the attention of a module in the block of a trace, through `hook`, for the model's own.

        Nothing is done for a family that computes attention without transformers' interface: it is not seen from here.
        """
        envoy = self.envoy(module)
        calls = [name for name in envoy.source.names if name.startswith("attention_interface_")]
        if not calls:
            return
        call = getattr(envoy.source, calls[-1])
        args, options = call.inputs
        with active_hook(hook, scoring_hook):
            call.output = attention(module, *args[1:], **options)


def _all(envoy: Any) -> Iterator[Any]:
    yield envoy
    for child in envoy._children:
        yield from _all(child)
