/* Linear maps of some rows of symbols by small matrices. */
#include "products.h"
#include "transformer.h"

void linear(const real *x, const real *w, const real *bias, real *y, long rows, long out, long in, Room room) {
    real *w_t = take_reals(&room, in * out); /* sums of whole registers are cheaper than sums within one */
    transpose(w, in, w_t, out, out, in);
    multiply(x, in, w_t, y, out, rows, in, out);
    for (long r = 0; bias && r < rows; r++)
        for (long j = 0; j < out; j++) y[r * out + j] += bias[j];
}

void linear_backward(const real *dy, const real *x, const real *w, real *dw, real *d_bias, real *dx, long rows,
                     long out, long in, Room room) {
    real *dy_t = take_reals(&room, out * rows);
    transpose(dy, out, dy_t, rows, rows, out);
    multiply(dy_t, rows, x, dw, in, out, rows, in);
    if (d_bias) sum_rows(dy, d_bias, rows, out);
    multiply(dy, out, w, dx, in, rows, out, in);
}
