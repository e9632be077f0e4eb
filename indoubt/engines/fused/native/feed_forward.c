/* The Transformer's feed-forward sublayer. (fairseq/modules/transformer_layer.py)
 *
 * Hidden units are taken a panel at a time: those of a panel lie together for all rows, so that they stay in the cache
 * and do not compete for places in it, as whole rows do whose lengths are powers of 2. */
#include "feed_forward.h"
#include "panels.h"

/* `count` rows, from `first` on, of y = x W^T + b by `across` rows of w: x in panels, w (features, hidden). */
INLINE void dot_block(int count, int across, const real *x, long first, long rows, const real *w, const real *bias,
                      real *y, long features, long hidden) {
    vec total[ROWS][ACROSS];
    UNROLLED for (int r = 0; r < count; r++) UNROLLED
        for (int i = 0; i < across; i++) total[r][i] = (vec){0};
    for (long unit = 0, width; unit < hidden; unit += width, x += rows * width) {
        width = width_of(hidden - unit);
        for (long j = 0; j < width; j += LANES) {
            long n = hidden - unit - j;
            vec of_w[ACROSS];
            UNROLLED for (int i = 0; i < across; i++)
                of_w[i] = in_register(load(w + i * hidden + unit + j, n));
            UNROLLED for (int r = 0; r < count; r++) {
                vec of_x = in_register(load(x + (first + r) * width + j, n));
                UNROLLED for (int i = 0; i < across; i++)
                    total[r][i] += of_x * of_w[i];
            }
        }
    }
    UNROLLED for (int r = 0; r < count; r++) UNROLLED
        for (int i = 0; i < across; i++) y[(first + r) * features + i] = sum(total[r][i]) + (bias ? bias[i] : 0);
}

INLINE void dot_rows(int across, const real *x, const real *w, const real *bias, real *y, long rows, long features,
                     long hidden) {
    for (long first = 0, some, blocks = blocks_of(rows); first < rows; first += some) {
        some = (rows - first) / blocks--;
        WITH_CONSTANT(some, dot_block(N, across, x, first, rows, w, bias, y, features, hidden))
    }
}

/* y = x W^T + b: x in panels, w (features, hidden), bias (features) or none. */
static void from_panels(const real *x, const real *w, const real *bias, real *y, long rows, long features,
                        long hidden) {
    long i = 0;
    for (; i + ACROSS <= features; i += ACROSS)
        dot_rows(ACROSS, x, w + i * hidden, bias ? bias + i : 0, y + i, rows, features, hidden);
    for (; i < features; i++) dot_rows(1, x, w + i * hidden, bias ? bias + i : 0, y + i, rows, features, hidden);
}

long active_size(long rows, long hidden) { return rows * ((hidden + LANES - 1) / LANES * LANES); }

void feed_forward(const real *x, const real *w1, const real *b1, const real *w2, const real *b2, real *active, real *y,
                  long rows, long features, long hidden) {
    for (long unit = 0, width; unit < hidden; unit += width) {
        width = width_of(hidden - unit);
        Ends ends = {.bias = b1 + unit, .rectified = 1};
        multiply_panel(by_rows(x, features), w1 + unit, hidden, ends, active + unit * rows, width, rows, features,
                       hidden - unit);
    }
    from_panels(active, w2, b2, y, rows, features, hidden);
}

void feed_forward_backward(const real *dy, const real *x, const real *active, const real *w1, const real *w2,
                           real *d_w1, real *d_b1, real *d_w2, real *d_b2, real *dx, real *d_active, long rows,
                           long features, long hidden) {
    sum_rows(dy, d_b2, rows, features);
    for (long unit = 0, width; unit < hidden; unit += width) {
        long left = hidden - unit;
        width = width_of(left);
        const real *panel = active + unit * rows;
        real *d_panel = d_active + unit * rows;
        Ends ends = {.where = panel}, none = {0};
        multiply_panel(by_columns(dy, features), panel, width, none, d_w2 + unit, hidden, features, rows, left);
        multiply_panel(by_rows(dy, features), w2 + unit, hidden, ends, d_panel, width, rows, features, left);
        multiply_panel(by_columns(x, features), d_panel, width, none, d_w1 + unit, hidden, features, rows, left);
        for (long j = 0; j < width && j < left; j += LANES) {
            vec total = {0};
            for (long r = 0; r < rows; r++) total += load(d_panel + r * width + j, left - j);
            store(d_b1 + unit + j, total, left - j);
        }
    }
    from_panels(d_active, w1, 0, dx, rows, features, hidden);
}
