/* Products of a model's small matrices, for as many rows as a batch has symbols: y = x W, some columns at a time. */
#pragma once
#include "blocks.h"
#include "functions.h"

/* x[r][i], wherever it lies: so that a matrix can be read as its transpose. */
typedef struct {
    const real *first;
    long row, next;
} Factors;
INLINE Factors by_rows(const real *x, long columns) { return (Factors){x, columns, 1}; }
INLINE Factors by_columns(const real *x, long columns) { return (Factors){x, 1, columns}; }

/* What a product starts from and ends in: a bias (columns) or none; negative numbers cut off, or not; zero where
 * another matrix, which lies as y does, is not positive, or none. */
typedef struct {
    const real *bias, *where;
    int rectified;
} Ends;

/* The widths that columns are taken in: many registers, two, or one, the last of which may be filled in part. */
enum { PANEL = ACROSS * LANES };
INLINE long width_of(long columns) { return columns >= PANEL ? PANEL : columns >= 2 * LANES ? 2 * LANES : LANES; }

/* `rows` rows by `across` registers, the last of which holds n numbers. */
INLINE void panel_block(int rows, int across, Factors x, const real *w, long w_step, Ends ends, real *y, long y_step,
                        long depth, long n) {
    vec total[ROWS][ACROSS];
    UNROLLED for (int r = 0; r < rows; r++) UNROLLED
        for (int j = 0; j < across; j++) total[r][j] = ends.bias ? load(ends.bias + j * LANES, n) : (vec){0};
    for (long i = 0; i < depth; i++) {
        vec of_w[ACROSS];
        UNROLLED for (int j = 0; j < across; j++)
            of_w[j] = in_register(load(w + i * w_step + j * LANES, n));
        UNROLLED for (int r = 0; r < rows; r++) {
            vec of_x = full(x.first[r * x.row + i * x.next]);
            UNROLLED for (int j = 0; j < across; j++)
                total[r][j] += of_x * of_w[j];
        }
    }
    UNROLLED for (int r = 0; r < rows; r++) UNROLLED
        for (int j = 0; j < across; j++) {
            long place = r * y_step + j * LANES;
            vec sum = total[r][j], none = {0};
            if (ends.rectified) sum = choose(sum < 0, none, sum);
            if (ends.where) sum = choose(load(ends.where + place, n) <= 0, none, sum);
            store(y + place, sum, n);
        }
}

INLINE void panel_rows(int across, Factors x, const real *w, long w_step, Ends ends, real *y, long y_step, long rows,
                       long depth, long n) {
    for (long some, blocks = blocks_of(rows); rows; rows -= some) {
        some = rows / blocks--;
        WITH_CONSTANT(some, panel_block(N, across, x, w, w_step, ends, y, y_step, depth, n))
        x.first += some * x.row, y += some * y_step;
        if (ends.where) ends.where += some * y_step;
    }
}

/* The first columns of y (rows, ...), as many as `width_of` what there are: x (rows, depth), w (depth, ...). */
INLINE void multiply_panel(Factors x, const real *w, long w_step, Ends ends, real *y, long y_step, long rows,
                           long depth, long columns) {
    long width = width_of(columns);
    if (width == PANEL) panel_rows(ACROSS, x, w, w_step, ends, y, y_step, rows, depth, LANES);
    else if (width > LANES) panel_rows(2, x, w, w_step, ends, y, y_step, rows, depth, LANES);
    else panel_rows(1, x, w, w_step, ends, y, y_step, rows, depth, columns);
}
