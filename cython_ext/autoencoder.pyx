# cython: boundscheck=False, wraparound=False, cdivision=True
"""The strongest latents of rows, and the gradients of latents that fire. bfloat16 comes as its bits, uint16."""

from cython.parallel cimport prange
from libc.stdint cimport int32_t, int64_t, uint16_t

import numpy as np


cdef extern from "simd.h" nogil:
    int threads_to_use(int wanted, Py_ssize_t n_cells)


cdef extern from "autoencoder.h" nogil:
    int32_t strongest_of_row(const float *p, int32_t n, int32_t k, int32_t *latents, float *values)
    int32_t strongest_by_scores(
        const uint16_t *scores, const float *bias, const float *norms, float slack, const float *x,
        const float *weights, int32_t d, int32_t n, int32_t k, int32_t *latents, float *values)
    int32_t above_by_scores(
        const uint16_t *scores, const float *bias, const float *norms, float slack, const float *x,
        const float *weights, int32_t d, int32_t n, float bar, int32_t most, int32_t *latents, float *values)
    float gradients_of_latent(
        const int32_t *rows, const float *values, int64_t n, const float *error, const float *centred,
        const float *decoder, int32_t d, int fresh, float *of_encoder, float *of_decoder)


def strongest(const float[:, ::1] p, int32_t k, int threads):
    """Return latents and values [row, k], latents ascending, and how many there are [row], -1 where p is not finite."""
    cdef Py_ssize_t n_rows = p.shape[0], row
    cdef int32_t n = p.shape[1]
    cdef int n_threads = threads_to_use(threads, n_rows * n)
    latents_array = np.empty((n_rows, k), dtype=np.int32)
    values_array = np.empty((n_rows, k), dtype=np.float32)
    counts_array = np.empty(n_rows, dtype=np.int32)
    cdef int32_t[:, ::1] latents = latents_array
    cdef float[:, ::1] values = values_array
    cdef int32_t[::1] counts = counts_array
    for row in prange(n_rows, nogil=True, schedule="dynamic", num_threads=n_threads):
        counts[row] = strongest_of_row(&p[row, 0], n, k, &latents[row, 0], &values[row, 0])
    return latents_array, values_array, counts_array


def strongest_scored(
    const uint16_t[:, ::1] scores, const float[::1] bias, const float[::1] norms, const float[::1] slack,
    const float[:, ::1] x, const float[:, ::1] weights, int32_t k, int threads
):
    """Return the same of x weights + bias, of which `scores` [row, latent] are products in bfloat16."""
    cdef Py_ssize_t n_rows = scores.shape[0], row
    cdef int32_t n = scores.shape[1], d = x.shape[1]
    cdef int n_threads = threads_to_use(threads, n_rows * n)
    latents_array = np.empty((n_rows, k), dtype=np.int32)
    values_array = np.empty((n_rows, k), dtype=np.float32)
    counts_array = np.empty(n_rows, dtype=np.int32)
    cdef int32_t[:, ::1] latents = latents_array
    cdef float[:, ::1] values = values_array
    cdef int32_t[::1] counts = counts_array
    for row in prange(n_rows, nogil=True, schedule="dynamic", num_threads=n_threads):
        counts[row] = strongest_by_scores(
            &scores[row, 0], &bias[0], &norms[0], slack[row], &x[row, 0], &weights[0, 0], d, n, k,
            &latents[row, 0], &values[row, 0])
    return latents_array, values_array, counts_array


def above_scored(
    const uint16_t[:, ::1] scores, const float[::1] bias, const float[::1] norms, const float[::1] slack,
    const float[:, ::1] x, const float[:, ::1] weights, float bar, int32_t most, int threads
):
    """Return those above `bar` in the same form, in `most` columns; the number of a row that has more is -2."""
    cdef Py_ssize_t n_rows = scores.shape[0], row
    cdef int32_t n = scores.shape[1], d = x.shape[1]
    cdef int n_threads = threads_to_use(threads, n_rows * n)
    latents_array = np.empty((n_rows, most), dtype=np.int32)
    values_array = np.empty((n_rows, most), dtype=np.float32)
    counts_array = np.empty(n_rows, dtype=np.int32)
    cdef int32_t[:, ::1] latents = latents_array
    cdef float[:, ::1] values = values_array
    cdef int32_t[::1] counts = counts_array
    for row in prange(n_rows, nogil=True, schedule="dynamic", num_threads=n_threads):
        counts[row] = above_by_scores(
            &scores[row, 0], &bias[0], &norms[0], slack[row], &x[row, 0], &weights[0, 0], d, n, bar, most,
            &latents[row, 0], &values[row, 0])
    return latents_array, values_array, counts_array


def gradients(
    const int64_t[::1] starts, const int32_t[::1] rows, const float[::1] values, const float[:, ::1] error,
    const float[:, ::1] centred, const float[:, ::1] decoder, float[:, ::1] of_encoder, float[:, ::1] of_decoder,
    float[::1] of_bias, bint fresh, int threads
):
    """Add the gradients of latents, whose rows and values begin at `starts` [latent + 1]; `of_bias` is written."""
    cdef Py_ssize_t n_latents = decoder.shape[0], latent
    cdef int32_t d = decoder.shape[1]
    cdef int n_threads = threads_to_use(threads, n_latents * d)
    for latent in prange(n_latents, nogil=True, schedule="dynamic", chunksize=64, num_threads=n_threads):
        of_bias[latent] = gradients_of_latent(
            &rows[0] + starts[latent], &values[0] + starts[latent], starts[latent + 1] - starts[latent],
            &error[0, 0], &centred[0, 0], &decoder[latent, 0], d, fresh, &of_encoder[latent, 0],
            &of_decoder[latent, 0])
