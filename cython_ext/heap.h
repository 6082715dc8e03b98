/* A heap of the best entries so far, the lowest rank on top: weights, and keys that decide ties. */
#ifndef SCOPE_WIDGETS_HEAP_H
#define SCOPE_WIDGETS_HEAP_H

#include "simd.h"

/* Whether entry a ranks below entry b: attended less, or as much but at a later key. */
INLINE int ranks_below(const float *weights, const int32_t *keys, int32_t a, int32_t b)
{
    return weights[a] < weights[b] || (weights[a] == weights[b] && keys[a] > keys[b]);
}

INLINE void swap_entries(float *weights, int32_t *keys, int32_t a, int32_t b)
{
    const float weight = weights[a];
    const int32_t key = keys[a];
    weights[a] = weights[b];
    keys[a] = keys[b];
    weights[b] = weight;
    keys[b] = key;
}

/* Let entry `at` of a heap of n sink, the lowest rank being on top. */
INLINE void sink(float *weights, int32_t *keys, int32_t at, int32_t n)
{
    for (int32_t child; (child = 2 * at + 1) < n; at = child) {
        if (child + 1 < n && ranks_below(weights, keys, child + 1, child))
            child++;
        if (!ranks_below(weights, keys, child, at))
            return;
        swap_entries(weights, keys, at, child);
    }
}

/* Put the n entries of a heap in order, best first. */
INLINE void sort_heap(float *weights, int32_t *keys, int32_t n)
{
    for (int32_t left = n - 1; left > 0; left--) { /* the lowest rank goes last */
        swap_entries(weights, keys, 0, left);
        sink(weights, keys, 0, left);
    }
}

#endif
