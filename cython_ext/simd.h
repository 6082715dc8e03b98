/* What every kernel shares: SIMD chosen at run time, reading cells, logarithm and exponential.

   The loops are plain C that the compiler vectorises. A CLONED function is compiled once per instruction set and
   the loader picks the best one for the CPU at hand; compilers without that keep the one portable version.
   Cython's prange bodies do not go together with clones: Cython calls these helpers, they hold the inner loops. */
#ifndef SCOPE_WIDGETS_SIMD_H
#define SCOPE_WIDGETS_SIMD_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#ifdef _OPENMP
#include <omp.h>
#endif

/* Clones need a loader with ifunc (glibc) and the x86-64 levels of GCC 12. */
#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ >= 12 && defined(__x86_64__) && defined(__GLIBC__)
#define CLONED __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define CLONED
#endif

#ifdef _MSC_VER
#define INLINE static __forceinline
#define SIMD(clauses)
#else
#define INLINE static inline __attribute__((always_inline))
#define PRAGMA(text) _Pragma(#text)
#define SIMD(clauses) PRAGMA(omp simd clauses)
#endif

/* Rows are worked through in whole blocks of LANES cells: no slow remainder loop. */
#define LANES 16

INLINE float float_of_bits(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

INLINE uint32_t bits_of_float(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

/* IEEE half to float, exact. Subnormals go through a subtraction, as multiplying them stalls many CPUs. */
INLINE float float_of_half(uint16_t half)
{
    uint32_t magnitude = (uint32_t)(half & 0x7fff) << 13, sign = (uint32_t)(half & 0x8000) << 16;
    uint32_t subnormal =
        bits_of_float(float_of_bits(magnitude + 0x38800000u) - float_of_bits(0x38800000u));
    uint32_t normal = magnitude + (magnitude >= 0x0f800000u ? 0x70000000u : 0x38000000u);
    return float_of_bits((magnitude < 0x00800000u ? subnormal : normal) | sign);
}

/* A cell of a row of float32, or of float16 where `half` (a constant wherever this is inlined). */
INLINE float cell(const void *row, ptrdiff_t i, int half)
{
    return half ? float_of_half(((const uint16_t *)row)[i]) : ((const float *)row)[i];
}

INLINE const void *cells_from(const void *row, ptrdiff_t i, int half)
{
    return (const char *)row + i * (half ? sizeof(uint16_t) : sizeof(float));
}

/* ln of a normal positive float, relative error below 1e-6; some finite number for 0. */
INLINE float fast_log(float value)
{
    const uint32_t root_half = 0x3f3504f3u; /* sqrt(1/2): the mantissa comes to lie in [0.707, 1.414) */
    int32_t offset = (int32_t)(bits_of_float(value) - root_half);
    float exponent = (float)(offset >> 23);
    float r = float_of_bits((uint32_t)(offset & 0x7fffff) + root_half) - 1.0f;
    /* minimax polynomial of ln(1 + r) / r */
    float p = -0.10106896909067917f;
    p = p * r + 0.1622258573770523f;
    p = p * r + -0.17250831425189972f;
    p = p * r + 0.19900165498256683f;
    p = p * r + -0.24969908595085144f;
    p = p * r + 0.33335059881210327f;
    p = p * r + -0.5000036358833313f;
    p = p * r + 0.9999999403953552f;
    return exponent * 0.6931471805599453f + r * p;
}

/* exp of a number <= 0, relative error below 1e-6; below -87 it stays at about 1e-38. */
INLINE float fast_exp(float value)
{
    float scaled = (value > -87.0f ? value : -87.0f) * 1.4426950408889634f;
    float whole = (float)(int32_t)(scaled - 0.5f);
    float r = scaled - whole;
    /* minimax polynomial of 2^r */
    float p = 0.0013276474872460f;
    p = p * r + 0.009675541892647743f;
    p = p * r + 0.05550713092088699f;
    p = p * r + 0.24022120237350464f;
    p = p * r + 0.6931469440460205f;
    p = p * r + 1.0000001192092896f;
    return p * float_of_bits((uint32_t)((int32_t)whole + 127) << 23);
}

/* Threads to use: `wanted`, or as many as OpenMP would take where that is 0. */
static inline int threads_to_use(int wanted)
{
#ifdef _OPENMP
    return wanted > 0 ? wanted : omp_get_max_threads();
#else
    (void)wanted;
    return 1;
#endif
}

#endif
