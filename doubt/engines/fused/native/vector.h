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

INLINE real dot(const real *x, const real *y, long size) {
    vec total = {0};
    for (long j = 0; j < size; j += LANES) total += load(x + j, size - j) * load(y + j, size - j);
    return sum(total);
}

/* to (columns, rows) is the transpose of from (rows, columns). */
INLINE void transpose(const real *from, real *to, long rows, long columns) {
    for (long r = 0; r < rows; r++)
        for (long c = 0; c < columns; c++) to[c * rows + r] = from[r * columns + c];
}

/* sums[j] = sum over r of x[r][j]. */
INLINE void sum_rows(const real *x, real *sums, long rows, long columns) {
    memset(sums, 0, columns * sizeof(real));
    for (long r = 0; r < rows; r++)
        for (long j = 0; j < columns; j++) sums[j] += x[r * columns + j];
}
