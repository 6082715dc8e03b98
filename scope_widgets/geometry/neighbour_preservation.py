"""How well a projection keeps the neighbours of rows."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from scope_widgets import _kernels
from scope_widgets._types import Array

#: rows of which ranks are counted, at most, and numbers that are held at once
_ROWS, _AT_ONCE = 2000, 2**23


def overlap(x: Array, y: Array, k: int) -> Array:
    """Return the share of the k nearest rows that a row has in both spaces [row]."""
    of_x, of_y = (np.sort(_kernels.nearest(one, k)[0], axis=1) for one in (x, y))
    merged = np.sort(np.concatenate([of_x, of_y], axis=1), axis=1)
    shares: Array = (merged[:, 1:] == merged[:, :-1]).sum(1) / k
    return shares


def trust(x: Array, y: Array, k: int, seed: int) -> tuple[float, float]:
    """Return trustworthiness and continuity of a projection `y` of `x` (Venna and Kaski 2001).

    1 less what the rows count that are near in `y` and not in `x` (of continuity: in `x` and not in `y`), each by how
    many ranks it is too far, as a share of the most that there can be. Of more than 2,000 rows that of as many at
    random, each among all.
    """
    n = len(x)
    rows = np.arange(n)
    if n > _ROWS:
        rows = np.sort(np.random.default_rng(seed).choice(n, _ROWS, replace=False))
    spaces = [torch.from_numpy(one.astype(np.float64)) for one in (x, y)]
    spaces = [one - one.mean(0) for one in spaces]
    excess = np.zeros(2)
    step = max(1, _AT_ONCE // n)
    for first in range(0, n if n <= _ROWS else _ROWS, step):
        here = torch.from_numpy(rows[first : first + step])
        of_x, of_y = (_ranks(one, here) for one in spaces)
        for at, (near, ranks) in enumerate(((of_y, of_x), (of_x, of_y))):
            excess[at] += float(((ranks - k).clamp_min(0) * (near <= k)).sum())
    found = 1 - excess * 2 / (len(rows) * k * (2 * n - 3 * k - 1))
    return float(found[0]), float(found[1])


def _ranks(x: Tensor, rows: Tensor) -> Tensor:
    """Return of each of some rows which neighbour each row is [row, point], from 1; of itself 0."""
    squares = torch.linalg.vecdot(x, x)
    distances = squares - 2 * x[rows] @ x.T
    distances[torch.arange(len(rows)), rows] = -torch.inf
    order = distances.argsort(dim=1, stable=True)
    numbers = torch.arange(len(x)).expand_as(order)
    return torch.empty_like(order).scatter_(1, order, numbers)
