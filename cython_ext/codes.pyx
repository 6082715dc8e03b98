# cython: boundscheck=False, wraparound=False, cdivision=True
"""Codes [row, latent], compressed by rows, read by latent. Values come as their bits, int32 or int16 (_checks.bits)."""

from cython.parallel cimport prange
from libc.stdint cimport int16_t, int32_t, int64_t

import numpy as np


cdef extern from "simd.h" nogil:
    int threads_to_use(int wanted, Py_ssize_t n_cells)


cdef extern from "codes.h" nogil:
    int count_codes(const int32_t *latents, int64_t first, int64_t last, int32_t n_latents, int64_t *counts)
    void scatter_codes_float(
        const int64_t *starts, const int32_t *latents, const void *values, int32_t first, int32_t last,
        int64_t *next, int32_t *rows_out, float *values_out)
    void scatter_codes_half(
        const int64_t *starts, const int32_t *latents, const void *values, int32_t first, int32_t last,
        int64_t *next, int32_t *rows_out, float *values_out)
    int keep_top_codes_float(
        const int64_t *starts, const int32_t *latents, const void *values, int32_t first, int32_t last,
        int32_t n_latents, int32_t n, float *bars, int32_t *rows_out, float *values_out)
    int keep_top_codes_half(
        const int64_t *starts, const int32_t *latents, const void *values, int32_t first, int32_t last,
        int32_t n_latents, int32_t n, float *bars, int32_t *rows_out, float *values_out)
    void join_top_codes(
        int32_t latent, int32_t n_latents, int32_t n, int32_t n_parts, int32_t *rows, float *values)


ctypedef fused Bits:
    int32_t
    int16_t


def _parts(starts, Py_ssize_t n_written, int threads):
    """Return rows [part + 1] at which parts of about as many entries begin, one a thread.

    A part takes `n_written` numbers of memory; it is worth them where it has as many entries.
    """
    n_entries = int(starts[len(starts) - 1])
    n = max(1, min(threads_to_use(threads, n_entries), n_entries // max(1, n_written)))
    wanted = np.linspace(0, n_entries, n + 1).astype(np.int64)
    rows = np.searchsorted(starts, wanted).astype(np.int32)
    rows[0], rows[n] = 0, len(starts) - 1
    return rows


def by_latent(
    const int64_t[::1] starts, const int32_t[::1] latents, const Bits[::1] values, int32_t n_latents, int threads
):
    """Return where each latent begins [latent + 1], rows and values [entry], and what is wrong with a part [part]."""
    parts_array = _parts(np.asarray(starts), n_latents, threads)
    cdef int32_t[::1] parts = parts_array
    cdef int n_parts = len(parts_array) - 1, part
    counts_array = np.zeros((n_parts, n_latents), dtype=np.int64)
    wrong_array = np.zeros(n_parts, dtype=np.int32)
    rows_array = np.empty(latents.shape[0], dtype=np.int32)
    values_array = np.empty(latents.shape[0], dtype=np.float32)
    cdef int64_t[:, ::1] counts = counts_array
    cdef int32_t[::1] wrong = wrong_array
    cdef int32_t[::1] rows_out = rows_array
    cdef float[::1] values_out = values_array

    for part in prange(n_parts, nogil=True, schedule="static", num_threads=n_parts):
        wrong[part] = count_codes(
            &latents[0], starts[parts[part]], starts[parts[part + 1]], n_latents, &counts[part, 0])
    begins = np.zeros(n_latents + 1, dtype=np.int64)
    np.cumsum(counts_array.sum(axis=0), out=begins[1:])
    if wrong_array.any():
        return begins, rows_array, values_array, wrong_array
    # the next place of each latent in each part: what comes before it in earlier parts
    before = np.cumsum(counts_array, axis=0) - counts_array
    counts_array[:] = before + begins[:n_latents]
    for part in prange(n_parts, nogil=True, schedule="static", num_threads=n_parts):
        if Bits is int32_t:
            scatter_codes_float(
                &starts[0], &latents[0], &values[0], parts[part], parts[part + 1], &counts[part, 0],
                &rows_out[0], &values_out[0])
        else:
            scatter_codes_half(
                &starts[0], &latents[0], &values[0], parts[part], parts[part + 1], &counts[part, 0],
                &rows_out[0], &values_out[0])
    return begins, rows_array, values_array, wrong_array


def top_rows(
    const int64_t[::1] starts, const int32_t[::1] latents, const Bits[::1] values, int32_t n_latents, int32_t n,
    int threads
):
    """Return rows and values [latent, n], and what is wrong with a part [part]."""
    parts_array = _parts(np.asarray(starts), <Py_ssize_t>n_latents * n, threads)
    cdef int32_t[::1] parts = parts_array
    cdef int n_parts = len(parts_array) - 1, part
    cdef int n_threads = threads_to_use(threads, <Py_ssize_t>n_latents * n)
    cdef int32_t latent
    wrong_array = np.zeros(n_parts, dtype=np.int32)
    rows_array = np.empty((n_parts, n_latents, n), dtype=np.int32)
    values_array = np.empty((n_parts, n_latents, n), dtype=np.float32)
    cdef int32_t[::1] wrong = wrong_array
    cdef int32_t[:, :, ::1] rows_out = rows_array
    cdef float[:, :, ::1] values_out = values_array
    cdef float[:, ::1] bars = np.empty((n_parts, n_latents), dtype=np.float32)

    for part in prange(n_parts, nogil=True, schedule="static", num_threads=n_parts):
        if Bits is int32_t:
            wrong[part] = keep_top_codes_float(
                &starts[0], &latents[0], &values[0], parts[part], parts[part + 1], n_latents, n,
                &bars[part, 0], &rows_out[part, 0, 0], &values_out[part, 0, 0])
        else:
            wrong[part] = keep_top_codes_half(
                &starts[0], &latents[0], &values[0], parts[part], parts[part + 1], n_latents, n,
                &bars[part, 0], &rows_out[part, 0, 0], &values_out[part, 0, 0])
    if not wrong_array.any():
        for latent in prange(n_latents, nogil=True, schedule="static", num_threads=n_threads):
            join_top_codes(latent, n_latents, n, n_parts, &rows_out[0, 0, 0], &values_out[0, 0, 0])
    return rows_array[0].copy() if n_parts > 1 else rows_array[0], (
        values_array[0].copy() if n_parts > 1 else values_array[0]), wrong_array
