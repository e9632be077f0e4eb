/* Weights with a learned length, for a CPU. */
#include "products.h"

/* squares[j] = sum over i of w[i][j]^2. */
void squared_columns(const real *w, real *squares, long out, long in) {
    memset(squares, 0, in * sizeof(real));
    for (long i = 0; i < out; i++)
        for (long j = 0; j < in; j++) squares[j] += w[i * in + j] * w[i * in + j];
}

/* y = x W^T + b of many models, where the rows of W are g v / |v|: x (models, rows, in), v and W (models, out, in), g,
 * b and norm, which is |v|, (models, out), y (models, rows, out). */
void normed_linear(const real *x, const real *v, const real *g, const real *b, real *w, real *norm, real *y,
                   long models, long rows, long out, long in) {
    for (long model = 0; model < models; model++) {
        for (long i = 0; i < out; i++) {
            norm[i] = (real)sqrt((double)dot(v + i * in, v + i * in, in));
            for (long j = 0; j < in; j++) w[i * in + j] = v[i * in + j] * (g[i] / norm[i]);
        }
        multiply_transposed(x, in, w, b, y, out, rows, out, in);
        x += rows * in, v += out * in, w += out * in, g += out, b += out, norm += out, y += rows * out;
    }
}

/* Backward through it: from dy to the gradients of v, g and b, and dx. The gradient of v is that of W times g / |v|,
 * less its part along v, which changes nothing. `room` holds rows out numbers. */
void normed_linear_backward(const real *dy, const real *x, const real *v, const real *g, const real *w,
                            const real *norm, real *d_v, real *d_g, real *d_b, real *dx, real *room, long models,
                            long rows, long out, long in) {
    for (long model = 0; model < models; model++) {
        sum_rows(dy, d_b, rows, out);
        transpose(dy, out, room, rows, rows, out);
        multiply(room, rows, x, d_v, in, out, rows, in);
        for (long i = 0; i < out; i++) {
            const real *of_v = v + i * in;
            real *d_row = d_v + i * in;
            d_g[i] = dot(d_row, of_v, in) / norm[i];
            for (long j = 0; j < in; j++) d_row[j] = g[i] / norm[i] * (d_row[j] - d_g[i] / norm[i] * of_v[j]);
        }
        multiply(dy, out, w, dx, in, rows, out, in);
        dy += rows * out, x += rows * in, dx += rows * in, v += out * in, w += out * in, d_v += out * in;
        g += out, norm += out, d_g += out, d_b += out;
    }
}
