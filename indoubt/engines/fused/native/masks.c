/* Dropout masks from a counter-based generator: what dropout.py computes, in one pass. */
#include "masks.h"

/* masks (rows, places) of one update, whose number times GOLDEN is `offset`. */
void draw_masks(const int64_t *rows, const int64_t *counters, const int64_t *thresholds, const real *scales,
                real *masks, long n_rows, long places, long offset) {
    for (long r = 0; r < n_rows; r++, masks += places)
        draw_row(rows[r], (uint64_t)offset, counters, thresholds, scales, masks, places);
}
