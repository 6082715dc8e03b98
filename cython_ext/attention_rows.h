/* Sums of attention statistics over a block of queries of one head, in one pass over the causal cells. */
#ifndef SCOPE_WIDGETS_ATTENTION_ROWS_H
#define SCOPE_WIDGETS_ATTENTION_ROWS_H

#include "simd.h"

/* The columns of a block's sums; scope_widgets/_kernels/_statistics.py reads them in this order. */
enum { ENTROPY, NORMALISED_ENTROPY, PREVIOUS, CURRENT, FIRST, DUPLICATE, INDUCTION, SMALL, N_SUMS };

#define ROWS_AHEAD 2 /* how far ahead rows are fetched */

/* Every query's earlier equal tokens: positions[start[q] .. start[q] + count[q]). */
typedef struct {
    const int32_t *positions, *start, *count;
} EarlierTokens;

/* Entropy of cells 0..n of a row and, added to `small`, which of them are below 0.01, as -1 each.
   Whole vectors must be readable; those beyond n count as 0. The row at `next` is fetched meanwhile: hardware
   prefetching stops at a row's end, as half of every row is never read. */
INLINE float whole_vectors_entropy(const void *row, int32_t n, const void *next, Ints *small, int half)
{
    Floats sum = {0};
    Ints below = {0};
    for (int32_t i = 0; i < n; i += LANES) {
        const Floats a = zero_from(load(row, i, half), i, n);
        prefetch(cells_from(next, i, half));
        sum -= a * fast_log(a);
        below += less(a, all_floats(0.01f));
    }
    *small += below;
    return sum_floats(sum);
}

/* The same where only `readable` cells may be touched: the last rows of an array. */
INLINE float row_entropy(const void *row, int32_t n, ptrdiff_t readable, const void *next, Ints *small, int half)
{
    const int32_t whole = n / LANES * LANES;
    float tail[LANES] = {0};
    if ((ptrdiff_t)n + LANES <= readable)
        return whole_vectors_entropy(row, n, next, small, half);
    for (int32_t i = whole; i < n; i++)
        tail[i - whole] = cell(row, i, half);
    return whole_vectors_entropy(row, whole, next, small, half)
           + whole_vectors_entropy(tail, n - whole, next, small, 0);
}

/* What a row gives to the cells right at, and right after, earlier equal tokens. */
INLINE void earlier_token_sums(const void *row, const int32_t *positions, int32_t count, int half,
                               float *duplicate, float *induction)
{
    float at = 0.0f, after = 0.0f;
    for (int32_t i = 0; i < count; i++) {
        at += cell(row, positions[i], half);
        after += cell(row, positions[i] + 1, half);
    }
    *duplicate = at;
    *induction = after;
}

/* Add queries first..last of `head` [query, key] to sums [N_SUMS]; their entropies go to entropies [query].
   `readable` cells follow from `head` on; inverse_log[q] = 1 / ln(q + 1), 0 for q = 0. */
INLINE void add_queries(const void *head, ptrdiff_t readable, int32_t n_tokens, int32_t first, int32_t last,
                        EarlierTokens earlier, const double *inverse_log, double *sums, float *entropies, int half)
{
    Ints small = {0};
    int32_t n_past_end = 0; /* zeros that vectors saw past the rows' ends, which are small as well */
    int32_t lanes[LANES];
    double block[N_SUMS] = {0};
    for (int32_t q = first; q < last; q++) {
        const ptrdiff_t offset = (ptrdiff_t)q * n_tokens;
        const void *row = cells_from(head, offset, half);
        const void *next = cells_from(row, ROWS_AHEAD * (ptrdiff_t)n_tokens, half);
        const float entropy = row_entropy(row, q + 1, readable - offset, next, &small, half);
        float duplicate, induction;
        n_past_end += (LANES - 1) - q % LANES;
        earlier_token_sums(row, earlier.positions + earlier.start[q], earlier.count[q], half, &duplicate, &induction);
        entropies[q] = entropy;
        block[ENTROPY] += entropy;
        block[NORMALISED_ENTROPY] += entropy * inverse_log[q];
        block[CURRENT] += cell(row, q, half);
        block[DUPLICATE] += duplicate;
        block[INDUCTION] += induction;
        if (q > 0) { /* row 0 can only look at itself */
            block[PREVIOUS] += cell(row, q - 1, half);
            block[FIRST] += cell(row, 0, half);
        }
    }
    memcpy(lanes, &small, sizeof lanes);
    for (int i = 0; i < LANES; i++)
        block[SMALL] -= lanes[i];
    block[SMALL] -= n_past_end;
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
