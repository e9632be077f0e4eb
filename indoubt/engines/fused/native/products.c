/* Products with a large matrix, for a single model on a CPU.
 *
 * The LSTMs and the CNN multiply a few rows (examples, or symbols) by matrices that fill the cache, over and over.
 * Libraries are made for many rows; with few they take two to four times as long as it takes to read the matrix.
 */
#include "products.h"
#include "blocks.h"

/* Rows of w that `multiply` fetches ahead of their use. */
enum { AHEAD = 48 };
/* What is used later than the first-level cache would hold it is fetched into the second. */
enum { INTO_L2 = 2 };
/* Rows of w whose parts in a few columns fit into the cache also where they compete for the same places in it. */
enum { DEPTH = 256 };
/* Rows of x for which copying a part of w, so that it lies in order, takes little of the time that it saves. */
enum { MANY = 256 };

/* ---- y = x W^T + b ---- */

/* Adds the products of up to LANES numbers, from j on, of `rows` rows of x and `across` rows of w. */
INLINE void dot_some(vec total[ROWS][ACROSS], int rows, int across, const real *x, long x_step, const real *w, long in,
                     long j, long n) {
    vec of_w[ACROSS];
    UNROLLED for (int i = 0; i < across; i++)
        of_w[i] = in_register(load(w + i * in + j, n));
    UNROLLED for (int i = 0; i < across; i++)
        __builtin_prefetch(w + (i + ACROSS) * in + j, 0, INTO_L2);
    UNROLLED for (int r = 0; r < rows; r++) {
        vec of_x = in_register(load(x + r * x_step + j, n));
        UNROLLED for (int i = 0; i < across; i++)
            total[r][i] += of_x * of_w[i];
    }
}

/* `rows` rows of x by `across` rows of w. */
INLINE void dot_block(int rows, int across, const real *x, long x_step, const real *w, const real *bias, real *y,
                      long y_step, long in) {
    vec total[ROWS][ACROSS];
    UNROLLED for (int r = 0; r < rows; r++) UNROLLED
        for (int i = 0; i < across; i++) total[r][i] = (vec){0};
    long j = 0;
    for (; j + LANES <= in; j += LANES) dot_some(total, rows, across, x, x_step, w, in, j, LANES);
    if (j < in) dot_some(total, rows, across, x, x_step, w, in, j, in - j);
    UNROLLED for (int r = 0; r < rows; r++) UNROLLED
        for (int i = 0; i < across; i++) y[r * y_step + i] = sum(total[r][i]) + (bias ? bias[i] : 0);
}

/* All of x by some rows of w, which stay in the cache meanwhile. */
INLINE void dot_rows(int across, const real *x, long x_step, const real *w, const real *bias, real *y, long y_step,
                     long rows, long in) {
    for (long some, blocks = blocks_of(rows); rows; rows -= some, x += some * x_step, y += some * y_step) {
        some = rows / blocks--;
        WITH_CONSTANT(some, dot_block(N, across, x, x_step, w, bias, y, y_step, in))
    }
}

/* ---- y = x W ---- */

/* A single row by `across` rows of w, which are read from their first number to their last: y += x W. */
INLINE void add_rows(int across, const real *x, const real *w, real *y, long in) {
    for (long j = 0; j < in; j += LANES) {
        vec total = load(y + j, in - j);
        UNROLLED for (int i = 0; i < across; i++)
            total += x[i] * load(w + i * in + j, in - j);
        store(y + j, total, in - j);
    }
}

/* `rows` rows of x by `across` registers of columns of w, the last of which holds n numbers: y += x W. */
INLINE void column_block(int rows, int across, const real *x, long x_step, const real *w, real *y, long y_step,
                         long out, long in, long n) {
    vec total[ROWS][ACROSS];
    UNROLLED for (int r = 0; r < rows; r++) UNROLLED
        for (int j = 0; j < across; j++) total[r][j] = load(y + r * y_step + j * LANES, n);
    for (long i = 0; i < out; i++) {
        vec of_w[ACROSS];
        UNROLLED for (int j = 0; j < across; j++)
            of_w[j] = in_register(load(w + i * in + j * LANES, n));
        UNROLLED for (int j = 0; j < across; j++)
            __builtin_prefetch(w + (i + AHEAD) * in + j * LANES, 0, INTO_L2);
        UNROLLED for (int r = 0; r < rows; r++) {
            vec of_x = full(x[r * x_step + i]);
            UNROLLED for (int j = 0; j < across; j++)
                total[r][j] += of_x * of_w[j];
        }
    }
    UNROLLED for (int r = 0; r < rows; r++) UNROLLED
        for (int j = 0; j < across; j++) store(y + r * y_step + j * LANES, total[r][j], n);
}

