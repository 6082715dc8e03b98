"""Codes of rows read by latent: all rows that each fires in, or the strongest, without sorting all."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from . import _checks, _compiled, _numpy_codes

Starts: TypeAlias = NDArray[np.int64]
Indices: TypeAlias = NDArray[np.int32]
Values: TypeAlias = NDArray[np.float32] | NDArray[np.float16]


def rows_by_latent(
    starts: Starts, latents: Indices, values: Values, n_latents: int, threads: int | None = None
) -> tuple[Starts, Indices, NDArray[np.float32]]:
    """Return codes, compressed by rows, in the order of their latents: a counting sort.

    Beside the result it takes 8 bytes for each latent and thread.

    Parameters
    ----------
    starts
        [row + 1] int64, where each row begins in the next two.
    latents
        [entry] int32, below `n_latents`; in any order within a row.
    values
        [entry] float32 or float16.
    n_latents
        Number of latents.
    threads
        Number of threads; None: as many as the machine has and the work is worth. The result does not depend on it.

    Returns
    -------
    starts, rows, values
        [latent + 1] int64, where each latent begins; [entry] int32, ascending within a latent; [entry] float32.

    Raises
    ------
    TypeError, ValueError
        When an array has the wrong type, shape or layout, or a latent is none of `n_latents`.
    """
    n_latents, n_threads = _checks.codes(starts, latents, values, n_latents), _checks.threads(threads)
    if not len(latents):
        return np.zeros(n_latents + 1, np.int64), np.empty(0, np.int32), np.empty(0, np.float32)
    if _compiled.codes is None:
        return _numpy_codes.rows_by_latent(starts, latents, values, n_latents)
    begins, rows, sorted_values, wrong = _compiled.codes.by_latent(
        starts, latents, _checks.bits(values), n_latents, n_threads
    )
    _checks.nothing_wrong(wrong, n_latents)
    return begins, rows, sorted_values


def top_rows(
    starts: Starts, latents: Indices, values: Values, n_latents: int, n: int, threads: int | None = None
) -> tuple[Indices, NDArray[np.float32]]:
    """Return the rows in which each latent is strongest, from one pass over codes that are compressed by rows.

    Beside the result it takes 8 bytes for each of the `n` rows of a latent and thread.

    Parameters
    ----------
    starts
        [row + 1] int64, where each row begins in the next two.
    latents
        [entry] int32, below `n_latents`; in any order within a row.
    values
        [entry] float32 or float16.
    n_latents
        Number of latents.
    n
        Number of rows of a latent; meant to be small.
    threads
        Number of threads; None: as many as the machine has and the work is worth. The result does not depend on it.

    Returns
    -------
    rows, values
        [latent, n] int32 and float32, best first, ties to the smaller row; -1 and 0 where a latent has fewer.

    Raises
    ------
    TypeError, ValueError
        When an array has the wrong type, shape or layout, a latent is none of `n_latents`, or a value is NaN or
        infinite.
    """
    n_latents, n_threads = _checks.codes(starts, latents, values, n_latents), _checks.threads(threads)
    _checks.at_least_one(n, "n", "rows of a latent")
    if not len(latents):
        return np.full((n_latents, n), -1, np.int32), np.zeros((n_latents, n), np.float32)
    if _compiled.codes is None:
        return _numpy_codes.top_rows(starts, latents, values, n_latents, n)
    rows, best, wrong = _compiled.codes.top_rows(starts, latents, _checks.bits(values), n_latents, n, n_threads)
    _checks.nothing_wrong(wrong, n_latents)
    return rows, best
