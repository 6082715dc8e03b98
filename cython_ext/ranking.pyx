# cython: boundscheck=False, wraparound=False, cdivision=True
"""The most attended keys of every query. Cells come as their bits, int32 or int16 (see _checks.bits)."""

from cython.parallel cimport prange
from libc.stdint cimport int16_t, int32_t

import numpy as np


cdef extern from "simd.h" nogil:
    int threads_to_use(int wanted, Py_ssize_t n_cells)


cdef extern from "top_keys.h" nogil:
    float top_keys_float(
        const void *head, Py_ssize_t readable, int32_t n_tokens, int32_t first, int32_t last,
        int32_t k, int32_t *keys, float *weights)
    float top_keys_half(
        const void *head, Py_ssize_t readable, int32_t n_tokens, int32_t first, int32_t last,
        int32_t k, int32_t *keys, float *weights)


ctypedef fused Bits:
    int32_t
    int16_t


def top_keys(const Bits[:, :, ::1] attention, int32_t k, int block, int threads):
    """Return keys and weights [head, query, k], and [head, block of queries] NaN where a cell is not finite, else 0."""
    cdef Py_ssize_t n_heads = attention.shape[0], n_tokens = attention.shape[1]
    cdef Py_ssize_t n_blocks = (n_tokens + block - 1) // block
    cdef Py_ssize_t item, head, first
    cdef int n_threads = threads_to_use(threads, attention.size)
    keys_array = np.empty((n_heads, n_tokens, k), dtype=np.int32)
    weights_array = np.empty((n_heads, n_tokens, k), dtype=np.float32)
    spoilt_array = np.empty((n_heads, n_blocks), dtype=np.float32)
    cdef int32_t[:, :, ::1] keys = keys_array
    cdef float[:, :, ::1] weights = weights_array
    cdef float[:, ::1] spoilt = spoilt_array

    for item in prange(n_heads * n_blocks, nogil=True, schedule="dynamic", num_threads=n_threads):
        head = item // n_blocks
        first = item % n_blocks * block
        if Bits is int32_t:
            spoilt[head, item % n_blocks] = top_keys_float(
                &attention[head, 0, 0], (n_heads - head) * n_tokens * n_tokens, n_tokens,
                first, min(first + block, n_tokens), k, &keys[head, 0, 0], &weights[head, 0, 0])
        else:
            spoilt[head, item % n_blocks] = top_keys_half(
                &attention[head, 0, 0], (n_heads - head) * n_tokens * n_tokens, n_tokens,
                first, min(first + block, n_tokens), k, &keys[head, 0, 0], &weights[head, 0, 0])
    return keys_array, weights_array, spoilt_array
