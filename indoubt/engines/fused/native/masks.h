#pragma once
#include <stdint.h>
#include "vector.h"

/* What an update's number is multiplied by before it enters the mixture. */
#define GOLDEN 0x9E3779B97F4A7C15u

/* The finaliser of SplitMix64 (Steele, Lea and Flood, 2014). */
INLINE uint64_t mixed(uint64_t x) {
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return x ^ (x >> 31);
}

/* Some places of one row: `scales` where the number of row and place reaches the place's threshold, else 0. */
INLINE void draw_row(int64_t row, uint64_t offset, const int64_t *counters, const int64_t *thresholds,
                     const real *scales, real *masks, long places) {
    uint64_t of_row = mixed((uint64_t)row + offset);
    for (long p = 0; p < places; p++) {
        int64_t number = (int64_t)mixed(of_row + (uint64_t)counters[p]);
        masks[p] = number >= thresholds[p] ? scales[p] : 0;
    }
}
