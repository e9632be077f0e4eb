/* The Transformer's feed-forward sublayer. (fairseq/modules/transformer_layer.py) */
#include "feed_forward.h"
#include "products.h"

void feed_forward(const real *x, const real *w1, const real *b1, const real *w2, const real *b2, real *active, real *y,
                  long rows, long features, long hidden) {
    multiply(x, features, w1, active, hidden, rows, features, hidden);
    for (long r = 0; r < rows; r++)
        for (long j = 0; j < hidden; j++) {
            real value = active[r * hidden + j] + b1[j];
            active[r * hidden + j] = value < 0 ? 0 : value;
        }
    multiply_transposed(active, hidden, w2, b2, y, features, rows, features, hidden);
}

void feed_forward_backward(const real *dy, const real *x, const real *active, const real *w1, const real *w2,
                           real *d_w1, real *d_b1, real *d_w2, real *d_b2, real *dx, real *room, long rows,
                           long features, long hidden) {
    real *d_active = room, *x_t = room + rows * hidden, *dy_t = x_t + rows * features;
    transpose(dy, features, dy_t, rows, rows, features);
    multiply(dy_t, rows, active, d_w2, hidden, features, rows, hidden);
    sum_rows(dy, d_b2, rows, features);
    multiply(dy, features, w2, d_active, hidden, rows, features, hidden);
    for (long i = 0; i < rows * hidden; i++) d_active[i] = active[i] <= 0 ? 0 : d_active[i];
    transpose(x, features, x_t, rows, rows, features);
    multiply(x_t, rows, d_active, d_w1, hidden, features, rows, hidden);
    sum_rows(d_active, d_b1, rows, hidden);
    multiply_transposed(d_active, hidden, w1, 0, dx, features, rows, features, hidden);
}
