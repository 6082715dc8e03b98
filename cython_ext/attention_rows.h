/* Sums of attention statistics over a block of queries of one head, in one pass over the causal cells. */
#ifndef SCOPE_WIDGETS_ATTENTION_ROWS_H
#define SCOPE_WIDGETS_ATTENTION_ROWS_H

#include "simd.h"

/* The columns of a block's sums; scope_widgets/_kernels/_statistics.py reads them in this order. */
enum { ENTROPY, NORMALISED_ENTROPY, PREVIOUS, CURRENT, FIRST, DUPLICATE, INDUCTION, SMALL, TOTAL, N_SUMS };

/* Every query's earlier equal tokens: positions[start[q] .. start[q] + count[q]). */
typedef struct {
    const int32_t *positions, *start, *count;
} EarlierTokens;

typedef struct {
    float total, entropy;
    int32_t small;
} RowSums;

/* Sums over cells 0..n of a row of which whole blocks of LANES cells can be read. */
INLINE RowSums whole_block_sums(const void *row, int32_t n, int half)
{
    const int32_t padded = (n + LANES - 1) / LANES * LANES;
    float total = 0.0f, entropy = 0.0f;
    int32_t small = n - padded; /* the cells past the row's end count as 0 below */
    SIMD(reduction(+ : total, entropy, small))
    for (int32_t i = 0; i < padded; i++) {
        float a = cell(row, i, half);
        a = i < n ? a : 0.0f;
        total += a;
        entropy -= a * fast_log(a);
        small += a < 0.01f;
    }
    RowSums sums = {total, entropy, small};
    return sums;
}

/* The same where only `readable` cells may be touched: the last rows of an array. */
INLINE RowSums row_sums(const void *row, int32_t n, ptrdiff_t readable, int half)
{
    if ((ptrdiff_t)n + LANES <= readable)
        return whole_block_sums(row, n, half);
    float tail[LANES] = {0};
    const int32_t whole = n / LANES * LANES;
    for (int32_t i = whole; i < n; i++)
        tail[i - whole] = cell(row, i, half);
    RowSums sums = whole_block_sums(row, whole, half), rest = whole_block_sums(tail, n - whole, 0);
    sums.total += rest.total;
    sums.entropy += rest.entropy;
    sums.small += rest.small;
    return sums;
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
    for (int32_t q = first; q < last; q++) {
        const ptrdiff_t offset = (ptrdiff_t)q * n_tokens;
        const void *row = cells_from(head, offset, half);
        const RowSums row_sum = row_sums(row, q + 1, readable - offset, half);
        float duplicate, induction;
        earlier_token_sums(row, earlier.positions + earlier.start[q], earlier.count[q], half, &duplicate, &induction);
        entropies[q] = row_sum.entropy;
        sums[ENTROPY] += row_sum.entropy;
        sums[NORMALISED_ENTROPY] += row_sum.entropy * inverse_log[q];
        sums[CURRENT] += cell(row, q, half);
        sums[DUPLICATE] += duplicate;
        sums[INDUCTION] += induction;
        sums[SMALL] += row_sum.small;
        sums[TOTAL] += row_sum.total;
        if (q > 0) { /* row 0 can only look at itself */
            sums[PREVIOUS] += cell(row, q - 1, half);
            sums[FIRST] += cell(row, 0, half);
        }
    }
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
