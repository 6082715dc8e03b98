/* Shared by all kernels: SIMD chosen at run time, vectors of cells, logarithm and exponential.

   A CLONED function is compiled once per instruction set and the loader picks the best for the CPU at hand;
   compilers without that keep one portable version. Cython's prange bodies do not go together with clones: Cython
   calls these helpers, they hold the inner loops. */
#ifndef SCOPE_WIDGETS_SIMD_H
#define SCOPE_WIDGETS_SIMD_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#ifdef _OPENMP
#include <omp.h>
#endif

/* SCOPE_WIDGETS_ONE_LANE asks for the portable path, which Windows has, wherever it is to be tested. */

/* Clones need a loader with ifunc (glibc) and the x86-64 levels of GCC 12. */
#if !defined(SCOPE_WIDGETS_ONE_LANE) && defined(__GNUC__) && !defined(__clang__) && __GNUC__ >= 12 && defined(__x86_64__) && defined(__GLIBC__)
#define CLONED __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#define HAS_CLONES 1
#else
#define CLONED
#define HAS_CLONES 0
#endif

#ifdef _OPENMP
#define HAS_THREADS 1
#else
#define HAS_THREADS 0
#endif

/* A vector holds LANES cells. GCC and clang have vector arithmetic and split what is too wide for the CPU;
   elsewhere a vector is one cell. Comparisons give -1 (all bits) for true. */
#if defined(__GNUC__) && !defined(SCOPE_WIDGETS_ONE_LANE)
#pragma GCC diagnostic ignored "-Wpsabi" /* vectors never pass between functions that are not inlined */
#define INLINE static inline __attribute__((always_inline))
#define LANES 8
typedef float Floats __attribute__((vector_size(32)));
typedef int32_t Ints __attribute__((vector_size(32)));
typedef uint16_t Halves __attribute__((vector_size(16)));
#define LANE_NUMBERS {0, 1, 2, 3, 4, 5, 6, 7}

INLINE Floats floats_of_bits(Ints bits) { return (Floats)bits; }
INLINE Ints bits_of_floats(Floats values) { return (Ints)values; }
INLINE Floats to_floats(Ints values) { return __builtin_convertvector(values, Floats); }
INLINE Ints to_ints(Floats values) { return __builtin_convertvector(values, Ints); }
INLINE Ints widen(Halves values) { return __builtin_convertvector(values, Ints); }
INLINE Ints less(Floats a, Floats b) { return a < b; }

INLINE float sum_floats(Floats values)
{
    typedef float Four __attribute__((vector_size(16)));
    Four fours[2];
    memcpy(fours, &values, sizeof fours);
    fours[0] += fours[1];
    return (fours[0][0] + fours[0][1]) + (fours[0][2] + fours[0][3]);
}

/* Whether any lane is set. */
INLINE int any(Ints condition)
{
    typedef int64_t Two __attribute__((vector_size(16)));
    Two twos[2];
    memcpy(twos, &condition, sizeof twos);
    twos[0] |= twos[1];
    return (twos[0][0] | twos[0][1]) != 0;
}

INLINE void prefetch(const void *address) { __builtin_prefetch(address); }
#else
#ifdef _MSC_VER
#define INLINE static __forceinline
#else
#define INLINE static inline
#endif
#define LANES 1
typedef float Floats;
typedef int32_t Ints;
typedef uint16_t Halves;
#define LANE_NUMBERS 0

INLINE Floats floats_of_bits(Ints bits)
{
    Floats values;
    memcpy(&values, &bits, sizeof values);
    return values;
}

INLINE Ints bits_of_floats(Floats values)
{
    Ints bits;
    memcpy(&bits, &values, sizeof bits);
    return bits;
}

INLINE Floats to_floats(Ints values) { return (Floats)values; }
INLINE Ints to_ints(Floats values) { return (Ints)values; }
INLINE Ints widen(Halves values) { return values; }
INLINE Ints less(Floats a, Floats b) { return -(a < b); }
INLINE float sum_floats(Floats values) { return values; }
INLINE int any(Ints condition) { return condition != 0; }
INLINE void prefetch(const void *address) { (void)address; }
#endif

INLINE Floats all_floats(float value) { return (Floats){0} + value; }

INLINE Floats choose(Ints condition, Floats yes, Floats no)
{
    return floats_of_bits((bits_of_floats(yes) & condition) | (bits_of_floats(no) & ~condition));
}

INLINE Floats larger(Floats a, Floats b) { return choose(less(a, b), b, a); }

/* `values` of the cells i, i + 1, ... that come before cell n; 0 for the others. */
INLINE Floats zero_from(Floats values, int32_t i, int32_t n)
{
    const Ints lanes = LANE_NUMBERS;
    return floats_of_bits(bits_of_floats(values) & ((lanes + (i - n)) >> 31));
}

