# cython: boundscheck=False, wraparound=False, cdivision=True
"""Attention made small enough for a screen. Cells come as their bits, int32 or int16 (see _checks.bits)."""

from cython.parallel cimport prange, threadid
from libc.stdint cimport int16_t, int32_t, uint8_t

import numpy as np


cdef extern from "simd.h" nogil:
    int threads_to_use(int wanted, Py_ssize_t n_cells)


cdef extern from "display.h" nogil:
    int band_levels_float(
        const int32_t *rows, Py_ssize_t n_rows, Py_ssize_t n_keys, Py_ssize_t size, int32_t *maxima, uint8_t *levels)
    int band_levels_half(
        const int16_t *rows, Py_ssize_t n_rows, Py_ssize_t n_keys, Py_ssize_t size, int16_t *maxima, uint8_t *levels)
    float triangle_maximum_float(const int32_t *matrix, Py_ssize_t n_tokens)
    float triangle_maximum_half(const int16_t *matrix, Py_ssize_t n_tokens)
    void triangle_levels_float(const int32_t *matrix, Py_ssize_t n_tokens, double scale, uint8_t *levels)
    void triangle_levels_half(const int16_t *matrix, Py_ssize_t n_tokens, double scale, uint8_t *levels)


ctypedef fused Bits:
    int32_t
    int16_t


def max_pool(const Bits[:, :, ::1] attention, Py_ssize_t size, int threads):
    """Return levels [head, size, size] uint8, and whether a band [head, size] has cells that are not finite."""
    cdef Py_ssize_t n_heads = attention.shape[0], n_tokens = attention.shape[1]
    cdef Py_ssize_t item, head, band, first, last
    cdef int n_threads = threads_to_use(threads, attention.size)
    levels_array = np.empty((n_heads, size, size), dtype=np.uint8)
    spoilt_array = np.empty((n_heads, size), dtype=np.int32)
    cdef uint8_t[:, :, ::1] levels = levels_array
    cdef int32_t[:, ::1] spoilt = spoilt_array
    cdef Bits[:, ::1] maxima = np.empty((n_threads, n_tokens), dtype=np.asarray(attention).dtype)

    for item in prange(n_heads * size, nogil=True, schedule="dynamic", num_threads=n_threads):
        head = item // size
        band = item % size
        first = band * n_tokens // size
        last = (band + 1) * n_tokens // size
        if Bits is int32_t:
            spoilt[head, band] = band_levels_float(
                &attention[head, first, 0], last - first, n_tokens, size, &maxima[threadid(), 0],
                &levels[head, band, 0])
        else:
            spoilt[head, band] = band_levels_half(
                &attention[head, first, 0], last - first, n_tokens, size, &maxima[threadid(), 0],
                &levels[head, band, 0])
    return levels_array, spoilt_array


def triangle_maximum(const Bits[:, ::1] matrix):
    """Return the largest cell of the lower triangle, NaN where one is not finite."""
    if Bits is int32_t:
        return triangle_maximum_float(&matrix[0, 0], matrix.shape[0])
    else:
        return triangle_maximum_half(&matrix[0, 0], matrix.shape[0])


def triangle_levels(const Bits[:, ::1] matrix, double scale):
    """Return the lower triangle, row by row, in levels 0..255 of `scale`."""
    cdef Py_ssize_t n_tokens = matrix.shape[0]
    levels_array = np.empty(n_tokens * (n_tokens + 1) // 2, dtype=np.uint8)
    cdef uint8_t[::1] levels = levels_array
    with nogil:
        if Bits is int32_t:
            triangle_levels_float(&matrix[0, 0], n_tokens, scale, &levels[0])
        else:
            triangle_levels_half(&matrix[0, 0], n_tokens, scale, &levels[0])
    return levels_array
