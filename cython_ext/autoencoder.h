/* Sparse autoencoders: the strongest latents of a row, and gradients of the latents that fire. */
#ifndef SCOPE_WIDGETS_AUTOENCODER_H
#define SCOPE_WIDGETS_AUTOENCODER_H

#include "heap.h"

#define GROUPS 16                        /* vectors of maxima: each lane is the largest of a part of the row */
#define IN_GROUPS (GROUPS * LANES)       /* entries that are looked at together */
#define BFLOAT16_STEP 0.0039370078740157 /* most that a number was away from its rounding, as a share of that */

INLINE float dot(const float *a, const float *b, int32_t d)
{
    Floats sums[4] = {(Floats){0}}, total;
    float rest = 0.0f;
    int32_t i = 0;
    for (; i + 4 * LANES <= d; i += 4 * LANES)
        for (int at = 0; at < 4; at++)
            sums[at] += load(a, i + at * LANES, 0) * load(b, i + at * LANES, 0);
    for (; i + LANES <= d; i += LANES)
        sums[0] += load(a, i, 0) * load(b, i, 0);
    for (; i < d; i++)
        rest += a[i] * b[i];
    total = (sums[0] + sums[1]) + (sums[2] + sums[3]);
    return sum_floats(total) + rest;
}

/* out += factor * a */
INLINE void add_scaled(float *out, float factor, const float *a, int32_t d)
{
    int32_t i = 0;
    for (; i + LANES <= d; i += LANES)
        store(out, i, load(out, i, 0) + load(a, i, 0) * all_floats(factor));
    for (; i < d; i++)
        out[i] += factor * a[i];
}

INLINE void put_in(float *values, int32_t *latents, int32_t k, float value, int32_t latent)
{
    values[0] = value;
    latents[0] = latent;
    sink(values, latents, 0, k);
}

INLINE void empty_heap(float *values, int32_t *latents, int32_t k)
{
    for (int32_t i = 0; i < k; i++) {
        values[i] = 0.0f;
        latents[i] = -1;
    }
}

/* The float right below the `k`-th largest of maxima, which at least k entries of the row reach, or 0 where fewer than
   k are above 0. The heap is scratch. */
INLINE float bar_of(const Floats *maxima, int32_t k, float *values, int32_t *latents)
{
    float lanes[IN_GROUPS], bar;
    int32_t bits;
    if (k > IN_GROUPS)
        return 0.0f;
    memcpy(lanes, maxima, sizeof lanes);
    empty_heap(values, latents, k);
    for (int32_t at = 0; at < IN_GROUPS; at++)
        if (lanes[at] > values[0])
            put_in(values, latents, k, lanes[at], at);
    bar = values[0];
    if (bar <= 0.0f)
        return 0.0f;
    memcpy(&bits, &bar, sizeof bits);
    bits--;
    memcpy(&bar, &bits, sizeof bar);
    return bar;
}

/* Put the entries of a heap that are above 0 in the order of latents, 0 and -1 behind them; return their number. */
INLINE int32_t in_order(float *values, int32_t *latents, int32_t k)
{
    int32_t n = 0;
    for (int32_t i = 0; i < k; i++) {
        const float value = values[i];
        const int32_t latent = latents[i];
        int32_t at = n;
        if (!(value > 0.0f))
            continue;
        for (; at > 0 && latents[at - 1] > latent; at--) {
            latents[at] = latents[at - 1];
            values[at] = values[at - 1];
        }
        latents[at] = latent;
        values[at] = value;
        n++;
    }
    for (int32_t i = n; i < k; i++) {
        values[i] = 0.0f;
        latents[i] = -1;
    }
    return n;
}

/* Write the `k` largest of `p` [n] that are above 0, ties to the smaller latent; return their number, -1 where an entry
   is NaN or infinite. */
CLONED static int32_t strongest_of_row(const float *p, int32_t n, int32_t k, int32_t *latents, float *values)
{
    Floats maxima[GROUPS] = {(Floats){0}}, spoilt[4] = {(Floats){0}};
    float rest = 0.0f, bar;
    int32_t i = 0;
    for (; i + IN_GROUPS <= n; i += IN_GROUPS)
        for (int group = 0; group < GROUPS; group++) {
            const Floats entries = load(p, i + group * LANES, 0);
            maxima[group] = larger(maxima[group], entries);
            spoilt[group % 4] += entries * 0.0f;
        }
    for (; i < n; i++)
        rest += p[i] * 0.0f;
    if (!(sum_floats((spoilt[0] + spoilt[1]) + (spoilt[2] + spoilt[3])) + rest == 0.0f))
        return -1;
    bar = bar_of(maxima, k, values, latents);
    empty_heap(values, latents, k);
    for (i = 0; i < n;) {
        const int32_t last = i + LANES < n ? i + LANES : n;
        if (i + LANES <= n && !any(less(all_floats(bar), load(p, i, 0)))) {
            i = last;
            continue;
        }
        for (; i < last; i++)
            if (p[i] > bar) {
                put_in(values, latents, k, p[i], i);
                bar = values[0] > bar ? values[0] : bar;
            }
    }
    return in_order(values, latents, k);
}

INLINE Floats floats_of_bfloats(const uint16_t *scores, int32_t i)
{
    Halves halves;
    memcpy(&halves, scores + i, sizeof halves);
    return floats_of_bits(widen(halves) << 16);
}

