/* Dropout masks from a counter-based generator: what masks.py computes, in one pass. */
#include <stdint.h>
#include "vector.h"

/* The finaliser of SplitMix64 (Steele, Lea and Flood, 2014). */
INLINE uint64_t mixed(uint64_t x) {
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return x ^ (x >> 31);
}

/* masks (rows, places): `scales` where the number of a row and place, under this update's offset, reaches the place's
 * threshold, and 0 elsewhere. */
void draw_masks(const int64_t *rows, const int64_t *counters, const int64_t *thresholds, const real *scales,
                real *masks, long n_rows, long places, long offset) {
    for (long r = 0; r < n_rows; r++) {
        uint64_t of_row = mixed((uint64_t)rows[r] + (uint64_t)offset);
        for (long p = 0; p < places; p++) {
            int64_t number = (int64_t)mixed(of_row + (uint64_t)counters[p]);
            masks[r * places + p] = number >= thresholds[p] ? scales[p] : 0;
        }
    }
}
