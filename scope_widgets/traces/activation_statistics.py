"""`describe`: mean, spread and norm of a recorded quantity."""

from __future__ import annotations

import numpy as np
from torch import Tensor


def describe(value: Tensor, mask: Tensor) -> dict[str, float]:
    """Return statistics of `value` `[position, ...]` or `[batch, position, ...]` where `mask` is set."""
    rows = value[mask.to(value.device)].double().cpu().numpy()
    return {
        "mean": float(rows.mean()),
        "std": float(rows.std()),
        "min": float(rows.min()),
        "max": float(rows.max()),
        "mean_norm": float(np.linalg.norm(rows, axis=-1).mean()),
    }
