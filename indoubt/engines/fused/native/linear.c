/* Linear maps of some rows of symbols by small matrices. */
#include "panels.h"
#include "transformer.h"

void linear(const real *x, const real *w, const real *bias, real *y, long rows, long out, long in, Room room) {
    real *w_t = take_reals(&room, in * out); /* sums of whole registers are cheaper than sums within one */
    transpose(w, in, w_t, out, out, in);
    for (long j = 0, width; j < out; j += width) {
        width = width_of(out - j);
        Ends ends = {.bias = bias ? bias + j : 0};
        multiply_panel(by_rows(x, in), w_t + j, out, ends, y + j, out, rows, in, out - j);
    }
}

void linear_backward(const real *dy, const real *x, const real *w, real *dw, real *d_bias, real *dx, long rows,
                     long out, long in) {
    Ends none = {0};
    for (long j = 0, width; j < in; j += width) {
        width = width_of(in - j);
        multiply_panel(by_columns(dy, out), x + j, in, none, dw + j, in, out, rows, in - j);
        multiply_panel(by_rows(dy, out), w + j, in, none, dx + j, in, rows, out, in - j);
    }
    if (d_bias) sum_rows(dy, d_bias, rows, out);
}
