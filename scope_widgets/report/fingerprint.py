"""What tells a model from another one with the same name: a hash of its weights."""

from __future__ import annotations

import hashlib

import torch

from scope_widgets.models.microscope import Microscope
from scope_widgets.models.remote_dispatch import remotable

#: of each weight this many values are read, evenly spaced: a changed one of a large model may go unseen
_VALUES = 65_536


@remotable
def fingerprint(scope: Microscope) -> str:
    """Return a SHA-256 of the model's weights: names, shapes, dtypes and up to 65,536 values of each.

    Parameters
    ----------
    scope : Microscope

    Examples
    --------
    >>> from scope_widgets.report.fingerprint import fingerprint
    >>> len(fingerprint(scope))
    64
    """
    digest = hashlib.sha256()
    for name, weight in sorted(scope.model.state_dict().items()):
        if not isinstance(weight, torch.Tensor):  # what a quantised layer keeps beside its weights
            continue
        flat = weight.detach().reshape(-1)
        step = max(1, -(-flat.numel() // _VALUES))
        some = flat[::step].contiguous().cpu()
        digest.update(f"{name} {tuple(weight.shape)} {weight.dtype}\n".encode())
        digest.update(some.view(torch.uint8).numpy().tobytes() if some.numel() else b"")
    return digest.hexdigest()
