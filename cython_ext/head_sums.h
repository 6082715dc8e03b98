/* Sums of the statistics of a head, one row at a time: shared by those from attention and those from scores. */
#ifndef SCOPE_WIDGETS_HEAD_SUMS_H
#define SCOPE_WIDGETS_HEAD_SUMS_H

#include "simd.h"

/* The columns of a block's sums; `means` in scope_widgets/_kernels/_statistics.py reads them in this order. */
enum { ENTROPY, NORMALISED_ENTROPY, PREVIOUS, CURRENT, FIRST, DUPLICATE, INDUCTION, SMALL, N_SUMS };

/* Every query's earlier equal tokens: positions[start[q] .. start[q] + count[q]). */
typedef struct {
    const int32_t *positions, *start, *count;
} EarlierTokens;

/* Add the row of query q to sums [N_SUMS], all but SMALL. `row` holds the keys lowest..q that q sees, attention is
   its cells times `share`; inverse_log = 1 / ln(number of these keys), 0 for one key. */
INLINE void add_row(const void *row, int32_t lowest, int32_t q, float share, float entropy, double inverse_log,
                    EarlierTokens earlier, double *sums, int half)
{
    const int32_t *positions = earlier.positions + earlier.start[q];
    float at = 0.0f, after = 0.0f;
    for (int32_t i = earlier.count[q]; i-- > 0 && positions[i] + 1 >= lowest;) {
        after += cell(row, positions[i] + 1 - lowest, half);
        if (positions[i] >= lowest)
            at += cell(row, positions[i] - lowest, half);
    }
    sums[ENTROPY] += entropy;
    sums[NORMALISED_ENTROPY] += entropy * inverse_log;
    sums[CURRENT] += cell(row, q - lowest, half) * share;
    sums[DUPLICATE] += at * share;
    sums[INDUCTION] += after * share;
    if (q > lowest)
        sums[PREVIOUS] += cell(row, q - 1 - lowest, half) * share;
    if (q > 0 && lowest == 0) /* row 0 can only look at itself: it does not count */
        sums[FIRST] += cell(row, 0, half) * share;
}

/* Add the lanes of `small`, -1 per cell below 0.01, less the `n_beyond` lanes that lie beyond the end of a row. */
INLINE void add_small(Ints small, int32_t n_beyond, double *sums)
{
    int32_t lanes[LANES];
    memcpy(lanes, &small, sizeof lanes);
    for (int i = 0; i < LANES; i++)
        sums[SMALL] -= lanes[i];
    sums[SMALL] -= n_beyond;
}

/* Number of lanes beyond the end of a row of n cells in its last vector; they hold zeros. */
INLINE int32_t cells_beyond(int32_t n) { return (LANES - n % LANES) % LANES; }

#endif
