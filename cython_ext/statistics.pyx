# cython: boundscheck=False, wraparound=False, cdivision=True
"""Sums of attention statistics, from attention or from scores; their columns are those of head_sums.h."""

from cython.parallel cimport prange, threadid
from libc.stdint cimport int16_t, int32_t

import numpy as np


cdef extern from "simd.h" nogil:
    cdef enum:
        LANES
        HAS_CLONES
        HAS_THREADS
    int threads_to_use(int wanted, Py_ssize_t n_cells)


cdef extern from "head_sums.h" nogil:
    cdef enum:
        N_SUMS
    ctypedef struct EarlierTokens:
        const int32_t *positions
        const int32_t *start
        const int32_t *count


cdef extern from "attention_rows.h" nogil:
    void add_queries_float(
        const void *head, Py_ssize_t readable, int32_t n_tokens, int32_t first, int32_t last,
        EarlierTokens earlier, const double *inverse_log, double *sums, float *entropies)
    void add_queries_half(
        const void *head, Py_ssize_t readable, int32_t n_tokens, int32_t first, int32_t last,
        EarlierTokens earlier, const double *inverse_log, double *sums, float *entropies)


cdef extern from "score_rows.h" nogil:
    cdef enum:
        PANEL_KEYS
        TILE_QUERIES
    ctypedef struct ScoredHead:
        const float *queries
        const float *key_panels
        int32_t n_tokens
        int32_t d_head
        int32_t window
        float scaling
        float softcap
    void add_scored_queries(
        const ScoredHead *head, int32_t first, int32_t last, float *tile, Py_ssize_t stride,
        EarlierTokens earlier, const double *inverse_log, double *sums)


KEYS_PER_PANEL = PANEL_KEYS
# how all modules of this build work: cells of a vector, whether the loader chooses instructions, whether there are threads
BUILD = {"lanes": LANES, "clones": bool(HAS_CLONES), "threads": bool(HAS_THREADS)}

ctypedef fused Bits:  # of float32 and float16 (see _checks.bits)
    int32_t
    int16_t


cdef EarlierTokens earlier_tokens(const int32_t[:, ::1] rows):
    cdef EarlierTokens earlier
    earlier.positions, earlier.start, earlier.count = &rows[0, 0], &rows[1, 0], &rows[2, 0]
    return earlier


def sum_rows(
    const Bits[:, :, ::1] attention,
    const int32_t[:, ::1] earlier_rows,
    const double[::1] inverse_log,
    int block,
    int threads,
):
    """Return sums [head, block of queries, statistic] float64 and entropies [head, query] float32.

    Each block has sums of its own, so that the result does not depend on the number of threads.
    """
    cdef Py_ssize_t n_heads = attention.shape[0], n_tokens = attention.shape[1]
    cdef Py_ssize_t n_blocks = (n_tokens + block - 1) // block
    cdef Py_ssize_t item, head, first
    cdef int n_threads = threads_to_use(threads, attention.size)
    cdef EarlierTokens earlier = earlier_tokens(earlier_rows)
    sums_array = np.zeros((n_heads, n_blocks, N_SUMS))
    entropies_array = np.empty((n_heads, n_tokens), dtype=np.float32)
    cdef double[:, :, ::1] sums = sums_array
    cdef float[:, ::1] entropies = entropies_array

    for item in prange(n_heads * n_blocks, nogil=True, schedule="dynamic", num_threads=n_threads):
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


cdef void add_tile(
    const float *queries, const float *key_panels, int32_t n_tokens, int32_t d_head, int32_t window, float scaling,
    float softcap, Py_ssize_t block, float *tile, Py_ssize_t stride, EarlierTokens earlier, const double *inverse_log,
    double *sums,
) noexcept nogil:
    cdef ScoredHead head
    cdef int32_t first = <int32_t>block * TILE_QUERIES
    head.queries, head.key_panels = queries, key_panels
    head.n_tokens, head.d_head, head.window, head.scaling, head.softcap = n_tokens, d_head, window, scaling, softcap
    add_scored_queries(
        &head, first, min(first + TILE_QUERIES, n_tokens), tile, stride, earlier, inverse_log, sums)


def sum_scored_queries(
    const float[:, :, ::1] queries,
    const float[:, :, :, ::1] key_panels,
    float scaling,
    int32_t window,
    float softcap,
    const int32_t[:, ::1] earlier_rows,
    const double[::1] inverse_log,
    int threads,
):
    """Return sums [head, tile of queries, statistic] float64 from queries [head, query, d_head].

    `key_panels` are the keys as [kv_head, panel, d_head, key of the panel], KEYS_PER_PANEL to a panel; softcap 0 is
    none.
    """
    cdef Py_ssize_t n_heads = queries.shape[0], n_tokens = queries.shape[1]
    cdef Py_ssize_t group = n_heads // key_panels.shape[0]
    cdef Py_ssize_t n_blocks = (n_tokens + TILE_QUERIES - 1) // TILE_QUERIES, item
    cdef Py_ssize_t stride = min(n_tokens, window + TILE_QUERIES) + 3 * PANEL_KEYS
    cdef int n_threads = threads_to_use(threads, queries.size * n_tokens // 16)
    cdef EarlierTokens earlier = earlier_tokens(earlier_rows)
    sums_array = np.zeros((n_heads, n_blocks, N_SUMS))
    cdef double[:, :, ::1] sums = sums_array
    cdef float[:, ::1] tiles = np.empty((n_threads, TILE_QUERIES * stride), dtype=np.float32)

    for item in prange(n_heads * n_blocks, nogil=True, schedule="dynamic", num_threads=n_threads):
        add_tile(
            &queries[item // n_blocks, 0, 0], &key_panels[item // n_blocks // group, 0, 0, 0], n_tokens,
            queries.shape[2], window, scaling, softcap, item % n_blocks, &tiles[threadid(), 0], stride, earlier,
            &inverse_log[0], &sums[item // n_blocks, item % n_blocks, 0])
    return sums_array
