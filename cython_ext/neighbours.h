/* The nearest points: of a block of products the best so far of each row and column, and distances of what was chosen.

   A point's score for another is their product less half the squared norm of the candidate: the larger, the nearer. */
#ifndef SCOPE_WIDGETS_NEIGHBOURS_H
#define SCOPE_WIDGETS_NEIGHBOURS_H

#include <math.h>

#include "heap.h"

/* Points of one group are no neighbours of each other, nor is a point of itself; no groups where `groups` is NULL. */
INLINE int may_be_near(const int64_t *groups, int32_t a, int32_t b)
{
    return a != b && (!groups || groups[a] != groups[b]);
}

INLINE float put_among(float *scores, int32_t *points, int32_t m, float score, int32_t point)
{
    scores[0] = score;
    points[0] = point;
    sink(scores, points, 0, m);
    return scores[0];
}

/* Let the candidates first, first + 1, ... (n of them) into the heap of a point. `halves` are their half norms, `bar`
   the point's lowest score. */
CLONED static void nearest_in_row(const float *products, const float *halves, int32_t n, int32_t point, int32_t first,
                                  const int64_t *groups, int32_t m, float *scores, int32_t *points, float *bar)
{
    float lowest = *bar;
    for (int32_t i = 0; i < n;) {
        const int32_t last = i + LANES < n ? i + LANES : n;
        if (i + LANES <= n && !any(less(all_floats(lowest), load(products, i, 0) - load(halves, i, 0)))) {
            i = last;
            continue;
        }
        for (; i < last; i++) {
            const float score = products[i] - halves[i];
            if (score > lowest && may_be_near(groups, point, first + i))
                lowest = put_among(scores, points, m, score, first + i);
        }
    }
    *bar = lowest;
}

/* Let the points of a block's rows into the heaps of the points of its columns from..to: row by row, each compared with
   the bars of many columns at once. `products` [n, stride], `halves` [n] of the rows. */
CLONED static void nearest_in_columns(const float *products, ptrdiff_t stride, const float *halves, int32_t n,
                                      int32_t first, int32_t from, int32_t to, int32_t first_column,
                                      const int64_t *groups, int32_t m, float *scores, int32_t *points, float *bars)
{
    for (int32_t row = 0; row < n; row++) {
        const float *cells = products + row * stride;
        const float half = halves[row];
        for (int32_t j = from; j < to;) {
            const int32_t last = j + LANES < to ? j + LANES : to;
            if (j + LANES <= to && !any(less(load(bars, j, 0), load(cells, j, 0) - all_floats(half)))) {
                j = last;
                continue;
            }
            for (; j < last; j++) {
                const float score = cells[j] - half;
                if (score > bars[j] && may_be_near(groups, first_column + j, first + row))
                    bars[j] = put_among(scores + (ptrdiff_t)j * m, points + (ptrdiff_t)j * m, m, score, first + row);
            }
        }
    }
}

#define SUMS 16 /* sums side by side, so that vectors of any width are filled */

/* Squared distances in double of a point from those in `points`; infinity for -1. */
#define SQUARED_DISTANCES(name, number)                                                                                \
    CLONED static void name(const number *x, int32_t d, int32_t point, const int32_t *points, int32_t m, double *out)  \
    {                                                                                                                  \
        const number *a = x + (ptrdiff_t)point * d;                                                                    \
        for (int32_t at = 0; at < m; at++) {                                                                           \
            const number *b = x + (ptrdiff_t)(points[at] < 0 ? 0 : points[at]) * d;                                    \
            double sums[SUMS] = {0.0}, total = 0.0;                                                                    \
            int32_t i = 0;                                                                                             \
            if (points[at] < 0) {                                                                                      \
                out[at] = INFINITY;                                                                                    \
                continue;                                                                                              \
            }                                                                                                          \
            for (; i + SUMS <= d; i += SUMS)                                                                           \
                for (int lane = 0; lane < SUMS; lane++) {                                                              \
                    const double gap = (double)a[i + lane] - (double)b[i + lane];                                      \
                    sums[lane] += gap * gap;                                                                           \
                }                                                                                                      \
            for (; i < d; i++)                                                                                         \
                total += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);                                \
            for (int lane = 0; lane < SUMS; lane++)                                                                    \
                total += sums[lane];                                                                                   \
            out[at] = total;                                                                                           \
        }                                                                                                              \
    }

SQUARED_DISTANCES(squared_distances_float, float)
SQUARED_DISTANCES(squared_distances_double, double)

#endif
