# cython: boundscheck=False, wraparound=False, cdivision=True
"""Sums of attention statistics over the cells of [head, query, key]."""

from cython.parallel cimport prange
from libc.stdint cimport int16_t, int32_t

import numpy as np


cdef extern from "simd.h" nogil:
    int threads_to_use(int wanted)


cdef extern from "attention_rows.h" nogil:
    ctypedef struct EarlierTokens:
        const int32_t *positions
        const int32_t *start
        const int32_t *count
    cdef enum:
        N_SUMS
    void add_queries_float(
        const void *head, Py_ssize_t readable, int32_t n_tokens, int32_t first, int32_t last,
        EarlierTokens earlier, const double *inverse_log, double *sums, float *entropies)
    void add_queries_half(
        const void *head, Py_ssize_t readable, int32_t n_tokens, int32_t first, int32_t last,
        EarlierTokens earlier, const double *inverse_log, double *sums, float *entropies)


ctypedef fused Bits:  # of float32 and float16 (see _checks.bits)
    int32_t
    int16_t


def sum_rows(
    const Bits[:, :, ::1] attention,
    const int32_t[:, ::1] earlier_tokens,
    const double[::1] inverse_log,
    int block,
    int threads,
):
    """Sums [head, block of queries, statistic] float64 and entropies [head, query] float32.

    The sums of a block are its own, so that the result does not depend on the number of threads.
    `earlier_tokens` holds the rows positions, start, count (see EarlierTokens).
    """
    cdef Py_ssize_t n_heads = attention.shape[0], n_tokens = attention.shape[1]
    cdef Py_ssize_t n_blocks = (n_tokens + block - 1) // block
    cdef Py_ssize_t item, head, first
    cdef EarlierTokens earlier
    earlier.positions, earlier.start, earlier.count = \
        &earlier_tokens[0, 0], &earlier_tokens[1, 0], &earlier_tokens[2, 0]
    sums_array = np.zeros((n_heads, n_blocks, N_SUMS))
    entropies_array = np.empty((n_heads, n_tokens), dtype=np.float32)
    cdef double[:, :, ::1] sums = sums_array
    cdef float[:, ::1] entropies = entropies_array

    for item in prange(n_heads * n_blocks, nogil=True, schedule="dynamic", num_threads=threads_to_use(threads)):
        head = item // n_blocks
        first = item % n_blocks * block
        if Bits is int32_t:
            add_queries_float(
                &attention[head, 0, 0], (n_heads - head) * n_tokens * n_tokens, n_tokens,
                first, min(first + block, n_tokens), earlier, &inverse_log[0],
                &sums[head, item % n_blocks, 0], &entropies[head, 0])
        else:
            add_queries_half(
                &attention[head, 0, 0], (n_heads - head) * n_tokens * n_tokens, n_tokens,
                first, min(first + block, n_tokens), earlier, &inverse_log[0],
                &sums[head, item % n_blocks, 0], &entropies[head, 0])
    return sums_array, entropies_array
