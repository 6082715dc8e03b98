# cython: boundscheck=False, wraparound=False, cdivision=True
"""The nearest points: selection from blocks of products, and exact distances of what was selected."""

from cython.parallel cimport prange
from libc.stdint cimport int32_t, int64_t

import numpy as np


cdef extern from "simd.h" nogil:
    int threads_to_use(int wanted, Py_ssize_t n_cells)


cdef extern from "neighbours.h" nogil:
    void nearest_in_row(
        const float *products, const float *halves, int32_t n, int32_t point, int32_t first, const int64_t *groups,
        int32_t m, float *scores, int32_t *points, float *bar)
    void nearest_in_columns(
        const float *products, Py_ssize_t stride, const float *halves, int32_t n, int32_t first, int32_t start,
        int32_t stop, int32_t first_column, const int64_t *groups, int32_t m, float *scores, int32_t *points,
        float *bars)
    void squared_distances_float(
        const float *x, int32_t d, int32_t point, const int32_t *points, int32_t m, double *out)
    void squared_distances_double(
        const double *x, int32_t d, int32_t point, const int32_t *points, int32_t m, double *out)


ctypedef fused Number:
    float
    double


def select(
    const float[:, ::1] products, const float[::1] halves, int32_t first, int32_t first_column,
    const int64_t[::1] groups, float[:, ::1] scores, int32_t[:, ::1] points, float[::1] bars, int threads
):
    """Let a block [row, column] of products into the heaps of its rows and, where these are others, of its columns.

    halves, bars [point]; scores, points [point, m] are the heaps; groups [point], or of no entry where there are none.
    """
    cdef int32_t n_rows = products.shape[0], n_columns = products.shape[1], m = scores.shape[1], chunk = 64
    cdef int32_t row, at, start, n_chunks = (n_columns + chunk - 1) // chunk
    cdef int n_threads = threads_to_use(threads, products.size)
    cdef const int64_t *of = &groups[0] if groups.shape[0] else NULL
    for row in prange(n_rows, nogil=True, schedule="static", num_threads=n_threads):
        nearest_in_row(
            &products[row, 0], &halves[first_column], n_columns, first + row, first_column, of, m,
            &scores[first + row, 0], &points[first + row, 0], &bars[first + row])
    if first == first_column:
        return
    for at in prange(n_chunks, nogil=True, schedule="static", num_threads=n_threads):
        start = at * chunk
        nearest_in_columns(
            &products[0, 0], n_columns, &halves[first], n_rows, first, start, min(start + chunk, n_columns),
            first_column, of, m, &scores[first_column, 0], &points[first_column, 0], &bars[first_column])


def squared_distances(const Number[:, ::1] x, const int32_t[::1] rows, const int32_t[:, ::1] points, int threads):
    """Return squared distances [row, m] of the points `rows` from `points` [row, m]; infinity for -1."""
    cdef Py_ssize_t n = points.shape[0], at
    cdef int32_t d = x.shape[1], m = points.shape[1]
    cdef int n_threads = threads_to_use(threads, points.size * d)
    found_array = np.empty((n, m))
    cdef double[:, ::1] found = found_array
    for at in prange(n, nogil=True, schedule="dynamic", chunksize=16, num_threads=n_threads):
        if Number is float:
            squared_distances_float(&x[0, 0], d, rows[at], &points[at, 0], m, &found[at, 0])
        else:
            squared_distances_double(&x[0, 0], d, rows[at], &points[at, 0], m, &found[at, 0])
    return found_array
