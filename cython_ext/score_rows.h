/* Sums of attention statistics from queries and keys: a tile of scores at a time, which never becomes attention.

   With p = exp(s - max) / Z the entropy is ln Z - sum p (s - max): one exponential per cell, no logarithm.
   The products are computed here and not by a BLAS: its threads and ours would wait for each other at every tile. */
#ifndef SCOPE_WIDGETS_SCORE_ROWS_H
#define SCOPE_WIDGETS_SCORE_ROWS_H

#include <math.h>

#include "head_sums.h"

#define PANEL_KEYS (2 * LANES)
#define ROWS_AT_ONCE 6 /* with a panel's two vectors each, these sums fill the registers of AVX2 */
#define TILE_QUERIES (2 * ROWS_AT_ONCE)

/* One head. Keys come in panels [panel, d_head, PANEL_KEYS]. Queries see the last `window` keys up to their own; the
   scores are s = scaling * q k, or softcap * tanh(s / softcap) where softcap > 0. */
typedef struct {
    const float *queries, *key_panels;
    int32_t n_tokens, d_head, window;
    float scaling, softcap;
} ScoredHead;

typedef struct {
    Floats low, high;
} Pair;

INLINE void add_products(Pair *sums, Pair keys, float query)
{
    sums->low += keys.low * query;
    sums->high += keys.high * query;
}

INLINE void store_pair(float *scores, Pair sums, float scaling)
{
    store(scores, 0, sums.low * scaling);
    store(scores, LANES, sums.high * scaling);
}

/* Scores of ROWS_AT_ONCE queries with the keys of a panel, to `scores`, whose rows are `stride` apart. */
INLINE void panel_scores(const float *const *queries, const float *panel, int32_t d_head, float scaling,
                         float *scores, ptrdiff_t stride)
{
    const float *q0 = queries[0], *q1 = queries[1], *q2 = queries[2];
    const float *q3 = queries[3], *q4 = queries[4], *q5 = queries[5];
    const Pair none = {all_floats(0.0f), all_floats(0.0f)};
    Pair s0 = none, s1 = none, s2 = none, s3 = none, s4 = none, s5 = none; /* an array might leave the registers */
    for (int32_t d = 0; d < d_head; d++, panel += PANEL_KEYS) {
        const Pair keys = {load(panel, 0, 0), load(panel, LANES, 0)};
        add_products(&s0, keys, q0[d]);
        add_products(&s1, keys, q1[d]);
        add_products(&s2, keys, q2[d]);
        add_products(&s3, keys, q3[d]);
        add_products(&s4, keys, q4[d]);
        add_products(&s5, keys, q5[d]);
    }
    store_pair(scores, s0, scaling);
    store_pair(scores + stride, s1, scaling);
    store_pair(scores + 2 * stride, s2, scaling);
    store_pair(scores + 3 * stride, s3, scaling);
    store_pair(scores + 4 * stride, s4, scaling);
    store_pair(scores + 5 * stride, s5, scaling);
}

/* Scores of TILE_QUERIES queries from `first` on with the panels from first_panel up to the last query's. */
INLINE void tile_scores(const ScoredHead *head, int32_t first, int32_t last, int32_t first_panel, float *tile,
                        ptrdiff_t stride)
{
    const ptrdiff_t panel_size = (ptrdiff_t)head->d_head * PANEL_KEYS;
    const float *queries[TILE_QUERIES];
    for (int32_t r = 0; r < TILE_QUERIES; r++) /* beyond the last query: that one again, its scores unread */
        queries[r] = head->queries + (ptrdiff_t)(first + r < last ? first + r : last - 1) * head->d_head;
    for (int32_t panel = first_panel; panel <= (last - 1) / PANEL_KEYS; panel++)
        for (int32_t r = 0; r < TILE_QUERIES; r += ROWS_AT_ONCE)
            panel_scores(queries + r, head->key_panels + panel * panel_size, head->d_head, head->scaling,
                         tile + r * stride + (ptrdiff_t)(panel - first_panel) * PANEL_KEYS, stride);
}

INLINE Floats capped(Floats scores, float softcap)
{
    const Floats x = scores / softcap, t = fast_exp(larger(x, -x) * -2.0f);
    const Floats magnitude = (1.0f - t) / (1.0f + t) * softcap; /* softcap * tanh(|x|) */
    return choose(less(x, all_floats(0.0f)), -magnitude, magnitude);
}

/* Cap the scores of a row of n and return the largest. */
INLINE float cap_and_maximum(float *row, int32_t n, float softcap)
{
    const Ints lanes = LANE_NUMBERS;
    Floats most = all_floats(-INFINITY);
    float maxima[LANES], maximum = -INFINITY;
    for (int32_t i = 0; i < n; i += LANES) {
        Floats scores = load(row, i, 0);
        if (softcap > 0.0f) {
            scores = capped(scores, softcap);
            store(row, i, scores);
        }
        most = larger(most, choose((lanes + (i - n)) >> 31, scores, all_floats(-INFINITY)));
    }
    memcpy(maxima, &most, sizeof maxima);
    for (int i = 0; i < LANES; i++)
        maximum = maxima[i] > maximum ? maxima[i] : maximum;
    return maximum;
}

/* Turn a row of n scores into exponentials; return their sum Z, and the entropy of their shares. */
INLINE float exponentials(float *row, int32_t n, float maximum, float *entropy)
{
    Floats sum = {0}, weighted = {0};
    float z;
    for (int32_t i = 0; i < n; i += LANES) {
        Floats score = load(row, i, 0) - maximum, e;
        if (i + LANES > n)
            score = zero_from(score, i, n);
        e = fast_exp(score);
        if (i + LANES > n)
            e = zero_from(e, i, n);
        store(row, i, e);
        sum += e;
        weighted += e * score;
    }
    z = sum_floats(sum);
    *entropy = logf(z) - sum_floats(weighted) / z;
    return z;
}

/* Add the up to TILE_QUERIES queries first..last of a head to sums [N_SUMS].
   `tile` is scratch, TILE_QUERIES rows of `stride` cells: the keys seen, room to both ends of their panels and for
   a vector more. */
CLONED static void add_scored_queries(const ScoredHead *head, int32_t first, int32_t last, float *tile,
                                      ptrdiff_t stride, EarlierTokens earlier, const double *inverse_log,
                                      double *sums)
{
    const int32_t first_panel = first >= head->window ? (first - head->window + 1) / PANEL_KEYS : 0;
    Ints small = {0};
    int32_t n_beyond = 0;
    tile_scores(head, first, last, first_panel, tile, stride);
    for (int32_t q = first; q < last; q++) {
        const int32_t lowest = q >= head->window ? q - head->window + 1 : 0, n = q - lowest + 1;
        float *row = tile + (q - first) * stride + (lowest - first_panel * PANEL_KEYS);
        float entropy;
        const float maximum = cap_and_maximum(row, n, head->softcap);
        const float z = exponentials(row, n, maximum, &entropy);
        for (int32_t i = 0; i < n; i += LANES)
            small += less(load(row, i, 0), all_floats(0.01f * z));
        n_beyond += cells_beyond(n) - lowest; /* keys before the window get no attention: small as well */
        add_row(row, lowest, q, 1.0f / z, entropy, inverse_log[q], earlier, sums, 0);
    }
    add_small(small, n_beyond, sums);
}

#endif
