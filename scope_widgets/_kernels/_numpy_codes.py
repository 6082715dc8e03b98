"""Codes of rows read by latent, in NumPy: where there is no compiled module for it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import _checks

Array = NDArray[Any]


def rows_by_latent(starts: Array, latents: Array, values: Array, n_latents: int) -> tuple[Array, Array, Array]:
    """Return what `_codes.rows_by_latent` returns, by sorting."""
    _checks.nothing_wrong(
        np.array([_checks.OUTSIDE * bool(latents.min() < 0 or latents.max() >= n_latents)]), n_latents
    )
    order = np.argsort(latents, kind="stable")
    begins = np.concatenate([[0], np.cumsum(np.bincount(latents, minlength=n_latents))])
    return begins, _row_of_each(starts)[order], values[order].astype(np.float32)


def top_rows(starts: Array, latents: Array, values: Array, n_latents: int, n: int) -> tuple[Array, Array]:
    """Return what `_codes.top_rows` returns, by sorting."""
    _checks.nothing_wrong(np.array([_checks.NOT_FINITE * (not np.isfinite(values).all())]), n_latents)
    begins, rows, strengths = rows_by_latent(starts, latents, values, n_latents)
    of = np.repeat(np.arange(n_latents), np.diff(begins))
    order = np.lexsort((-strengths, of))  # stable, and rows ascend
    rank = np.arange(len(of)) - begins[of]
    kept = rank < n
    rows_out, values_out = np.full((n_latents, n), -1, np.int32), np.zeros((n_latents, n), np.float32)
    rows_out[of[kept], rank[kept]] = rows[order][kept]
    values_out[of[kept], rank[kept]] = strengths[order][kept]
    return rows_out, values_out


def _row_of_each(starts: Array) -> Array:
    return np.repeat(np.arange(len(starts) - 1, dtype=np.int32), np.diff(starts))