/* All of x by some columns of w, which stay in the cache meanwhile. */
INLINE void column_rows(int across, const real *x, long x_step, const real *w, real *y, long y_step, long rows,
                        long out, long in, long n) {
    for (long some, blocks = blocks_of(rows); rows; rows -= some, x += some * x_step, y += some * y_step) {
        some = rows / blocks--;
        WITH_CONSTANT(some, column_block(N, across, x, x_step, w, y, y_step, out, in, n))
    }
}

/* Columns of a panel: a part of a matrix that is copied to where its rows follow each other, for many rows of x. */
enum { PANEL = ACROSS * LANES };

void multiply_transposed(const real *x, long x_step, const real *w, const real *bias, real *y, long y_step, long rows,
                         long out, long in) {
    real panel[DEPTH * PANEL];
    long i = 0;
    for (; i + PANEL <= out && rows >= MANY; i += PANEL) {
        for (long r = 0; r < rows; r++)
            for (long k = i; k < i + PANEL; k++) y[r * y_step + k] = bias ? bias[k] : 0;
        for (long j = 0; j < in; j += DEPTH) {
            long depth = in - j < DEPTH ? in - j : DEPTH;
            transpose(w + i * in + j, in, panel, PANEL, PANEL, depth);
            column_rows(ACROSS, x + j, x_step, panel, y + i, y_step, rows, depth, PANEL, LANES);
        }
    }
    for (; i + ACROSS <= out; i += ACROSS)
        dot_rows(ACROSS, x, x_step, w + i * in, bias ? bias + i : 0, y + i, y_step, rows, in);
    for (; i < out; i++) dot_rows(1, x, x_step, w + i * in, bias ? bias + i : 0, y + i, y_step, rows, in);
}

void multiply(const real *x, long x_step, const real *w, real *y, long y_step, long rows, long out, long in) {
    if (rows == 1) {
        enum { AT_ONCE = 8 };
        memset(y, 0, in * sizeof(real));
        long i = 0;
        for (; i + AT_ONCE <= out; i += AT_ONCE) add_rows(AT_ONCE, x + i, w + i * in, y, in);
        for (; i < out; i++) add_rows(1, x + i, w + i * in, y, in);
        return;
    }
    real panel[DEPTH * PANEL];
    for (long r = 0; r < rows; r++) memset(y + r * y_step, 0, in * sizeof(real));
    for (long i = 0; i < out; i += DEPTH) {
        const real *part = w + i * in, *factors = x + i;
        long depth = out - i < DEPTH ? out - i : DEPTH, j = 0;
        for (; j + PANEL <= in && rows >= MANY; j += PANEL) {
            for (long k = 0; k < depth; k++) memcpy(panel + k * PANEL, part + k * in + j, sizeof(real) * PANEL);
            column_rows(ACROSS, factors, x_step, panel, y + j, y_step, rows, depth, PANEL, LANES);
        }
        for (; j + PANEL <= in; j += PANEL)
            column_rows(ACROSS, factors, x_step, part + j, y + j, y_step, rows, depth, in, LANES);
        for (; j + LANES <= in; j += LANES)
            column_rows(1, factors, x_step, part + j, y + j, y_step, rows, depth, in, LANES);
        if (j < in) column_rows(1, factors, x_step, part + j, y + j, y_step, rows, depth, in, in - j);
    }
}

void transpose_matrix(const real *from, long step, real *to, long to_step, long rows, long columns) {
    transpose(from, step, to, to_step, rows, columns);
}
