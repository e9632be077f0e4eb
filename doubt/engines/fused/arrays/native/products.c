/* Products with a large matrix, and Adam's step along one, for a single model on a CPU.
 *
 * The LSTMs and the CNN multiply a few rows (examples, or symbols) by matrices that fill the cache, over and over.
 * Libraries are made for many rows; with few they take two to four times as long as it takes to read the matrix.
 */
#include "products.h"

/* Rows of w that `multiply` fetches ahead of their use. */
enum { AHEAD = 48 };
/* What is used later than the first-level cache would hold it is fetched into the second. */
enum { INTO_L2 = 2 };
/* Moments are not used again before the next update: they are not to take the weights' place in the cache. */
enum { ONCE = 0 };
/* Rows of w whose parts in a few columns fit into the cache also where they compete for the same places in it. */
enum { DEPTH = 256 };

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
        enum { N = ROWS >= n ? n : 1 };                                                                                 \
        call;                                                                                                          \
        break;                                                                                                         \
    }

/* In how many blocks to take some rows of x: the fewest, and as even as can be, for blocks of a row or two are slow. */
INLINE long blocks_of(long rows) { return (rows + ROWS - 1) / ROWS; }

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

void multiply_transposed(const real *x, long x_step, const real *w, const real *bias, real *y, long y_step, long rows,
                         long out, long in) {
    long i = 0;
    for (; i + ACROSS <= out; i += ACROSS)
        dot_rows(ACROSS, x, x_step, w + i * in, bias ? bias + i : 0, y + i, y_step, rows, in);
    for (; i < out; i++) dot_rows(1, x, x_step, w + i * in, bias ? bias + i : 0, y + i, y_step, rows, in);
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

void multiply(const real *x, long x_step, const real *w, real *y, long y_step, long rows, long out, long in) {
    if (rows == 1) {
        enum { AT_ONCE = 8 };
        memset(y, 0, in * sizeof(real));
        long i = 0;
        for (; i + AT_ONCE <= out; i += AT_ONCE) add_rows(AT_ONCE, x + i, w + i * in, y, in);
        for (; i < out; i++) add_rows(1, x + i, w + i * in, y, in);
        return;
    }
    for (long r = 0; r < rows; r++) memset(y + r * y_step, 0, in * sizeof(real));
    for (long i = 0; i < out; i += DEPTH) {
        const real *part = w + i * in, *factors = x + i;
        long depth = out - i < DEPTH ? out - i : DEPTH, j = 0;
        for (; j + ACROSS * LANES <= in; j += ACROSS * LANES)
            column_rows(ACROSS, factors, x_step, part + j, y + j, y_step, rows, depth, in, LANES);
        for (; j + LANES <= in; j += LANES)
            column_rows(1, factors, x_step, part + j, y + j, y_step, rows, depth, in, LANES);
        if (j < in) column_rows(1, factors, x_step, part + j, y + j, y_step, rows, depth, in, in - j);
    }
}

/* ---- Adam ---- */

/* What a step takes besides the gradient; that is multiplied by `factor`, which clips it. */
typedef struct {
    real factor, step, beta1, beta2, eps;
} numbers;

INLINE vec root(vec x) {
    vec roots;
    for (int i = 0; i < LANES; i++) roots[i] = sizeof(real) == 4 ? sqrtf((float)x[i]) : (real)sqrt((double)x[i]);
    return roots;
}

/* The step of up to LANES weights, which their moments m and v move with. */
INLINE void adam(real *w, real *m, real *v, vec gradient, const numbers *a, long n) {
    vec first = load(m, n), second = load(v, n);
    gradient *= a->factor;
    first += (1 - a->beta1) * (gradient - first);
    second += (1 - a->beta2) * (gradient * gradient - second);
    store(m, first, n), store(v, second, n);
    store(w, load(w, n) - a->step * first / (root(second) + a->eps), n);
}

/* `down` rows by `across` registers of columns of w, the last of which holds n numbers. */
INLINE void step_block(int down, int across, const real *left, const real *right, long right_step, const real *along,
                       real *w, real *m, real *v, long rows, long in, long ahead, const numbers *a, long n) {
    vec gradient[ACROSS][ACROSS];
    UNROLLED for (int i = 0; i < down; i++) UNROLLED
        for (int j = 0; j < across; j++) gradient[i][j] = (vec){0};
    for (long r = 0; r < rows; r++) {
        vec of_right[ACROSS];
        UNROLLED for (int j = 0; j < across; j++)
            of_right[j] = in_register(load(right + r * right_step + j * LANES, n));
        UNROLLED for (int i = 0; i < down; i++) {
            vec of_left = full(left[i * rows + r]);
            UNROLLED for (int j = 0; j < across; j++)
                gradient[i][j] += of_left * of_right[j];
        }
    }
    UNROLLED for (int i = 0; i < down; i++) UNROLLED
        for (int j = 0; j < across; j++) {
            long place = i * in + j * LANES, next = place + ahead;
            __builtin_prefetch(w + next, 1), __builtin_prefetch(m + next, 0, ONCE), __builtin_prefetch(v + next, 0, ONCE);
            if (along) gradient[i][j] -= load(along + j * LANES, n) * load(w + place, n);
            adam(w + place, m + place, v + place, gradient[i][j], a, n);
        }
}

/* Some rows of w, from their first number to their last. */
INLINE void step_rows(int down, const real *left, const real *right, long right_step, const real *along, real *w,
                      real *m, real *v, long rows, long in, long ahead, const numbers *a) {
    long j = 0;
#define STEP(across, n)                                                                                                \
    step_block(down, across, left, right + j, right_step, along ? along + j : 0, w + j, m + j, v + j, rows, in, ahead, \
               a, n)
    for (; j + ACROSS * LANES <= in; j += ACROSS * LANES) STEP(ACROSS, LANES);
    for (; j + LANES <= in; j += LANES) STEP(1, LANES);
    if (j < in) STEP(1, in - j);
#undef STEP
}

/* Adam's step along `factor (left right - along w)`, which is never stored as a whole: left (out, rows), right (rows,
 * in) with rows `right_step` apart, along (in) or none; w and its moments m and v (out, in), which are gone through
 * from the first row or backwards. */
void adam_of_product(const real *left, const real *right, long right_step, const real *along, real *w, real *m, real *v,
                     long rows, long out, long in, double factor, double step, double beta1, double beta2, double eps,
                     long backwards) {
    numbers a = {(real)factor, (real)step, (real)beta1, (real)beta2, (real)eps};
    long blocks = out / ACROSS, ahead = (backwards ? -ACROSS : ACROSS) * in;
    for (long block = 0; block < blocks; block++) {
        long i = (backwards ? blocks - 1 - block : block) * ACROSS, at = i * in;
        step_rows(ACROSS, left + i * rows, right, right_step, along, w + at, m + at, v + at, rows, in, ahead, &a);
    }
    for (long i = blocks * ACROSS, at = i * in; i < out; i++, at += in)
        step_rows(1, left + i * rows, right, right_step, along, w + at, m + at, v + at, rows, in, 0, &a);
}
