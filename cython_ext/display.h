/* Attention made small enough for a screen: plain loops, vectorised by the compiler. */
#ifndef SCOPE_WIDGETS_DISPLAY_H
#define SCOPE_WIDGETS_DISPLAY_H

#include "simd.h"

/* 0..1 to 0..255, rounded half up; what lies outside is cut. In double, where no product is rounded. */
INLINE uint8_t level(double share)
{
    share = share > 0.0 ? share : 0.0;
    share = share < 1.0 ? share : 1.0;
    return (uint8_t)(int32_t)(share * 255.0 + 0.5);
}

/* One row of a thumbnail [size]: the maxima of n_rows rows [n_keys], which are one band of queries.

   Cells come as their bits: those of floats >= 0 order like integers, and a negative one loses against 0.
   `maxima` [n_keys] is scratch. Returns whether a cell is NaN or infinite. */
#define DEFINE_BAND_LEVELS(name, Bits, Magnitude, infinity, half)                                                \
    CLONED static int name(const Bits *rows, ptrdiff_t n_rows, ptrdiff_t n_keys, ptrdiff_t size, Bits *maxima,   \
                           uint8_t *levels)                                                                      \
    {                                                                                                            \
        Magnitude largest = 0;                                                                                   \
        memset(maxima, 0, (size_t)n_keys * sizeof(Bits));                                                        \
        for (ptrdiff_t q = 0; q < n_rows; q++, rows += n_keys)                                                   \
            for (ptrdiff_t k = 0; k < n_keys; k++) {                                                             \
                const Magnitude magnitude = (Magnitude)((Magnitude)rows[k] << 1);                                \
                maxima[k] = rows[k] > maxima[k] ? rows[k] : maxima[k];                                           \
                largest = magnitude > largest ? magnitude : largest;                                             \
            }                                                                                                    \
        for (ptrdiff_t column = 0; column < size; column++) {                                                    \
            Bits most = 0;                                                                                       \
            for (ptrdiff_t k = column * n_keys / size; k < (column + 1) * n_keys / size; k++)                    \
                most = maxima[k] > most ? maxima[k] : most;                                                      \
            levels[column] = level(cell(&most, 0, half));                                                        \
        }                                                                                                        \
        return largest >= (Magnitude)(infinity << 1);                                                            \
    }

DEFINE_BAND_LEVELS(band_levels_float, int32_t, uint32_t, 0x7f800000u, 0)
DEFINE_BAND_LEVELS(band_levels_half, int16_t, uint16_t, 0x7c00u, 1)

/* The largest cell of the lower triangle of [query, key], at least 0; NaN where a cell is NaN or infinite. */
INLINE float triangle_maximum(const void *matrix, ptrdiff_t n_tokens, int half)
{
    float most = 0.0f, spoilt = 0.0f;
    for (ptrdiff_t q = 0; q < n_tokens; q++)
        for (ptrdiff_t k = 0; k <= q; k++) {
            const float value = cell(matrix, q * n_tokens + k, half);
            most = value > most ? value : most;
            spoilt += value * 0.0f; /* NaN from then on, if value is NaN or infinite */
        }
    return most + spoilt;
}

/* The lower triangle, row by row, in levels of `scale`. */
INLINE void triangle_levels(const void *matrix, ptrdiff_t n_tokens, double scale, uint8_t *levels, int half)
{
    const double share = scale > 0.0 ? 1.0 / scale : 0.0;
    for (ptrdiff_t q = 0; q < n_tokens; q++)
        for (ptrdiff_t k = 0; k <= q; k++)
            *levels++ = level(cell(matrix, q * n_tokens + k, half) * share);
}

CLONED static float triangle_maximum_float(const int32_t *matrix, ptrdiff_t n_tokens)
{
    return triangle_maximum(matrix, n_tokens, 0);
}

CLONED static float triangle_maximum_half(const int16_t *matrix, ptrdiff_t n_tokens)
{
    return triangle_maximum(matrix, n_tokens, 1);
}

CLONED static void triangle_levels_float(const int32_t *matrix, ptrdiff_t n_tokens, double scale, uint8_t *levels)
{
    triangle_levels(matrix, n_tokens, scale, levels, 0);
}

CLONED static void triangle_levels_half(const int16_t *matrix, ptrdiff_t n_tokens, double scale, uint8_t *levels)
{
    triangle_levels(matrix, n_tokens, scale, levels, 1);
}

#endif
