/* Blocks of rows that a product keeps in registers. */
#pragma once
#include "vector.h"

/* `call`, in which N is the constant n, from 1 to ROWS. */
#define WITH_CONSTANT(n, call)                                                                                         \
    switch (n) {                                                                                                       \
        CASE(1, call)                                                                                                  \
        CASE(2, call)                                                                                                  \
        CASE(3, call)                                                                                                  \
        CASE(4, call)                                                                                                  \
        CASE(5, call)                                                                                                  \
        CASE(6, call)                                                                                                  \
    }
#define CASE(n, call)                                                                                                  \
    case n: {                                                                                                          \
        enum { N = ROWS >= n ? n : 1 };                                                                                \
        call;                                                                                                          \
        break;                                                                                                         \
    }

/* In how many blocks to take some rows of x: the fewest, and as even as can be, for blocks of a row or two are slow. */
INLINE long blocks_of(long rows) { return (rows + ROWS - 1) / ROWS; }