INLINE float float_of_bfloat(uint16_t score)
{
    const uint32_t bits = (uint32_t)score << 16;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

INLINE Floats magnitude(Floats values) { return floats_of_bits(bits_of_floats(values) & 0x7fffffff); }

/* The same of `x` [d] times `weights` [n, d] plus `bias` [n], of which `scores` [n] are rounded products in bfloat16:
   off by at most `slack` times the norm of the weights, and their own rounding. What may be among the k largest by
   that is computed in float32, so that the rounding decides nothing. */
CLONED static int32_t strongest_by_scores(const uint16_t *scores, const float *bias, const float *norms, float slack,
                                          const float *x, const float *weights, int32_t d, int32_t n, int32_t k,
                                          int32_t *latents, float *values)
{
    const Floats slacks = all_floats(slack), step = all_floats((float)BFLOAT16_STEP);
    Floats maxima[GROUPS] = {(Floats){0}}, spoilt[4] = {(Floats){0}};
    float rest = 0.0f, bar;
    int32_t i = 0;
    for (; i + IN_GROUPS <= n; i += IN_GROUPS)
        for (int group = 0; group < GROUPS; group++) {
            const int32_t at = i + group * LANES;
            const Floats score = floats_of_bfloats(scores, at);
            const Floats error = slacks * load(norms, at, 0) + magnitude(score) * step;
            const Floats lowest = score + load(bias, at, 0) - error;
            maxima[group] = larger(maxima[group], lowest);
            spoilt[group % 4] += lowest * 0.0f;
        }
    for (; i < n; i++)
        rest += (float_of_bfloat(scores[i]) + bias[i] + slack * norms[i]) * 0.0f;
    if (!(sum_floats((spoilt[0] + spoilt[1]) + (spoilt[2] + spoilt[3])) + rest == 0.0f))
        return -1;
    bar = bar_of(maxima, k, values, latents);
    empty_heap(values, latents, k);
    for (i = 0; i < n;) {
        const int32_t last = i + LANES < n ? i + LANES : n;
        if (i + LANES <= n) {
            const Floats score = floats_of_bfloats(scores, i);
            const Floats error = slacks * load(norms, i, 0) + magnitude(score) * step;
            if (!any(less(all_floats(bar), score + load(bias, i, 0) + error))) {
                i = last;
                continue;
            }
        }
        for (; i < last; i++) {
            const float score = float_of_bfloat(scores[i]), size = score < 0.0f ? -score : score;
            const float most = score + bias[i] + (slack * norms[i] + size * (float)BFLOAT16_STEP);
            float exact;
            if (!(most > bar))
                continue;
            exact = dot(x, weights + (ptrdiff_t)i * d, d) + bias[i];
            if (exact > values[0]) {
                put_in(values, latents, k, exact, i);
                bar = values[0] > bar ? values[0] : bar;
            }
        }
    }
    return in_order(values, latents, k);
}

/* Write those entries that are above `bar`, and return their number: -1 where an entry is NaN or infinite, -2 where there
   are more than `most`. Of `scores` as above; what may be above the bar is computed in float32. */
CLONED static int32_t above_by_scores(const uint16_t *scores, const float *bias, const float *norms, float slack,
                                      const float *x, const float *weights, int32_t d, int32_t n, float bar,
                                      int32_t most, int32_t *latents, float *values)
{
    const Floats slacks = all_floats(slack), step = all_floats((float)BFLOAT16_STEP), bars = all_floats(bar);
    Floats spoilt = {0};
    float rest = 0.0f;
    int32_t found = 0, i = 0;
    while (i < n) {
        const int32_t last = i + LANES < n ? i + LANES : n;
        if (i + LANES <= n) {
            const Floats score = floats_of_bfloats(scores, i);
            const Floats error = slacks * load(norms, i, 0) + magnitude(score) * step;
            const Floats highest = score + load(bias, i, 0) + error;
            spoilt += highest * 0.0f;
            if (!any(less(bars, highest))) {
                i = last;
                continue;
            }
        }
        for (; i < last; i++) {
            const float score = float_of_bfloat(scores[i]), size = score < 0.0f ? -score : score;
            const float highest = score + bias[i] + (slack * norms[i] + size * (float)BFLOAT16_STEP);
            float exact;
            rest += highest * 0.0f;
            if (!(highest > bar))
                continue;
            exact = dot(x, weights + (ptrdiff_t)i * d, d) + bias[i];
            if (!(exact > bar))
                continue;
            if (found == most)
                return -2;
            latents[found] = i;
            values[found++] = exact;
        }
    }
    for (i = found; i < most; i++) {
        latents[i] = -1;
        values[i] = 0.0f;
    }
    return sum_floats(spoilt) + rest == 0.0f ? found : -1;
}

/* Add the gradients of a latent that fires in `n` rows: to those of its encoder and decoder [d], which are 0 before
   where `fresh`, and its bias, which is returned. `error` [row, d] is the gradient by the reconstruction, `centred`
   [row, d] what was encoded. */
CLONED static float gradients_of_latent(const int32_t *rows, const float *values, int64_t n, const float *error,
                                        const float *centred, const float *decoder, int32_t d, int fresh,
                                        float *of_encoder, float *of_decoder)
{
    float of_bias = 0.0f;
    if (fresh) {
        memset(of_encoder, 0, (size_t)d * sizeof(float));
        memset(of_decoder, 0, (size_t)d * sizeof(float));
    }
    for (int64_t i = 0; i < n; i++) {
        const float *given = error + (ptrdiff_t)rows[i] * d;
        const float by_value = dot(given, decoder, d);
        add_scaled(of_decoder, values[i], given, d);
        add_scaled(of_encoder, by_value, centred + (ptrdiff_t)rows[i] * d, d);
        of_bias += by_value;
    }
    return of_bias;
}

#endif
