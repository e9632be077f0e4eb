#pragma once
#include "vector.h"

/* exp(x) - 1, also where that is small; x is clamped to [-64, 64], beyond which no gate changes any more.
 *
 * With x = n ln 2 + r and |r| <= ln 2 / 2 it is 2^n (exp(r) - 1) + (2^n - 1), where exp(r) - 1 is its Taylor series. */
INLINE vec exp_minus_1(vec x) {
    typedef __typeof__((vec){0} < (vec){0}) integers;
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
    for (int i = 0; i < LANES; i++) x[i] = x[i] < -64 ? -64 : x[i] > 64 ? 64 : x[i];
    vec n = (x * log2_e + whole) - whole;
    vec r = x - n * ln2_high - n * ln2_low;
    vec series = (vec){0} + 1;
    UNROLLED for (int k = TERMS; k > 1; k--)
        series = 1 + series * r * (real)(1.0 / k);
    integers bits = (__builtin_convertvector(n, integers) + BIAS) << MANTISSA;
    vec power;
    memcpy(&power, &bits, sizeof power);
    return power * (r * series) + (power - 1);
}

INLINE vec sigmoid(vec x) { return 1 / (2 + exp_minus_1(-x)); }

INLINE vec hyperbolic_tangent(vec x) {
    vec e = exp_minus_1(2 * x);
    return e / (e + 2);
}
