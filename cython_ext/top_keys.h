/* The most attended keys of a query: a heap of the best so far, and vectors that skip what cannot enter it. */
#ifndef SCOPE_WIDGETS_TOP_KEYS_H
#define SCOPE_WIDGETS_TOP_KEYS_H

#include <math.h>

#include "heap.h"
#include "simd.h"

#define TOP_KEYS_ROWS_AHEAD 2 /* how far ahead rows are fetched */

/* A float that at least k cells of the row exceed, or minus infinity; k <= LANES.

   Every lane's maximum is a cell of its own, so at least k cells reach the k-th largest of these maxima. Few more do:
   with this bar most vectors of a row are skipped. */
INLINE float bar_for(Floats maxima, int32_t k)
{
    float lanes[LANES], bar = 0.0f;
    int32_t not_below[LANES], bits;
    Ints n_not_below = {0};
    memcpy(lanes, &maxima, sizeof lanes);
    for (int lane = 0; lane < LANES; lane++)
        n_not_below -= ~less(all_floats(lanes[lane]), maxima);
    memcpy(not_below, &n_not_below, sizeof not_below);
    for (int lane = 0; lane < LANES; lane++)
        bar = not_below[lane] >= k && lanes[lane] > bar ? lanes[lane] : bar;
    if (bar <= 0.0f)
        return -INFINITY;
    memcpy(&bits, &bar, sizeof bits);
    bits--; /* the float right below */
    memcpy(&bar, &bits, sizeof bar);
    return bar;
}

/* Write the top `k` of cells 0..n of a row, best first, ties to the lower key; -1 and 0 where there are fewer.
   `readable` cells may be touched. Returns NaN where a cell is NaN or infinite, else 0. */
INLINE float row_top_keys(const void *row, int32_t n, ptrdiff_t readable, const void *next, int32_t k,
                          int32_t *keys, float *weights, int half)
{
    const int32_t n_kept = n < k ? n : k;
    Floats spoilt = {0}, maxima = {0};
    float spoilt_tail = 0.0f, bar;
    int32_t i = 0;
    for (; i < n && i + LANES <= readable; i += LANES) {
        const Floats values = zero_from(load(row, i, half), i, n);
        prefetch(cells_from(next, i, half));
        spoilt += values * 0.0f;
        maxima = larger(maxima, values);
    }
    for (; i < n; i++)
        spoilt_tail += cell(row, i, half) * 0.0f;
    bar = k <= LANES ? bar_for(maxima, k) : -INFINITY;

    for (i = 0; i < n_kept; i++) {
        weights[i] = -INFINITY;
        keys[i] = 0;
    }
    for (i = 0; i < n;) {
        const int32_t last = i + LANES < n ? i + LANES : n;
        if (i + LANES <= readable && !any(less(all_floats(bar), load(row, i, half)))) {
            i = last;
            continue;
        }
        for (; i < last; i++) {
            const float weight = cell(row, i, half);
            if (weight > bar) {
                weights[0] = weight;
                keys[0] = i;
                sink(weights, keys, 0, n_kept);
                bar = weights[0] > bar ? weights[0] : bar;
            }
        }
    }

    sort_heap(weights, keys, n_kept);
    for (i = n_kept; i < k; i++) {
        weights[i] = 0.0f;
        keys[i] = -1;
    }
    return spoilt_tail + sum_floats(spoilt);
}

/* The same for queries first..last of `head` [query, key]; `readable` cells follow from `head` on. */
INLINE float top_keys(const void *head, ptrdiff_t readable, int32_t n_tokens, int32_t first, int32_t last,
                      int32_t k, int32_t *keys, float *weights, int half)
{
    float spoilt = 0.0f;
    for (int32_t q = first; q < last; q++) {
        const ptrdiff_t offset = (ptrdiff_t)q * n_tokens, entry = (ptrdiff_t)q * k;
        const void *row = cells_from(head, offset, half);
        const void *next = cells_from(row, TOP_KEYS_ROWS_AHEAD * (ptrdiff_t)n_tokens, half);
        spoilt += row_top_keys(row, q + 1, readable - offset, next, k, keys + entry, weights + entry, half);
    }
    return spoilt;
}

CLONED static float top_keys_float(const void *head, ptrdiff_t readable, int32_t n_tokens, int32_t first,
                                   int32_t last, int32_t k, int32_t *keys, float *weights)
{
    return top_keys(head, readable, n_tokens, first, last, k, keys, weights, 0);
}

CLONED static float top_keys_half(const void *head, ptrdiff_t readable, int32_t n_tokens, int32_t first,
                                  int32_t last, int32_t k, int32_t *keys, float *weights)
{
    return top_keys(head, readable, n_tokens, first, last, k, keys, weights, 1);
}

#endif
