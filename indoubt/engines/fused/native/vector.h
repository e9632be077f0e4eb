/* Registers of numbers. Compiled once with REAL as float and once as double.
 *
 * All matrices are stored by rows. Every number is computed in an order that the sizes alone decide.
 */
#pragma once
#include <math.h>
#include <string.h>

/* Bytes of a register; what a block of results spans that is kept in registers: rows of x, and rows or registers of w.
 */
#if defined(__AVX512F__)
enum { WIDTH = 64, ROWS = 6, ACROSS = 4 }; /* of 32 registers */
#elif defined(__AVX__)
enum { WIDTH = 32, ROWS = 4, ACROSS = 3 }; /* of 16 */
#else
enum { WIDTH = 16, ROWS = 6, ACROSS = 4 }; /* of 32, as ARM has */
#endif

typedef REAL real;
typedef real vec __attribute__((vector_size(WIDTH), aligned(sizeof(real)), may_alias));
enum { LANES = WIDTH / sizeof(real) };

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

/* x, and a word to GCC that it is in a register, so that it is not loaded anew for each use. */
INLINE vec in_register(vec x) {
#if defined(__AVX512F__)
    __asm__("" : "+v"(x));
#elif defined(__AVX__)
    __asm__("" : "+x"(x));
#endif
    return x;
}

/* A register full of x. */
INLINE vec full(real x) { return in_register(x - (vec){0}); }

/* The sum of a register's numbers. */
INLINE real sum(vec x) {
    typedef real part __attribute__((vector_size(16)));
    union {
        vec whole;
        part parts[WIDTH / 16];
    } a = {x};
    part total = a.parts[0];
    for (int i = 1; i < WIDTH / 16; i++) total += a.parts[i];
    real last = total[0];
    for (unsigned i = 1; i < 16 / sizeof(real); i++) last += total[i];
    return last;
}

INLINE real dot(const real *x, const real *y, long size) {
    vec total = {0};
    for (long j = 0; j < size; j += LANES) total += load(x + j, size - j) * load(y + j, size - j);
    return sum(total);
}

/* to (columns, rows), with rows `to_step` apart, is the transpose of from (rows, columns), with rows `step` apart;
 * block by block, so that lines of both stay in the cache until all of their numbers have been used. */
INLINE void transpose(const real *from, long step, real *to, long to_step, long rows, long columns) {
    for (long r = 0; r < rows; r += LANES)
        for (long c = 0; c < columns; c += LANES)
            for (long j = c; j < c + LANES && j < columns; j++)
                for (long i = r; i < r + LANES && i < rows; i++) to[j * to_step + i] = from[i * step + j];
}

/* sums[j] = sum over r of x[r][j]. */
INLINE void sum_rows(const real *x, real *sums, long rows, long columns) {
    memset(sums, 0, columns * sizeof(real));
    for (long r = 0; r < rows; r++)
        for (long j = 0; j < columns; j++) sums[j] += x[r * columns + j];
}
