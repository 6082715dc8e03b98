"""Principal components of rows."""

from __future__ import annotations

import torch
from torch import Tensor

from scope_widgets._types import Array
from scope_widgets.geometry.points import Points


def principal(points: Points) -> tuple[Array, Array, Tensor]:
    """Return variances [component] and directions [component, d] of the components of rows, and the rows centred.

    By the covariance, or where there are fewer rows than columns by the products of rows, in float64. Components that
    rounding alone makes have no direction, and variance 0.

    Raises
    ------
    ValueError
        Where the rows are all equal.
    """
    x = torch.from_numpy(points.x).double()
    size = float(x.abs().max())
    x = x - x.mean(0)
    scale = float(x.abs().max())
    if scale <= 8 * torch.finfo(torch.float64).eps * size:
        raise ValueError(f"All {len(points):,} rows of x are equal: they have no shape. Give other rows.")
    x /= scale  # so that no square vanishes or overflows
    n, d = x.shape
    tall = n >= d
    values, vectors = torch.linalg.eigh(x.T @ x if tall else x @ x.T)
    values, vectors = values.flip(0), vectors.flip(1)
    kept = values > values[0] * max(n, d) * torch.finfo(torch.float64).eps
    if not tall:
        kept[n - 1 :] = False  # centred rows have one direction less
    vectors = vectors[:, kept]
    directions = (vectors if tall else x.T @ vectors / values[kept].sqrt()).T
    directions = directions * _signs(directions)[:, None]
    variances = torch.where(kept, values, 0.0) * (scale**2 / n)
    return variances.numpy(), directions.numpy(), x.mul_(scale)


def _signs(directions: Tensor) -> Tensor:
    """Return 1 or -1 a direction, so that its largest entry is positive; of two that are as large, the first."""
    sizes = directions.abs()
    first = (sizes >= sizes.amax(1, keepdim=True) * (1 - 1e-6)).int().argmax(1, keepdim=True)
    return directions.gather(1, first).sign().squeeze(1)
