/* Sums of attention statistics over a block of queries of one head, in one pass over the causal cells. */
#ifndef SCOPE_WIDGETS_ATTENTION_ROWS_H
#define SCOPE_WIDGETS_ATTENTION_ROWS_H

#include "head_sums.h"

#define ROWS_AHEAD 3 /* how far ahead rows are fetched */

INLINE void add_cells(Floats attention, Floats *entropy, Ints *small)
{
    *entropy -= attention * fast_log(attention);
    *small += less(attention, all_floats(0.01f));
}

/* Entropy of cells 0..n of a row of which `readable` can be touched, and -1 in `small` for each below 0.01.
   The row at `next` is fetched meanwhile: hardware prefetching stops at a row's end, half of which is never read. */
INLINE float row_entropy(const void *row, int32_t n, ptrdiff_t readable, const void *next, Ints *small, int half)
{
    Floats entropy = {0};
    float tail[LANES] = {0};
    int32_t i = 0;
    prefetch(cells_from(next, n, half));
    for (; i + LANES <= n; i += LANES) {
        prefetch(cells_from(next, i, half));
        add_cells(load(row, i, half), &entropy, small);
    }
    if (i < n && i + LANES <= readable)
        add_cells(zero_from(load(row, i, half), i, n), &entropy, small);
    else if (i < n) { /* the end of the array */
        for (int32_t lane = 0; lane < n - i; lane++)
            tail[lane] = cell(row, i + lane, half);
        add_cells(load(tail, 0, 0), &entropy, small);
    }
    return sum_floats(entropy);
}

/* Add queries first..last of `head` [query, key] to sums [N_SUMS]; their entropies go to entropies [query].
   `readable` cells follow from `head` on; inverse_log[q] = 1 / ln(q + 1), 0 for q = 0. */
INLINE void add_queries(const void *head, ptrdiff_t readable, int32_t n_tokens, int32_t first, int32_t last,
                        EarlierTokens earlier, const double *inverse_log, double *sums, float *entropies, int half)
{
    Ints small = {0};
    int32_t n_beyond = 0;
    double block[N_SUMS] = {0};
    for (int32_t q = first; q < last; q++) {
        const ptrdiff_t offset = (ptrdiff_t)q * n_tokens;
        const void *row = cells_from(head, offset, half);
        const void *next = cells_from(row, ROWS_AHEAD * (ptrdiff_t)n_tokens, half);
        entropies[q] = row_entropy(row, q + 1, readable - offset, next, &small, half);
        n_beyond += cells_beyond(q + 1);
        add_row(row, 0, q, 1.0f, entropies[q], inverse_log[q], earlier, block, half);
    }
    add_small(small, n_beyond, block);
    for (int i = 0; i < N_SUMS; i++)
        sums[i] += block[i];
}

CLONED static void add_queries_float(const void *head, ptrdiff_t readable, int32_t n_tokens, int32_t first,
                                     int32_t last, EarlierTokens earlier, const double *inverse_log, double *sums,
                                     float *entropies)
{
    add_queries(head, readable, n_tokens, first, last, earlier, inverse_log, sums, entropies, 0);
}

CLONED static void add_queries_half(const void *head, ptrdiff_t readable, int32_t n_tokens, int32_t first,
                                    int32_t last, EarlierTokens earlier, const double *inverse_log, double *sums,
                                    float *entropies)
{
    add_queries(head, readable, n_tokens, first, last, earlier, inverse_log, sums, entropies, 1);
}

#endif
