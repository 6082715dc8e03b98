"""Measures of a reconstruction, each under one name."""

from __future__ import annotations

from torch import Tensor


def explained_variance(x: Tensor, reconstruction: Tensor) -> float:
    """Return `1 - E|x - x'|^2 / (E|x|^2 - |Ex|^2)`, in float64; FVU is 1 minus it.

    Examples
    --------
    >>> x = torch.tensor([[1.0, 0.0], [-1.0, 0.0]])
    >>> explained_variance(x, 0.5 * x)
    0.75
    """
    x, reconstruction = x.double(), reconstruction.double()
    left, total = (x - reconstruction).square().sum(), (x - x.mean(0)).square().sum()
    return float(1 - left / total) if total > 0 else float("nan")
