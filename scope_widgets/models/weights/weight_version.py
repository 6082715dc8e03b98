"""`weights_version`: a number that changes with the weights."""

from __future__ import annotations

from torch import nn


def weights_version(model: nn.Module) -> int:
    """Return a number that changes when a parameter is written in place, or another takes its place.

    (What is written through `.data` goes unseen: PyTorch does not count it.)
    """
    weights = (p for module in model.modules() for p in module._parameters.values() if p is not None)
    return hash(tuple((id(p), p.data_ptr(), p._version) for p in weights))
