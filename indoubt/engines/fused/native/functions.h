#pragma once
#include <stdint.h>
#include "vector.h"

/* Whole numbers of the size of a real one, and a register of them: what comparisons give. */
typedef __typeof__(_Generic((real)0, float: (int32_t)0, double: (int64_t)0)) integer;
typedef integer integers __attribute__((vector_size(WIDTH)));

/* x where a mask's bits are set, else y; where a comparison with a number that is none gave the mask, y. */
INLINE vec choose(integers mask, vec x, vec y) { return (vec)(((integers)x & mask) | ((integers)y & ~mask)); }
INLINE vec larger(vec x, vec y) { return choose(x > y, x, y); }

/* exp(x) as power (1 + more): the nearest power of 2, and what is left, which is returned. x is clamped to [-64, 64].
 *
 * With x = n ln 2 + r and |r| <= ln 2 / 2 the power is 2^n, and `more` is exp(r) - 1 by its Taylor series. */
INLINE vec power_and_more(vec x, vec *power) {
    enum {
        SINGLE = sizeof(real) == 4,
        TERMS = SINGLE ? 8 : 14,
        MANTISSA = SINGLE ? 23 : 52,
        BIAS = SINGLE ? 127 : 1023
    };
    const real log2_e = (real)1.44269504088896340736, ln2_high = (real)0.693359375,
               ln2_low = (real)-2.12194440054690583e-4;
    /* numbers of this size have no fraction */
    const real whole = SINGLE ? (real)0x1.8p23 : (real)0x1.8p52;
    x = choose(x < -64, (vec){0} - 64, x), x = choose(x > 64, (vec){0} + 64, x);
    vec n = (x * log2_e + whole) - whole;
    vec r = x - n * ln2_high - n * ln2_low;
    vec series = (vec){0} + 1;
    UNROLLED for (int k = TERMS; k > 1; k--)
        series = 1 + series * r * (real)(1.0 / k);
    integers bits = (__builtin_convertvector(n, integers) + BIAS) << MANTISSA;
    memcpy(power, &bits, sizeof bits);
    return r * series;
}

/* exp(x) - 1, also where that is small; beyond 64 no gate changes any more. */
INLINE vec exp_minus_1(vec x) {
    vec power, more = power_and_more(x, &power);
    return power * more + (power - 1);
}

/* exp(x), not less than exp(-64). */
INLINE vec exponential(vec x) {
    vec power, more = power_and_more(x, &power);
    return power * more + power;
}

INLINE vec sigmoid(vec x) { return 1 / (2 + exp_minus_1(-x)); }

INLINE vec hyperbolic_tangent(vec x) {
    vec e = exp_minus_1(2 * x);
    return e / (e + 2);
}