/* IEEE half to float, exact. Subnormals go through a subtraction, as multiplying them stalls many CPUs. */
INLINE Floats floats_of_halves(Halves halves)
{
    const Ints bits = widen(halves), magnitude = (bits & 0x7fff) << 13, sign = (bits & 0x8000) << 16;
    const Ints is_subnormal = (magnitude - 0x00800000) >> 31, is_finite = (magnitude - 0x0f800000) >> 31;
    const Floats subnormal = floats_of_bits(magnitude + 0x38800000) - floats_of_bits((Ints){0} + 0x38800000);
    const Ints normal = magnitude + 0x38000000 + (~is_finite & 0x38000000);
    return floats_of_bits(bits_of_floats(choose(is_subnormal, subnormal, floats_of_bits(normal))) | sign);
}

/* Cells i, i + 1, ... of a row of float32, or of float16 where `half` (a constant wherever this is inlined). */
INLINE Floats load(const void *row, ptrdiff_t i, int half)
{
    Halves halves;
    Floats values;
    if (half) {
        memcpy(&halves, (const uint16_t *)row + i, sizeof halves);
        return floats_of_halves(halves);
    }
    memcpy(&values, (const float *)row + i, sizeof values);
    return values;
}

INLINE void store(float *row, ptrdiff_t i, Floats values) { memcpy(row + i, &values, sizeof values); }

INLINE const void *cells_from(const void *row, ptrdiff_t i, int half)
{
    return (const char *)row + i * (ptrdiff_t)(half ? sizeof(uint16_t) : sizeof(float));
}

/* The one cell i. */
INLINE float cell(const void *row, ptrdiff_t i, int half)
{
    uint32_t bits, magnitude;
    float value, smallest_normal = 6.103515625e-05f;
    if (!half)
        return ((const float *)row)[i];
    bits = ((const uint16_t *)row)[i];
    magnitude = (bits & 0x7fff) << 13;
    if (magnitude < 0x00800000) /* subnormal: as above */
        magnitude += 0x38800000;
    else
        magnitude += magnitude < 0x0f800000 ? 0x38000000 : 0x70000000;
    memcpy(&value, &magnitude, sizeof value);
    if ((bits & 0x7c00) == 0)
        value -= smallest_normal;
    return bits & 0x8000 ? -value : value;
}

/* ln of normal positive floats, relative error below 1e-6; some finite number for 0. */
INLINE Floats fast_log(Floats values)
{
    const int32_t root_half = 0x3f3504f3; /* sqrt(1/2): the mantissa comes to lie in [0.707, 1.414) */
    const Ints exponent = (bits_of_floats(values) - root_half) & (int32_t)0xff800000; /* times 2^23 */
    const Floats r = floats_of_bits(bits_of_floats(values) - exponent) - 1.0f;
    /* minimax polynomial of ln(1 + r) / r */
    Floats p = r * -0.10106896909067917f + 0.1622258573770523f;
    p = p * r - 0.17250831425189972f;
    p = p * r + 0.19900165498256683f;
    p = p * r - 0.24969908595085144f;
    p = p * r + 0.33335059881210327f;
    p = p * r - 0.5000036858333313f;
    p = p * r + 0.9999999403953552f;
    return to_floats(exponent) * 8.262958294867817e-08f /* ln(2) / 2^23 */ + r * p;
}

/* exp of numbers <= 0, relative error below 1e-6; 0 below -87. */
INLINE Floats fast_exp(Floats values)
{
    const Floats scaled = values * 1.4426950408889634f;
    const Ints whole = to_ints(scaled - 0.5f);
    const Floats r = scaled - to_floats(whole);
    /* minimax polynomial of 2^r */
    Floats p = r * 0.0013276474872460f + 0.009675541892647743f;
    p = p * r + 0.05550713092088699f;
    p = p * r + 0.24022120237350464f;
    p = p * r + 0.6931469440460205f;
    p = p * r + 1.0000001192092896f;
    p *= floats_of_bits((whole + 127) << 23);
    return floats_of_bits(bits_of_floats(p) & ~less(values, all_floats(-87.0f)));
}

/* Number of threads: `wanted`, or where that is 0 OpenMP's maximum, fewer where n_cells are too little work for it. */
static inline int threads_to_use(int wanted, ptrdiff_t n_cells)
{
#ifdef _OPENMP
    const ptrdiff_t worthwhile = n_cells / 65536 + 1, most = omp_get_max_threads();
    return wanted > 0 ? wanted : (int)(worthwhile < most ? worthwhile : most);
#else
    (void)wanted, (void)n_cells;
    return 1;
#endif
}

#endif
