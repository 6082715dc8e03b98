/* Codes [row, latent], compressed by rows, read by latent. Values are float32, or float16 where `half`.

   What is checked on the way is returned: 0, or CODES_OUTSIDE where a latent is not below n_latents, CODES_NOT_FINITE
   where a value is NaN or infinite. */
#ifndef SCOPE_WIDGETS_CODES_H
#define SCOPE_WIDGETS_CODES_H

#include <math.h>

#include "heap.h"

#define CODES_OUTSIDE 1
#define CODES_NOT_FINITE 2
#define CODES_BLOCK 512 /* entries that are looked at together */
#define CODES_AHEAD 16 /* how many entries ahead what is written to is fetched */

/* Count the entries first..last of each latent. */
static int count_codes(const int32_t *latents, int64_t first, int64_t last, int32_t n_latents, int64_t *counts)
{
    for (int64_t i = first; i < last; i++) {
        if ((uint32_t)latents[i] >= (uint32_t)n_latents)
            return CODES_OUTSIDE;
        counts[latents[i]]++;
    }
    return 0;
}

/* Write rows first..last, entry after entry, to the next place of its latent. */
INLINE void scatter_codes(const int64_t *starts, const int32_t *latents, const void *values, int32_t first,
                          int32_t last, int64_t *next, int32_t *rows_out, float *values_out, int half)
{
    const int64_t end = starts[last];
    for (int32_t row = first; row < last; row++)
        for (int64_t i = starts[row]; i < starts[row + 1]; i++) {
            const int64_t at = next[latents[i]]++;
            if (i + CODES_AHEAD < end) {
                const int64_t ahead = next[latents[i + CODES_AHEAD]];
                prefetch(rows_out + ahead);
                prefetch(values_out + ahead);
            }
            rows_out[at] = row;
            values_out[at] = cell(values, i, half);
        }
}

/* Write entries first..first + n as floats; return what is wrong with them. */
INLINE int read_block(const int32_t *latents, const void *values, int64_t first, int32_t n, int32_t n_latents,
                      float *block, int half)
{
    uint32_t largest = 0;
    float spoilt = 0.0f;
    int32_t i = 0;
    Floats spoilt_lanes = {0};
    for (; i + LANES <= n; i += LANES) {
        const Floats some = load(values, first + i, half);
        store(block, i, some);
        spoilt_lanes += some * 0.0f;
    }
    for (; i < n; i++) {
        block[i] = cell(values, first + i, half);
        spoilt += block[i] * 0.0f;
    }
    for (i = 0; i < n; i++)
        largest = (uint32_t)latents[first + i] > largest ? (uint32_t)latents[first + i] : largest;
    if (largest >= (uint32_t)n_latents)
        return CODES_OUTSIDE;
    return spoilt + sum_floats(spoilt_lanes) == 0.0f ? 0 : CODES_NOT_FINITE;
}

/* Keep in the heap [n] of each latent the best of rows first..last, ties to the smaller row.

   Block by block: most entries are not above the least that is kept of their latent, which is found without a branch;
   meanwhile the heaps of the others come into the cache. */
INLINE int keep_top_codes(const int64_t *starts, const int32_t *latents, const void *values, int32_t first,
                          int32_t last, int32_t n_latents, int32_t n, float *bars, int32_t *rows_out,
                          float *values_out, int half)
{
    float block[CODES_BLOCK];
    int32_t found[CODES_BLOCK], row = first;
    const int64_t end = starts[last];
    for (int32_t latent = 0; latent < n_latents; latent++)
        bars[latent] = -INFINITY;
    for (int64_t at = 0; at < (int64_t)n_latents * n; at++) {
        values_out[at] = -INFINITY;
        rows_out[at] = -1;
    }
    for (int64_t begin = starts[first]; begin < end; begin += CODES_BLOCK) {
        const int32_t size = end - begin < CODES_BLOCK ? (int32_t)(end - begin) : CODES_BLOCK;
        const int wrong = read_block(latents, values, begin, size, n_latents, block, half);
        int32_t n_found = 0;
        if (wrong)
            return wrong;
        for (int32_t i = 0; i < size; i++) {
            found[n_found] = i;
            n_found += block[i] > bars[latents[begin + i]];
        }
        for (int32_t i = 0; i < n_found; i++) {
            const int64_t heap = (int64_t)latents[begin + found[i]] * n;
            prefetch(values_out + heap);
            prefetch(rows_out + heap);
        }
        for (int32_t i = 0; i < n_found; i++) {
            const int32_t latent = latents[begin + found[i]];
            const int64_t heap = (int64_t)latent * n;
            if (block[found[i]] <= bars[latent]) /* rows ascend: what is as much as the least ranks below it */
                continue;
            while (starts[row + 1] <= begin + found[i])
                row++;
            values_out[heap] = block[found[i]];
            rows_out[heap] = row;
            sink(values_out + heap, rows_out + heap, 0, n);
            bars[latent] = values_out[heap];
        }
    }
    return 0;
}

/* Join `n_parts` heaps [part, latent, n] of a latent in the first, best first, -1 and 0 where there are fewer. */
static void join_top_codes(int32_t latent, int32_t n_latents, int32_t n, int32_t n_parts, int32_t *rows, float *values)
{
    int32_t *keys = rows + (int64_t)latent * n;
    float *weights = values + (int64_t)latent * n;
    for (int32_t part = 1; part < n_parts; part++)
        for (int32_t i = 0; i < n; i++) {
            const int64_t at = ((int64_t)part * n_latents + latent) * n + i;
            const int is_as_much = values[at] == weights[0] && rows[at] < keys[0];
            if (rows[at] >= 0 && (values[at] > weights[0] || is_as_much)) {
                weights[0] = values[at];
                keys[0] = rows[at];
                sink(weights, keys, 0, n);
            }
        }
    sort_heap(weights, keys, n);
    for (int32_t i = n - 1; i >= 0 && keys[i] < 0; i--)
        weights[i] = 0.0f;
}

static void scatter_codes_float(const int64_t *starts, const int32_t *latents, const void *values, int32_t first,
                                int32_t last, int64_t *next, int32_t *rows_out, float *values_out)
{
    scatter_codes(starts, latents, values, first, last, next, rows_out, values_out, 0);
}

static void scatter_codes_half(const int64_t *starts, const int32_t *latents, const void *values, int32_t first,
                               int32_t last, int64_t *next, int32_t *rows_out, float *values_out)
{
    scatter_codes(starts, latents, values, first, last, next, rows_out, values_out, 1);
}

CLONED static int keep_top_codes_float(const int64_t *starts, const int32_t *latents, const void *values, int32_t first,
                                int32_t last, int32_t n_latents, int32_t n, float *bars, int32_t *rows_out,
                                float *values_out)
{
    return keep_top_codes(starts, latents, values, first, last, n_latents, n, bars, rows_out, values_out, 0);
}

CLONED static int keep_top_codes_half(const int64_t *starts, const int32_t *latents, const void *values, int32_t first,
                               int32_t last, int32_t n_latents, int32_t n, float *bars, int32_t *rows_out,
                               float *values_out)
{
    return keep_top_codes(starts, latents, values, first, last, n_latents, n, bars, rows_out, values_out, 1);
}

#endif
