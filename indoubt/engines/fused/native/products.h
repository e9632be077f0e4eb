/* Called from other files: a name that libc has too, such as times, would find libc's. */
#pragma once
#include "vector.h"

/* y = x W^T + b: x (rows, in) with rows `x_step` apart, w (out, in), bias (out) or none, y (rows, out) with rows
 * `y_step` apart. */
void multiply_transposed(const real *x, long x_step, const real *w, const real *bias, real *y, long y_step, long rows,
                         long out, long in);

/* y = x W: x (rows, out), w (out, in), y (rows, in). */
void multiply(const real *x, long x_step, const real *w, real *y, long y_step, long rows, long out, long in);
