/* fairseq's Adam, w -= step m / (sqrt(v) + eps), for a single model on a CPU (fairseq/optim/adam.py): along a gradient,
 * or along a product of two matrices, block by block in registers, so that a large gradient never goes through memory.
 */
#include "transformer.h"

/* Moments are not used again before the next update: they are not to take the weights' place in the cache. */
enum { ONCE = 0 };

/* A block of weights whose gradient is in registers: rows and registers of columns. Few rows, for memory is fastest
 * where it is read on and on, and lines of many rows may compete for the same places in the cache. */
enum { DOWN = 2, WIDE = WIDTH == 32 ? 4 : 8 };

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
    vec gradient[DOWN][WIDE];
    UNROLLED for (int i = 0; i < down; i++) UNROLLED
        for (int j = 0; j < across; j++) gradient[i][j] = (vec){0};
    for (long r = 0; r < rows; r++) {
        vec of_right[WIDE];
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
            __builtin_prefetch(w + next, 1), __builtin_prefetch(m + next, 0, ONCE),
                __builtin_prefetch(v + next, 0, ONCE);
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
    for (; j + WIDE * LANES <= in; j += WIDE * LANES) STEP(WIDE, LANES);
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
    long blocks = out / DOWN, ahead = (backwards ? -DOWN : DOWN) * in;
    for (long block = 0; block < blocks; block++) {
        long i = (backwards ? blocks - 1 - block : block) * DOWN, at = i * in;
        step_rows(DOWN, left + i * rows, right, right_step, along, w + at, m + at, v + at, rows, in, ahead, &a);
    }
    for (long i = blocks * DOWN, at = i * in; i < out; i++, at += in)
        step_rows(1, left + i * rows, right, right_step, along, w + at, m + at, v + at, rows, in, 0, &a);
}

void adam_step(real *w, real *m, real *v, const real *gradient, long n, real factor, real step, real beta1, real beta2,
               real eps) {
    numbers a = {factor, step, beta1, beta2, eps};
    for (long i = 0; i < n; i += LANES) adam(w + i, m + i, v + i, load(gradient + i, n - i), &a, n - i);
}

/* ---- Clipping ---- */

/* In sums of their own, so that none waits for another. */
static double sum_of_squares(const real *x, long n) {
    enum { SUMS = 4 };
    vec sums[SUMS] = {0};
    long i = 0;
    for (; i + SUMS * LANES <= n; i += SUMS * LANES) UNROLLED
        for (int j = 0; j < SUMS; j++) {
            vec part = load(x + i + j * LANES, LANES);
            sums[j] += part * part;
        }
    return sum((sums[0] + sums[1]) + (sums[2] + sums[3])) + dot(x + i, x + i, n - i);
}

real clipping(real *const *gradients, const long *sizes, long blocks, double clip) {
    if (clip <= 0) return 1;
    double squares = 0;
    for (long b = 0; b < blocks; b++) squares += sum_of_squares(gradients[b], sizes[b]);
    double factor = clip / (sqrt(squares) + 1e-6);
    return factor < 1 ? (real)factor : 1;
}
