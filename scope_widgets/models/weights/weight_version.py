"""`weights_version`, a number that changes with the weights, and `weights_state`, which comes back with them."""

from __future__ import annotations

from torch import nn

from scope_widgets.models.weights.weight_edits import put_back_versions


def weights_version(model: nn.Module) -> int:
    """Return a number that changes when a parameter is written in place, or another takes its place.

    (What is written through `.data` goes unseen: PyTorch does not count it.)
    """
    weights = (p for module in model.modules() for p in module._parameters.values() if p is not None)
    return hash(tuple((id(p), p.data_ptr(), p._version) for p in weights))


def weights_state(model: nn.Module) -> int:
    """As `weights_version`, but what this package has written and put back bit for bit does not count."""
    put_back = put_back_versions(model)
    weights = (p for module in model.modules() for p in module._parameters.values() if p is not None)
    return hash(tuple(_state(p, put_back.get(id(p), p._version)) for p in weights))


def _state(weight: nn.Parameter, version: int) -> tuple[object, ...]:
    """Return what is another with another weight; of one that is offloaded a new stand-in is made by every forward."""
    return (weight.shape, weight.dtype) if weight.is_meta else (id(weight), weight.data_ptr(), version)
