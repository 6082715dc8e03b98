"""Whether anybody has hooks on a model that may change what it computes."""

from __future__ import annotations

from torch import nn

#: whose hooks belong to the model: those of transformers record, those of accelerate move weights
_OF_THE_MODEL = ("transformers", "accelerate", "torch")


def is_hooked(model: nn.Module) -> bool:
    """Return whether a module of a model has a hook that is not of the libraries that made and load it."""
    return any(
        getattr(hook, "__module__", "").partition(".")[0] not in _OF_THE_MODEL
        for module in model.modules()
        for hooks in (module._forward_hooks, module._forward_pre_hooks)
        for hook in hooks.values()
    )
