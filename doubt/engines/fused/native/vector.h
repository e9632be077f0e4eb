/* Registers of numbers. Compiled once with REAL as float and once as double.
 *
 * All matrices are stored by rows. Every number is computed in an order that the sizes alone decide.
 */
#pragma once
#include <math.h>
#include <string.h>

typedef REAL real;
/* A register of the widest kind; the compiler splits it where the machine's are narrower. */
typedef real vec __attribute__((vector_size(64), aligned(sizeof(real)), may_alias));
enum { LANES = 64 / sizeof(real) };

/* What is written once for any size is inlined for each size that occurs, so that all of it is in registers. */
#define INLINE static inline __attribute__((always_inline, unused))
#define UNROLLED _Pragma("GCC unroll 16")

/* The first n numbers of a register, the others zero. */
INLINE vec load(const real *from, long n) {
    vec x = {0};
    if (n >= LANES) return *(const vec *)from;
    memcpy(&x, from, n * sizeof(real));
    return x;
}

INLINE void store(real *to, vec x, long n) {
    if (n >= LANES) *(vec *)to = x;
    else memcpy(to, &x, n * sizeof(real));
}

/* Says that x is in a register, so that GCC does not load it anew for each use. */
#ifdef __AVX512F__
#define IN_REGISTER(x) __asm__("" : "+v"(x))
#else
#define IN_REGISTER(x)
#endif

/* The sum of a register's numbers, by halves. */
INLINE real sum(vec x) {
    typedef real half __attribute__((vector_size(32)));
    typedef real quarter __attribute__((vector_size(16)));
    enum { LAST = 16 / sizeof(real) };
    union { vec whole; half halves[2]; } a = {x};
    union { half whole; quarter halves[2]; } b = {a.halves[0] + a.halves[1]};
    quarter last = b.halves[0] + b.halves[1];
    return LAST == 2 ? last[0] + last[1] : (last[0] + last[1]) + (last[2 % LAST] + last[3 % LAST]);
}
