"""A model under nnsight that is untouched between two runs."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from scope_widgets.models.anatomy import nnsight_names
from scope_widgets.models.running import TransformersModel, run

_locks: weakref.WeakKeyDictionary[nn.Module, threading.RLock] = weakref.WeakKeyDictionary()


def lock_of(model: nn.Module) -> threading.RLock:
    """Give the lock of `model`: its attention is switched for a run, so only one run may be on it at a time."""
    return _locks.setdefault(model, threading.RLock())


class Wrapped:
    """`model` in an nnsight `TransformersModel`.

    nnsight leaves a controller on every module for good. Here they are taken off after each run and put back before
    the next, so that the user's model carries nothing of ours in between.
    """

    def __init__(self, model: nn.Module, tokenizer: Any) -> None:
        before = [(module, dict(vars(module))) for module in model.modules()]
        self.nnsight = TransformersModel(model, tokenizer=tokenizer, task="text-generation", rename=nnsight_names())
        self._ours = [
            (module, {name: value for name, value in vars(module).items() if old.get(name, _ABSENT) is not value}, old)
            for module, old in before
        ]
        self._take_off()

    def _put_on(self) -> None:
        for module, ours, _ in self._ours:
            vars(module).update(ours)

    def _take_off(self) -> None:
        for module, ours, old in self._ours:
            for name in ours:
                if name in old:
                    vars(module)[name] = old[name]
                else:
                    vars(module).pop(name, None)

    @contextmanager
    def controllers(self) -> Iterator[None]:
        """Put nnsight's controllers on the model for a `with` block."""
        self._put_on()
        try:
            yield
        finally:
            self._take_off()

    def envoy(self, module: nn.Module) -> Any:
        """Give nnsight's envoy of a module of the model."""
        return self.nnsight.interleaver.envoys[id(module)]

    def logits(self, inputs: dict[str, Any], body: Callable[[], None] | None = None) -> Tensor:
        """Run the model on `inputs`, with `body` in the block of the trace; gives the logits."""
        logits: list[Tensor] = []

        def block() -> None:
            if body is not None:
                body()
            logits.append(self.nnsight.output.logits)

        with torch.no_grad(), self.controllers():
            run(self.nnsight, block, **inputs, use_cache=False)
        return logits[0]


_ABSENT = object()
